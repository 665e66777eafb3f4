// SPDX-License-Identifier: MIT
#include "policy/life.h"

#include <array>

namespace superd {

namespace {

using S = LifeState;
using E = LifeEvent;
using F = LifeEffect;

struct Row {
    S state;
    E event;
    S next;
    F effect = F::none;
};

// clang-format off
constexpr Row rows[] = {
    {S::down, E::start, S::launching, F::launch},
    {S::done, E::start, S::launching, F::launch},
    {S::done, E::stop, S::down},
    {S::failed, E::start, S::launching, F::launch},
    {S::failed, E::stop, S::down},
    {S::waiting, E::due, S::launching, F::launch},
    {S::waiting, E::start, S::launching, F::launch},
    {S::waiting, E::stop, S::down},

    {S::launching, E::launched, S::starting, F::await},
    {S::launching, E::not_launched, S::judging, F::judge},
    {S::launching, E::ended, S::judging, F::judge},
    {S::launching, E::stop, S::stopping, F::send_term},

    {S::starting, E::ready, S::running},
    {S::starting, E::ended, S::judging, F::judge},
    {S::starting, E::ending, S::stopping},
    {S::starting, E::unheard, S::aborting, F::send_abort},
    {S::starting, E::expired, S::stopping, F::send_term},
    {S::starting, E::due, S::stopping, F::send_term},
    {S::starting, E::stop, S::stopping, F::send_term},

    {S::running, E::ended, S::judging, F::judge},
    {S::running, E::ending, S::stopping},
    {S::running, E::unheard, S::aborting, F::send_abort},
    {S::running, E::expired, S::stopping, F::send_term},
    {S::running, E::stop, S::stopping, F::send_term},

    // One that was still between clone and exec may have heard nothing of the signal.
    {S::stopping, E::launched, S::stopping, F::send_term},
    {S::stopping, E::not_launched, S::judging, F::judge},
    {S::stopping, E::ended, S::judging, F::judge},
    {S::stopping, E::due, S::killing, F::send_kill},

    {S::aborting, E::ended, S::judging, F::judge},
    {S::aborting, E::due, S::killing, F::send_kill},

    {S::killing, E::launched, S::killing, F::send_kill},
    {S::killing, E::not_launched, S::judging, F::judge},
    {S::killing, E::ended, S::judging, F::judge},
    {S::killing, E::due, S::killing, F::say_unkillable},

    {S::judging, E::retry, S::waiting},
    {S::judging, E::finish, S::done},
    {S::judging, E::give_up, S::failed},
    {S::judging, E::rest, S::down},
};
// clang-format on

constexpr std::size_t state_count = static_cast<std::size_t>(S::count);
constexpr std::size_t event_count = static_cast<std::size_t>(E::count);
using Table = std::array<std::array<LifeStep, event_count>, state_count>;

constexpr Table make_table() {
    Table table{};
    for (const Row& row : rows)
        table[static_cast<std::size_t>(row.state)][static_cast<std::size_t>(row.event)] = {
                row.next, row.effect, true};
    return table;
}

constexpr Table table = make_table();

constexpr std::string_view state_names[state_count] = {"down", "done", "waiting", "failed",
        "launching", "starting", "running", "stopping", "aborting", "killing", "judging"};

constexpr std::string_view event_names[event_count] = {"start", "stop", "launched",
        "not launched", "ready", "ending", "unheard", "expired", "ended", "due", "retry",
        "finish", "give up", "rest"};

}  // namespace

LifeStep life_step(LifeState state, LifeEvent event) {
    const LifeStep& step =
            table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
    return step.known ? step : LifeStep{.next = state};
}

LifeBound life_bound(LifeState state) {
    switch (state) {
        case S::waiting: return LifeBound::pause;
        case S::starting: return LifeBound::start;
        case S::stopping: return LifeBound::stop;
        case S::aborting: return LifeBound::abort;
        case S::killing: return LifeBound::kill;
        default: return LifeBound::none;
    }
}

std::string_view life_state_name(LifeState state) {
    return state_names[static_cast<std::size_t>(state)];
}

std::string_view life_event_name(LifeEvent event) {
    return event_names[static_cast<std::size_t>(event)];
}

}  // namespace superd
