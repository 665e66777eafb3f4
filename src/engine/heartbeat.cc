// SPDX-License-Identifier: MIT
#include "engine/heartbeat.h"

#include <csignal>
#include <utility>

#include "policy/rate.h"
#include "sys/guard.h"

namespace superd {

Heartbeat::Heartbeat(Loop& loop, StateHeader& header, Nanoseconds period,
        std::function<void(std::string_view)> notify)
        : header_(header),
          interval_(period / 4),
          notify_(std::move(notify)),
          timer_(loop, [this] { beat(); }) {}

bool Heartbeat::start() {
    const bool after_hung = header_.heartbeat.load() == heartbeat_of_hung;
    if (interval_ == Nanoseconds::zero()) return after_hung;
    beat();
    timer_.start(interval_, interval_);
    // It looks at a heartbeat by its own clock once it knows that there is one.
    if (const auto guard = header_.guard_pid.load(); guard > 0) ::kill(guard, guard_signal());
    return after_hung;
}

void Heartbeat::stop() {
    timer_.stop();
    header_.heartbeat.store(0);
}

// Not the loop's clock, which stands still while a turn lasts.
void Heartbeat::beat() {
    header_.heartbeat.store(to_nanoseconds(std::chrono::steady_clock::now()));
    if (notify_) notify_("WATCHDOG=1\n");
}

}  // namespace superd
