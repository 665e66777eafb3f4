// SPDX-License-Identifier: MIT
// Thin owners of libuv handles. Closing a libuv handle is asynchronous: each owner leaves its
// handle to the loop, which frees it on a later turn; callbacks never come after the owner's
// destructor. Single-threaded.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"

struct uv_loop_s;

namespace superd {

// The event loop. Everything below must be gone before it is.
class Loop final : public Clock {
public:
    Loop();
    ~Loop() override;  // runs the close callbacks that are still due
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void run();  // until stop()
    void stop();
    // One turn; waits for an event where wait is true. For tests.
    void turn(bool wait);

    [[nodiscard]] Mono now() const override;
    [[nodiscard]] Wall wall() const override;

    [[nodiscard]] uv_loop_s* raw() { return raw_.get(); }

    // Called after the events of each turn (flush logs, start what was collected).
    void at_turn_end(std::function<void()> hook);

private:
    struct Hooks;
    std::unique_ptr<uv_loop_s> raw_;
    std::unique_ptr<Hooks> hooks_;
};

// Watches a descriptor that somebody else owns; must be gone (or stopped) before it is closed.
// Level-triggered. libuv sets O_NONBLOCK on the descriptor.
class Poll {
public:
    static constexpr int readable = 1, writable = 2, hangup = 4;  // hangup: reported always
    using Callback = std::function<void(int events, int error)>;  // error: errno, 0 for none

    Poll(Loop& loop, int fd, Callback callback);
    ~Poll();
    Poll(const Poll&) = delete;
    Poll& operator=(const Poll&) = delete;

    void start(int events);
    void stop();
    [[nodiscard]] bool active() const;

private:
    struct Impl;
    Impl* impl_;
};

class Timer {
public:
    Timer(Loop& loop, std::function<void()> callback);
    ~Timer();
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    void start(Nanoseconds after, Nanoseconds repeat = Nanoseconds{0});  // rounded up to 1 ms
    void stop();
    [[nodiscard]] bool active() const;

private:
    struct Impl;
    Impl* impl_;
};

}  // namespace superd
