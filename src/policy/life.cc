// SPDX-License-Identifier: MIT
#include "policy/life.h"

namespace superd {

namespace {

using S = LifeState;
using E = LifeEvent;
using F = LifeEffect;

struct Row {
    S state;
    E event;
    S next;
    LifeEffects effects;
};

template <class... Effects>
constexpr LifeEffects does(Effects... effects) {
    return (LifeEffects{0} | ... | effect_bit(effects));
}

// clang-format off
constexpr Row rows[] = {
    // ---- nothing runs
    {S::down, E::start, S::preparing, does(F::run_pre)},
    {S::done, E::start, S::preparing, does(F::run_pre)},
    {S::done, E::stop, S::down, does()},
    {S::failed, E::start, S::preparing, does(F::run_pre)},
    {S::failed, E::stop, S::down, does()},
    {S::waiting, E::due, S::preparing, does(F::run_pre)},
    {S::waiting, E::start, S::preparing, does(F::run_pre)},
    {S::waiting, E::stop, S::down, does()},

    // ---- coming up
    {S::preparing, E::command_ok, S::launching, does(F::launch)},
    {S::preparing, E::command_failed, S::cleaning, does(F::note_command, F::run_stop_post)},
    {S::preparing, E::due, S::cancelling, does(F::note_timeout, F::end_command)},
    {S::preparing, E::stop, S::cancelling, does(F::end_command)},

    {S::launching, E::launched, S::starting, does(F::await)},
    {S::launching, E::not_launched, S::cleaning, does(F::note_launch, F::run_stop_post)},
    {S::launching, E::ended, S::cleaning, does(F::note_end, F::run_stop_post)},
    {S::launching, E::due, S::killing, does(F::note_timeout, F::send_kill)},
    {S::launching, E::stop, S::stopping, does(F::send_term)},

    {S::starting, E::ready, S::settling, does(F::run_post)},
    {S::starting, E::completed, S::cleaning, does(F::note_end, F::run_stop_post)},
    {S::starting, E::ended, S::cleaning, does(F::note_end, F::run_stop_post)},
    {S::starting, E::says_stopping, S::stopping, does()},
    {S::starting, E::due, S::stopping, does(F::note_timeout, F::send_term)},
    {S::starting, E::unwatched, S::aborting, does(F::note_watchdog, F::send_abort)},
    {S::starting, E::expired, S::stopping, does(F::note_expired, F::send_term)},
    {S::starting, E::stop, S::stopping, does(F::send_term)},

    {S::settling, E::command_ok, S::running, does()},
    {S::settling, E::command_failed, S::halting, does(F::note_command, F::run_stop)},
    {S::settling, E::ended, S::cancelling, does(F::note_end, F::end_command)},
    {S::settling, E::due, S::stopping, does(F::note_timeout, F::kill_command, F::send_term)},
    {S::settling, E::unwatched, S::aborting, does(F::note_watchdog, F::kill_command, F::send_abort)},
    {S::settling, E::expired, S::stopping, does(F::note_expired, F::kill_command, F::send_term)},
    {S::settling, E::stop, S::stopping, does(F::kill_command, F::send_term)},

    // ---- up
    {S::running, E::ended, S::cleaning, does(F::note_end, F::run_stop_post)},
    {S::running, E::reload, S::reloading, does(F::run_reload)},
    {S::running, E::says_reloading, S::reloading, does()},
    {S::running, E::says_stopping, S::stopping, does()},
    {S::running, E::unwatched, S::aborting, does(F::note_watchdog, F::send_abort)},
    {S::running, E::expired, S::halting, does(F::note_expired, F::run_stop)},
    {S::running, E::unhealthy, S::halting, does(F::note_unhealthy, F::run_stop)},
    {S::running, E::stop, S::halting, does(F::run_stop)},

    {S::reloading, E::ready, S::running, does()},
    {S::reloading, E::command_ok, S::running, does()},
    {S::reloading, E::command_failed, S::running, does(F::reload_failed)},
    {S::reloading, E::due, S::running, does(F::reload_failed, F::kill_command)},
    {S::reloading, E::says_reloading, S::reloading, does()},
    {S::reloading, E::says_stopping, S::stopping, does(F::kill_command)},
    {S::reloading, E::ended, S::cancelling, does(F::note_end, F::end_command)},
    {S::reloading, E::unwatched, S::aborting, does(F::note_watchdog, F::kill_command, F::send_abort)},
    {S::reloading, E::expired, S::stopping, does(F::note_expired, F::kill_command, F::send_term)},
    {S::reloading, E::unhealthy, S::stopping, does(F::note_unhealthy, F::kill_command, F::send_term)},
    {S::reloading, E::stop, S::stopping, does(F::kill_command, F::send_term)},

    // ---- going down
    {S::cancelling, E::command_ok, S::cleaning, does(F::run_stop_post)},
    {S::cancelling, E::command_failed, S::cleaning, does(F::run_stop_post)},
    {S::cancelling, E::due, S::cancelling, does(F::kill_command)},

    {S::halting, E::command_ok, S::stopping, does(F::send_term)},
    {S::halting, E::command_failed, S::stopping, does(F::send_term)},
    {S::halting, E::ended, S::cancelling, does(F::note_end, F::end_command)},
    {S::halting, E::due, S::stopping, does(F::kill_command, F::send_term)},

    {S::stopping, E::launched, S::stopping, does(F::send_term)},
    {S::stopping, E::not_launched, S::cleaning, does(F::run_stop_post)},
    {S::stopping, E::ended, S::cleaning, does(F::note_end, F::run_stop_post)},
    {S::stopping, E::due, S::killing, does(F::send_kill)},

    {S::aborting, E::ended, S::cleaning, does(F::note_end, F::run_stop_post)},
    {S::aborting, E::due, S::killing, does(F::send_kill)},

    {S::killing, E::launched, S::killing, does(F::send_kill)},
    {S::killing, E::not_launched, S::cleaning, does(F::run_stop_post)},
    {S::killing, E::ended, S::cleaning, does(F::note_end, F::run_stop_post)},
    {S::killing, E::due, S::killing, does(F::note_unkillable)},

    {S::cleaning, E::command_ok, S::judging, does(F::judge)},
    {S::cleaning, E::command_failed, S::judging, does(F::note_command, F::judge)},
    {S::cleaning, E::due, S::cleaning, does(F::kill_command)},

    {S::judging, E::retry, S::waiting, does()},
    {S::judging, E::finish, S::done, does()},
    {S::judging, E::give_up, S::failed, does()},
    {S::judging, E::rest, S::down, does()},
};
// clang-format on

constexpr std::size_t state_count = static_cast<std::size_t>(S::count);
constexpr std::size_t event_count = static_cast<std::size_t>(E::count);
using Table = std::array<std::array<LifeStep, event_count>, state_count>;

constexpr Table make_table() {
    Table table{};
    for (const Row& row : rows)
        table[static_cast<std::size_t>(row.state)][static_cast<std::size_t>(row.event)] = {
                row.next, row.effects, true};
    return table;
}

constexpr Table table = make_table();

constexpr std::string_view state_names[state_count] = {"down", "done", "waiting", "failed",
        "preparing", "launching", "starting", "settling", "running", "reloading", "cancelling",
        "halting", "stopping", "aborting", "killing", "cleaning", "judging"};

constexpr std::string_view event_names[event_count] = {"start", "stop", "reload", "launched",
        "not launched", "ready", "completed", "says reloading", "says stopping", "ended",
        "command ok", "command failed", "due", "unwatched", "expired", "unhealthy", "retry",
        "finish", "give up", "rest"};

constexpr std::string_view effect_names[static_cast<std::size_t>(F::count)] = {"note end",
        "note launch", "note command", "note timeout", "note watchdog", "note expired",
        "note unhealthy", "note unkillable", "reload failed", "end command", "kill command",
        "run exec_pre", "run exec_post", "run reload", "run exec_stop", "run exec_stop_post",
        "launch", "await ready", "TERM", "ABRT", "KILL", "judge"};

}  // namespace

LifeStep life_step(LifeState state, LifeEvent event) {
    const LifeStep& step =
            table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
    return step.known ? step : LifeStep{.next = state, .effects = 0, .known = false};
}

LifeBound life_bound(LifeState state) {
    switch (state) {
        case S::preparing:
        case S::launching:
        case S::starting:
        case S::settling: return LifeBound::start;
        case S::reloading: return LifeBound::reload;
        case S::cancelling:
        case S::halting:
        case S::stopping:
        case S::cleaning: return LifeBound::stop;
        case S::aborting: return LifeBound::abort;
        case S::killing: return LifeBound::kill;
        case S::waiting: return LifeBound::pause;
        default: return LifeBound::none;
    }
}

std::string_view life_state_name(LifeState state) {
    return state_names[static_cast<std::size_t>(state)];
}

std::string_view life_event_name(LifeEvent event) {
    return event_names[static_cast<std::size_t>(event)];
}

std::string_view life_effect_name(LifeEffect effect) {
    return effect_names[static_cast<std::size_t>(effect)];
}

}  // namespace superd
