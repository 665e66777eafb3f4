// SPDX-License-Identifier: MIT
// idle_stop: workers that nobody needs are stopped, and nobody who comes then is lost.
//
// Workers are looked at now and then while they run (policy/idleness.h): whether somebody has a
// connection (sys/sock_diag.h), and whether somebody had one since the last look
// (engine/arrivals.h). Between the last look and the worker's TERM it could still accept one,
// and die with it. So it is held still by SIGSTOP first, and looked at once more: who comes
// from then on waits in the queue of the listener, which superd watches as soon as the worker
// has gone. A superd that is killed while it holds a worker still leaves a note for the next
// one.
//
// A pool that has grown (policy/pool.h) shrinks the same way before that: when nobody new came
// for all of idle_stop, those above the least that have no client go, one at a time. Who has a
// client shows in the descriptors that its processes have open. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/arrivals.h"
#include "engine/lives.h"
#include "engine/service.h"
#include "log/event.h"
#include "loop/loop.h"

namespace superd {

class Idling {
public:
    // changed: what status shows of the service is different now. It may call follow().
    using Changed = std::function<void(Service& service)>;

    Idling(Loop& loop, Lives& lives, EventSink& log, Changed changed);

    // After anything that may have changed what runs of the service, or its plan: from now on
    // it is looked at, or no longer.
    void follow(Service& service);
    // It goes for good.
    void forget(const Service& service);

private:
    struct Entry {
        Service* service = nullptr;
        std::unique_ptr<Timer> timer;
        Nanoseconds bound{0};     // idle_stop, as it was when the timer was started
        Mono since{};             // when somebody was last seen to need it
        Mono quiet_since{};       // when somebody new was
        bool held_still = false;  // its workers are, or about to be
        Mono held_since{};
        std::uint32_t surplus = no_place;  // held still: the place of the only one that is
    };

    static constexpr std::uint32_t no_place = ~std::uint32_t{0};

    // What a look finds.
    struct Seen {
        bool came = false;   // somebody new, or the service was at work itself
        bool stays = false;  // somebody has a connection, or drains
        std::string trouble{};
    };

    void on_timer(Entry& entry);
    void look(Entry& entry);
    [[nodiscard]] Seen see(const Service& service);
    // The number of a place that the pool can do without; no_place: it needs all of them.
    [[nodiscard]] std::uint32_t find_surplus(const Service& service, std::string& trouble);
    [[nodiscard]] bool has_client(const Service& service, const Instance& instance,
            const std::vector<std::uint64_t>& clients, std::string& trouble) const;
    void hold_still(Entry& entry, std::uint32_t surplus);
    void send(const Entry& entry, int signal) const;
    [[nodiscard]] bool are_still(const Entry& entry) const;
    void look_last(Entry& entry);
    void let_go(Entry& entry);
    void stop(Entry& entry);
    void stop_surplus(Entry& entry);
    void drop(std::map<std::uint32_t, Entry>::iterator place);
    void note_trouble(Service& service, const std::string& trouble);

    Loop& loop_;
    Lives& lives_;
    EventSink& log_;
    const Changed changed_;
    std::unique_ptr<Arrivals> arrivals_;  // made when the first service needs it
    std::map<std::uint32_t, Entry> entries_;
};

}  // namespace superd
