// SPDX-License-Identifier: MIT
#include "policy/restart.h"

#include <algorithm>
#include <csignal>

#include <sys/wait.h>

#include "policy/backoff.h"

namespace superd {

EndKind classify_exit(int status, const std::vector<CleanExit>& clean) {
    if (status < 0) return EndKind::unknown;
    const bool by_signal = WIFSIGNALED(status);
    const int code = by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    const CleanExit found{by_signal, static_cast<std::uint8_t>(code)};
    if (std::find(clean.begin(), clean.end(), found) != clean.end()) return EndKind::clean;
    if (!by_signal) return EndKind::status;
    return WCOREDUMP(status) ? EndKind::core : EndKind::signal;
}

bool restarts_after(Restart restart, EndKind end) {
    const bool clean = end == EndKind::clean;
    switch (restart) {
        case Restart::no: return false;
        case Restart::on_success: return clean;
        case Restart::on_failure: return !clean;
        case Restart::always: return true;
        case Restart::on_abnormal: break;
    }
    // What the program decided for itself, or could not even begin, comes out the same again.
    return !clean && end != EndKind::status && end != EndKind::launch;
}

Nanoseconds restart_pause(const LifePlan& plan, std::uint32_t n, std::uint32_t chance) {
    const Nanoseconds pause = growing_pause(plan.restart_delay, plan.restart_delay_max, n);
    // From 0.9 to 1.1 of it, so that what fell together does not come back together.
    const std::int64_t fifth = pause.count() / 5;
    const double share = static_cast<double>(chance) / 4294967296.0;
    return pause - Nanoseconds(fifth / 2) +
           Nanoseconds(static_cast<std::int64_t>(static_cast<double>(fifth) * share));
}

namespace {

// True: one more than the limit allows within its period.
bool exceeds(const Frequency& limit, RestartTally& tally, Mono now) {
    const std::int64_t at = now.time_since_epoch().count();
    if (tally.window_at == 0 || at - tally.window_at >= limit.period.count()) {
        tally.window_at = at;
        tally.in_window = 0;
    }
    if (tally.in_window >= limit.count) return true;
    ++tally.in_window;
    return false;
}

}  // namespace

Verdict judge_end(const LifePlan& plan, const LifeEnd& end, RestartTally& tally, Mono now) {
    if (!end.wanted || end.kind == EndKind::idle) {
        tally.failures = 0;
        return {LifeEvent::rest, Nanoseconds{0}, false};
    }
    // Its successor is wanted whatever `restart` says, and at once.
    if (end.kind == EndKind::recycled) return {LifeEvent::retry, Nanoseconds{0}, false};
    if (end.kind == EndKind::shortage) {
        // Not its fault: it is tried until there is room.
        ++tally.failures;
        return {LifeEvent::retry, restart_pause(plan, tally.failures, end.chance), false};
    }
    const bool clean = end.kind == EndKind::clean;
    const LifeEvent last = clean ? LifeEvent::finish : LifeEvent::give_up;
    if (end.up > Nanoseconds::zero() && end.up >= plan.restart_delay_max) tally.failures = 0;
    if (!restarts_after(plan.restart, end.kind)) {
        tally.failures = clean ? 0 : tally.failures + 1;
        return {last, Nanoseconds{0}, false};
    }
    ++tally.failures;
    const bool limited = plan.restart_limit && exceeds(*plan.restart_limit, tally, now);
    if (limited && !end.has_doors) return {LifeEvent::give_up, Nanoseconds{0}, true};
    Nanoseconds pause = restart_pause(plan, tally.failures, end.chance);
    if (limited) return {LifeEvent::retry, std::max(pause, plan.restart_delay_max), true};
    if (clean) pause = std::min(pause, std::max(end.up, plan.restart_delay));
    return {LifeEvent::retry, pause - std::min(pause, end.up), false};
}

}  // namespace superd
