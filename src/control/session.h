// SPDX-License-Identifier: MIT
// One client of the control socket: its bytes, its D-Bus connection and its open calls.
//
// The client's socket and the D-Bus library never meet: the library works on one end of a
// socket pair in this process, and the session carries bytes between the other end and the
// client, in through the FrameGate. All of it happens in pump(), so only the client's socket is
// polled. While an answer is on its way out nothing more is taken in: a client that does not
// read makes superd keep no more than its open calls' answers.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "control/access.h"
#include "control/frame_gate.h"
#include "engine/manager.h"
#include "log/event.h"
#include "loop/loop.h"

struct sd_bus;

namespace superd {

struct ControlOptions;

// What a session uses; all of it outlives the session.
struct ControlHost {
    Loop& loop;
    Manager& manager;
    const ControlRights& rights;
    const ControlOptions& options;
    std::function<void()> on_end;  // a session has ended; not to be destroyed in this call
};

class ControlSession : public std::enable_shared_from_this<ControlSession> {
public:
    [[nodiscard]] static Result<std::shared_ptr<ControlSession>> open(
            const ControlHost& host, Fd client, ControlCredentials peer);
    ~ControlSession();
    ControlSession(const ControlSession&) = delete;
    ControlSession& operator=(const ControlSession&) = delete;

    [[nodiscard]] bool ended() const { return ended_; }

    [[nodiscard]] const ControlCredentials& peer() const { return peer_; }

    // For the control object.
    [[nodiscard]] Manager& manager() const { return host_.manager; }

    [[nodiscard]] Wall wall() const { return host_.loop.wall(); }

    [[nodiscard]] bool may_change() const;
    void log_change(const std::string& what) const;

    void call_begins() { ++open_calls_; }

    void call_ends();

    // Waits that are forgotten when the client goes.
    void add_wait(std::uint64_t token) { waits_.insert(token); }

    void drop_wait(std::uint64_t token) { waits_.erase(token); }

    // Work that takes long: step is called until it returns false, at once and, where that is
    // not enough, in turns of the loop to come. Forgotten when the client goes.
    void do_in_slices(std::function<bool()> step);

    // Carries bytes and messages as far as they go. Harmless at any time.
    void pump();

private:
    ControlSession(const ControlHost& host, Fd client, ControlCredentials peer);
    [[nodiscard]] Result<void> open_bus();
    [[nodiscard]] bool step(bool& progress);
    [[nodiscard]] bool receive(bool& progress);
    [[nodiscard]] bool forward(bool& progress);
    [[nodiscard]] bool process(bool& progress);
    [[nodiscard]] bool send(bool& progress);
    [[nodiscard]] bool throttled() const;
    void on_event(int events);
    void work();
    void watch();
    void end();

    ControlHost host_;
    ControlCredentials peer_;
    Fd client_, near_;  // near_: our end of the pair; the library owns the other
    sd_bus* bus_ = nullptr;
    FrameGate gate_;
    std::string in_, out_;      // bytes under way, at most one chunk each
    std::size_t admitted_ = 0;  // from the front of in_: past the gate, not yet written
    unsigned open_calls_ = 0;
    std::set<std::uint64_t> waits_;
    bool pumping_ = false, ended_ = false;
    std::unique_ptr<Poll> poll_;
    Timer deadline_;                           // of the authentication, later of a write
    Timer again_;                              // goes on where pump() stopped for fairness
    std::deque<std::function<bool()>> steps_;  // of work that is not done yet
    Timer work_on_;                            // goes on with it
};

}  // namespace superd
