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
    {S::down, E::start, S::preparing, F::run},
    {S::done, E::start, S::preparing, F::run},
    {S::done, E::stop, S::down},
    {S::failed, E::start, S::preparing, F::run},
    {S::failed, E::stop, S::down},
    {S::waiting, E::due, S::preparing, F::run},
    {S::waiting, E::start, S::preparing, F::run},
    {S::waiting, E::stop, S::down},

    {S::preparing, E::command_ok, S::launching, F::launch},
    {S::preparing, E::command_bad, S::cleaning, F::run},
    {S::preparing, E::due, S::stopping, F::send_term},
    {S::preparing, E::stop, S::stopping, F::send_term},

    {S::launching, E::launched, S::starting, F::await},
    {S::launching, E::not_launched, S::cleaning, F::run},
    {S::launching, E::ended, S::cleaning, F::run},
    {S::launching, E::stop, S::stopping, F::send_term},

    {S::starting, E::ready, S::settling, F::run},
    {S::starting, E::ended, S::cleaning, F::run},
    {S::starting, E::ending, S::stopping},
    {S::starting, E::unheard, S::aborting, F::send_abort},
    {S::starting, E::expired, S::stopping, F::send_term},
    {S::starting, E::due, S::stopping, F::send_term},
    {S::starting, E::stop, S::stopping, F::send_term},

    {S::settling, E::command_ok, S::running},
    {S::settling, E::command_bad, S::halting, F::run},
    {S::settling, E::ended, S::cleaning, F::run},
    {S::settling, E::left, S::stopping, F::send_term},
    {S::settling, E::ending, S::stopping},
    {S::settling, E::unheard, S::aborting, F::send_abort},
    {S::settling, E::expired, S::stopping, F::send_term},
    {S::settling, E::due, S::stopping, F::send_term},
    {S::settling, E::stop, S::stopping, F::send_term},

    {S::running, E::reload, S::reloading, F::run},
    {S::running, E::reloads, S::reloading},
    {S::running, E::ended, S::cleaning, F::run},
    {S::running, E::ending, S::stopping},
    {S::running, E::unheard, S::aborting, F::send_abort},
    {S::running, E::expired, S::halting, F::run},
    {S::running, E::stop, S::halting, F::run},

    {S::reloading, E::ready, S::running},
    {S::reloading, E::command_ok, S::running},
    {S::reloading, E::command_bad, S::running, F::say_reload_failed},
    {S::reloading, E::due, S::running, F::say_reload_failed},
    {S::reloading, E::ended, S::cleaning, F::run},
    {S::reloading, E::left, S::stopping, F::send_term},
    {S::reloading, E::ending, S::stopping},
    {S::reloading, E::unheard, S::aborting, F::send_abort},
    {S::reloading, E::expired, S::halting, F::run},
    {S::reloading, E::stop, S::halting, F::run},

    {S::halting, E::command_ok, S::stopping, F::send_term},
    {S::halting, E::command_bad, S::stopping, F::send_term},
    {S::halting, E::ended, S::cleaning, F::run},
    {S::halting, E::left, S::stopping, F::send_term},
    {S::halting, E::due, S::stopping, F::send_term},

    // One that was still between clone and exec may have heard nothing of the signal.
    {S::stopping, E::launched, S::stopping, F::send_term},
    {S::stopping, E::not_launched, S::cleaning, F::run},
    {S::stopping, E::ended, S::cleaning, F::run},
    {S::stopping, E::due, S::killing, F::send_kill},

    {S::aborting, E::ended, S::cleaning, F::run},
    {S::aborting, E::due, S::killing, F::send_kill},

    {S::killing, E::launched, S::killing, F::send_kill},
    {S::killing, E::not_launched, S::cleaning, F::run},
    {S::killing, E::ended, S::cleaning, F::run},
    {S::killing, E::due, S::killing, F::say_unkillable},

    {S::cleaning, E::command_ok, S::judging, F::judge},
    {S::cleaning, E::command_bad, S::judging, F::judge},
    {S::cleaning, E::due, S::cleaning, F::send_kill},

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
        "preparing", "launching", "starting", "settling", "running", "reloading", "halting",
        "stopping", "aborting", "killing", "cleaning", "judging"};

constexpr std::string_view event_names[event_count] = {"start", "stop", "launched",
        "not launched", "ready", "command ok", "command bad", "reload", "reloads", "ending",
        "unheard", "expired", "ended", "left", "due", "retry", "finish", "give up", "rest"};

constexpr std::string_view effect_texts[static_cast<std::size_t>(F::count)] = {"",
        "the program is launched", "superd waits for it to be ready", "commands are run",
        "it is said that the reload failed", "TERM is sent", "ABRT is sent", "KILL is sent",
        "it is said that KILL does not help", "it is judged by restart and restart_limit"};

void pad(std::string& line, std::size_t width) {
    if (line.size() < width) line.append(width - line.size(), ' ');
}

}  // namespace

LifeStep life_step(LifeState state, LifeEvent event) {
    const LifeStep& step =
            table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
    return step.known ? step : LifeStep{.next = state};
}

LifeBound life_bound(LifeState state) {
    switch (state) {
        case S::waiting: return LifeBound::pause;
        case S::preparing:
        case S::starting:
        case S::settling: return LifeBound::start;
        case S::reloading: return LifeBound::reload;
        case S::halting:
        case S::stopping:
        case S::cleaning: return LifeBound::stop;
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

std::string_view life_effect_text(LifeEffect effect) {
    return effect_texts[static_cast<std::size_t>(effect)];
}

std::string render_life() {
    constexpr std::size_t next_at = 18, effect_at = 33;
    std::string out;
    const Row* before = nullptr;
    for (const Row& row : rows) {
        if (before == nullptr || before->state != row.state)
            out.append(life_state_name(row.state)).append(1, '\n');
        before = &row;
        std::string line = "    " + std::string(life_event_name(row.event));
        pad(line, next_at);
        line.append("\\(-> ").append(life_state_name(row.next));
        if (row.effect != F::none) {
            pad(line, effect_at);
            line.append(" ").append(life_effect_text(row.effect));
        }
        out.append(line).append(1, '\n');
    }
    return out;
}

}  // namespace superd
