// SPDX-License-Identifier: MIT
// Handlers that are started ahead of their clients and wait, each at its first use of the
// connection, until one comes (sys/park_protocol.h says how).
//
// A connection is journaled as ever before it is handed over, and its record stays `accepted`,
// with a copy of its descriptor, until the handler has said that it has it: then the handler's
// record takes its place. A handler that ends before that has not seen the client, and another
// one is started cold. So at every moment exactly one record speaks of the connection, also to
// a superd that comes after a kill (sys/warm_recovery.h).
//
// A handler serves one connection and ends: there is no way back into the pool.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/fd.h"
#include "engine/manager.h"
#include "engine/processes.h"
#include "engine/service.h"
#include "log/event.h"
#include "loop/loop.h"
#include "policy/warm.h"
#include "sys/spawner.h"

namespace superd {

// What the pool asks its owner for, and tells it. Loop thread.
class WarmHost {
public:
    virtual ~WarmHost() = default;
    // Fills in the plan, stderr and who steps in; launch.record is the record.
    virtual void equip_warm(Service& service, Launch& launch) = 0;
    // Processes that may still be started.
    [[nodiscard]] virtual std::uint32_t room_for_warm() const = 0;
    // One process more, or one less.
    virtual void count_warm(bool more) = 0;
    // The connection of record `from`, which is free by now, is that of the handler `record`.
    virtual void on_warm_arrived(std::uint32_t record, std::uint32_t from) = 0;
    virtual void on_warm_not_launched(std::uint32_t record, const LaunchResult& result) = 0;
    // What status() says is different.
    virtual void on_warm_changed(Service& service) = 0;
};

class WarmHandlers {
public:
    // library: of libsuperd-park.so; empty: there is none, and every handler is started cold.
    WarmHandlers(Loop& loop, Processes& processes, EventSink& log, WarmHost& host,
            std::string library);
    ~WarmHandlers();
    WarmHandlers(const WarmHandlers&) = delete;
    WarmHandlers& operator=(const WarmHandlers&) = delete;

    // How many of the service are to wait; 0 where no client can come. Starts and ends come
    // with a later turn of the loop.
    void follow(Service& service, std::uint32_t wanted);
    // Those that wait for nobody yet are not of this plan, or the service goes.
    void drop(const Service& service);
    void stop();  // all of them

    // True: the connection is on its way to a handler that waited, and launch is kept for the
    // case that this one ends before it has it.
    [[nodiscard]] bool give(Service& service, Launch& launch);
    // Connections that are on their way.
    [[nodiscard]] std::size_t on_the_way() const;
    [[nodiscard]] std::optional<WarmStatus> status(const Service& service) const;

    // ---- news of processes of ProcessKind::warm
    void on_started(std::uint32_t record);
    void on_launch_failed(std::uint32_t record, const LaunchResult& result);
    // True: it had a connection by then, and its end is that of any handler.
    [[nodiscard]] bool on_ended(std::uint32_t record, int status);

private:
    enum class Stage : std::uint8_t { starting, waiting, given, ending };

    struct Member {
        std::uint32_t record = 0;
        Service* service = nullptr;  // of Stage::ending: null
        Stage stage = Stage::starting;
        Fd channel;
        Fd placeholder;  // superd's end: open, so that the program's is not at its end
        std::unique_ptr<Poll> poll;
        Mono deadline = Mono::max();   // of the stage
        bool is_idle = false;          // at idle priority
        std::unique_ptr<Launch> cold;  // Stage::given: what happens if it ends before
    };

    struct Pool {
        WarmPool counts;
        std::deque<std::uint32_t> waiting;  // by record, the oldest first
        std::string trouble;
    };

    void look();
    void look_at(Member& member, Mono now);
    void fill(Service& service, Pool& pool, Mono now);
    [[nodiscard]] bool start(Service& service, Pool& pool);
    [[nodiscard]] std::vector<std::string> variables() const;
    void on_channel(std::uint32_t record);
    void on_word(Member& member, char word, char reason);
    void on_parked(Member& member);
    void arrive(Member& member);
    [[nodiscard]] bool hand_over(Member& member, Service& service, const Launch& launch);
    void go_cold(Member& member);
    void miss(Member& member, std::string trouble);
    void forget(Member& member);  // from its pool's counts
    void end(Member& member);
    void wake(Nanoseconds after);
    void erase(std::uint32_t record);

    Loop& loop_;
    Processes& processes_;
    EventSink& log_;
    WarmHost& host_;
    const std::string library_;
    Timer timer_;
    Mono timer_at_ = Mono::max();
    std::unordered_map<std::uint32_t, std::unique_ptr<Member>> members_;  // by record
    std::map<Service*, Pool> pools_;
};

}  // namespace superd
