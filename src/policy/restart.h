// SPDX-License-Identifier: MIT
// When a life is over: what its end was, whether it is begun again, and after which pause.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/plan_life.h"
#include "policy/life.h"

namespace superd {

// What brought a life to its end.
enum class EndKind : std::uint8_t {
    none,       // it has not ended
    clean,      // as clean_exit says
    status,     // another exit status
    signal,     // another signal
    core,       // ... with a core dumped
    launch,     // it could not be started
    timeout,    // it was not ready in time, or ran longer than it may
    watchdog,   // it went unheard for too long
    shortage,   // there was no process, memory or descriptor for it
    unknown,    // nobody saw how
    idle,       // superd stopped it, for nobody needed it
    recycled,   // ... for it had run or served as much as it may
    unhealthy,  // ... for its health checks failed
    memory      // the kernel killed it for want of memory
};

// True for what superd ended it for: how it ended then says nothing more.
[[nodiscard]] constexpr bool is_superds_doing(EndKind end) {
    return end == EndKind::timeout || end == EndKind::watchdog || end == EndKind::unhealthy;
}

// True for an end that nobody is to blame for.
[[nodiscard]] constexpr bool is_good_end(EndKind end) {
    return end == EndKind::clean || end == EndKind::idle || end == EndKind::recycled;
}

// Of a wait status as waitpid(2)'s; -1: unknown.
[[nodiscard]] EndKind classify_exit(int status, const std::vector<CleanExit>& clean);

// True where `restart` asks for another life after such an end.
[[nodiscard]] bool restarts_after(Restart restart, EndKind end);

// What is remembered from life to life: plain fields, so that they may lie in memory that
// outlives superd.
struct RestartTally {
    std::uint32_t failures = 0;   // restarts in a row without a good life between
    std::uint32_t in_window = 0;  // restarts since window_at
    std::int64_t window_at = 0;   // CLOCK_MONOTONIC, ns; 0: none yet
};

struct LifeEnd {
    EndKind kind = EndKind::none;
    Nanoseconds up{0};         // how long it ran; 0: it never did
    bool wanted = true;        // nobody ordered it to stop
    bool has_doors = false;    // it has listeners: it is never given up for good
    std::uint32_t chance = 0;  // a random number, for the jitter
};

struct Verdict {
    LifeEvent event = LifeEvent::rest;  // retry, finish, give_up, rest
    Nanoseconds pause{0};               // before a retry
    bool limit_reached = false;
};

// Counts in the tally. The pause counts from the start of the life that is over, so that one
// that fell after a while is back at once and one that falls as soon as it starts is not. A
// life that was up as long as the longest pause makes up for all failures before it; one that
// ended well is never kept waiting for them once it was up for restart_delay. A reached limit
// makes the pause count from the end.
[[nodiscard]] Verdict judge_end(
        const LifePlan& plan, const LifeEnd& end, RestartTally& tally, Mono now);

// Between the starts before and after restart number n in a row (from 1): restart_delay doubled
// with each up to restart_delay_max, a tenth more or less by chance.
[[nodiscard]] Nanoseconds restart_pause(
        const LifePlan& plan, std::uint32_t n, std::uint32_t chance);

}  // namespace superd
