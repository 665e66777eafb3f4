// SPDX-License-Identifier: MIT
#include "policy/life.h"

#include <set>
#include <vector>

#include "support/catch.h"

using namespace superd;

namespace {

using S = LifeState;
using E = LifeEvent;
using F = LifeEffect;

std::vector<S> all_states() {
    std::vector<S> states;
    for (unsigned i = 0; i < static_cast<unsigned>(S::count); ++i)
        states.push_back(static_cast<S>(i));
    return states;
}

std::vector<E> all_events() {
    std::vector<E> events;
    for (unsigned i = 0; i < static_cast<unsigned>(E::count); ++i)
        events.push_back(static_cast<E>(i));
    return events;
}

// Every pair that means something, by event rather than by state: what is not here changes
// nothing.
struct Expected {
    S state;
    E event;
    S next;
    F effect = F::none;
};

constexpr Expected expected[] = {
        {S::down, E::start, S::preparing, F::run},
        {S::done, E::start, S::preparing, F::run},
        {S::failed, E::start, S::preparing, F::run},
        {S::waiting, E::start, S::preparing, F::run},
        {S::done, E::stop, S::down},
        {S::failed, E::stop, S::down},
        {S::waiting, E::stop, S::down},
        {S::preparing, E::stop, S::stopping, F::send_term},
        {S::launching, E::stop, S::stopping, F::send_term},
        {S::starting, E::stop, S::stopping, F::send_term},
        {S::settling, E::stop, S::stopping, F::send_term},
        {S::running, E::stop, S::halting, F::run},
        {S::reloading, E::stop, S::halting, F::run},
        {S::launching, E::launched, S::starting, F::await},
        {S::stopping, E::launched, S::stopping, F::send_term},
        {S::killing, E::launched, S::killing, F::send_kill},
        {S::launching, E::not_launched, S::cleaning, F::run},
        {S::stopping, E::not_launched, S::cleaning, F::run},
        {S::killing, E::not_launched, S::cleaning, F::run},
        {S::starting, E::ready, S::settling, F::run},
        {S::reloading, E::ready, S::running},
        {S::preparing, E::command_ok, S::launching, F::launch},
        {S::settling, E::command_ok, S::running},
        {S::reloading, E::command_ok, S::running},
        {S::halting, E::command_ok, S::stopping, F::send_term},
        {S::cleaning, E::command_ok, S::judging, F::judge},
        {S::preparing, E::command_bad, S::cleaning, F::run},
        {S::settling, E::command_bad, S::halting, F::run},
        {S::reloading, E::command_bad, S::running, F::say_reload_failed},
        {S::halting, E::command_bad, S::stopping, F::send_term},
        {S::cleaning, E::command_bad, S::judging, F::judge},
        {S::running, E::reload, S::reloading, F::run},
        {S::running, E::reloads, S::reloading},
        {S::starting, E::ending, S::stopping},
        {S::settling, E::ending, S::stopping},
        {S::running, E::ending, S::stopping},
        {S::reloading, E::ending, S::stopping},
        {S::starting, E::unheard, S::aborting, F::send_abort},
        {S::settling, E::unheard, S::aborting, F::send_abort},
        {S::running, E::unheard, S::aborting, F::send_abort},
        {S::reloading, E::unheard, S::aborting, F::send_abort},
        {S::starting, E::expired, S::stopping, F::send_term},
        {S::settling, E::expired, S::stopping, F::send_term},
        {S::running, E::expired, S::halting, F::run},
        {S::reloading, E::expired, S::halting, F::run},
        {S::launching, E::ended, S::cleaning, F::run},
        {S::starting, E::ended, S::cleaning, F::run},
        {S::settling, E::ended, S::cleaning, F::run},
        {S::running, E::ended, S::cleaning, F::run},
        {S::reloading, E::ended, S::cleaning, F::run},
        {S::halting, E::ended, S::cleaning, F::run},
        {S::stopping, E::ended, S::cleaning, F::run},
        {S::aborting, E::ended, S::cleaning, F::run},
        {S::killing, E::ended, S::cleaning, F::run},
        {S::settling, E::left, S::stopping, F::send_term},
        {S::reloading, E::left, S::stopping, F::send_term},
        {S::halting, E::left, S::stopping, F::send_term},
        {S::waiting, E::due, S::preparing, F::run},
        {S::preparing, E::due, S::stopping, F::send_term},
        {S::starting, E::due, S::stopping, F::send_term},
        {S::settling, E::due, S::stopping, F::send_term},
        {S::reloading, E::due, S::running, F::say_reload_failed},
        {S::halting, E::due, S::stopping, F::send_term},
        {S::stopping, E::due, S::killing, F::send_kill},
        {S::aborting, E::due, S::killing, F::send_kill},
        {S::killing, E::due, S::killing, F::say_unkillable},
        {S::cleaning, E::due, S::cleaning, F::send_kill},
        {S::judging, E::retry, S::waiting},
        {S::judging, E::finish, S::done},
        {S::judging, E::give_up, S::failed},
        {S::judging, E::rest, S::down},
};

const Expected* find_expected(S state, E event) {
    for (const Expected& pair : expected)
        if (pair.state == state && pair.event == event) return &pair;
    return nullptr;
}

}  // namespace

TEST_CASE("life: each pair of state and event leads where it should, and no other leads on") {
    for (const S state : all_states()) {
        for (const E event : all_events()) {
            CAPTURE(life_state_name(state), life_event_name(event));
            const LifeStep step = life_step(state, event);
            const Expected* pair = find_expected(state, event);
            CHECK(step.known == (pair != nullptr));
            CHECK(step.next == (pair != nullptr ? pair->next : state));
            CHECK(step.effect == (pair != nullptr ? pair->effect : F::none));
        }
    }
}

TEST_CASE("life: whoever waits for somebody has a deadline, and an answer to it") {
    for (const S state : all_states()) {
        CAPTURE(life_state_name(state));
        const bool bounded = life_bound(state) != LifeBound::none;
        CHECK(bounded == life_step(state, E::due).known);
        const bool waits = state != S::launching && state != S::running && state != S::judging;
        CHECK(bounded == (waits && (!is_at_rest(state) || state == S::waiting)));
    }
}

TEST_CASE("life: from everywhere a stop leads to rest, whether anybody hears it or not") {
    for (const S from : all_states()) {
        if (from == S::judging) continue;
        for (const bool deaf : {false, true}) {
            CAPTURE(life_state_name(from), deaf);
            S state = life_step(from, E::stop).next;
            for (int i = 0; deaf && i < 3 && !is_at_rest(state) && state != S::killing; ++i)
                state = life_step(state, E::due).next;
            if (!is_at_rest(state) && state != S::cleaning)
                state = life_step(state, E::ended).next;
            if (state == S::cleaning) state = life_step(state, E::command_ok).next;
            CHECK((is_at_rest(state) || state == S::judging));
        }
    }
}

TEST_CASE("life: no program is launched while another of the same life may run") {
    for (const S state : all_states()) {
        for (const E event : all_events()) {
            const LifeStep step = life_step(state, event);
            CAPTURE(life_state_name(state), life_event_name(event));
            if (step.effect == F::launch) {
                CHECK(state == S::preparing);
                CHECK(step.next == S::launching);
            }
            if (step.next == S::preparing && step.known) CHECK(is_at_rest(state));
        }
    }
}

TEST_CASE("life: every end is cleaned up after, then judged, and judging decides at once") {
    for (const S state : all_states()) {
        CAPTURE(life_state_name(state));
        const LifeStep step = life_step(state, E::ended);
        CHECK(step.known == has_process(state));
        if (step.known) CHECK(step.next == S::cleaning);
    }
    for (const E event : {E::command_ok, E::command_bad})
        CHECK(life_step(S::cleaning, event).effect == F::judge);
    for (const E event : {E::retry, E::finish, E::give_up, E::rest})
        CHECK(is_at_rest(life_step(S::judging, event).next));
}

TEST_CASE("life: a state whose commands are run has an answer to each of their ends") {
    for (const S state : all_states()) {
        CAPTURE(life_state_name(state));
        CHECK(life_step(state, E::command_ok).known == runs_commands(state));
        CHECK(life_step(state, E::command_bad).known == runs_commands(state));
        for (const E event : all_events()) {
            const LifeStep step = life_step(state, event);
            if (step.effect == F::run) CHECK(runs_commands(step.next));
        }
    }
}

TEST_CASE("life: names are there for all, each its own") {
    std::set<std::string_view> names;
    for (const S state : all_states())
        names.insert(life_state_name(state));
    CHECK(names.size() == static_cast<std::size_t>(S::count));
    names.clear();
    for (const E event : all_events())
        names.insert(life_event_name(event));
    CHECK(names.size() == static_cast<std::size_t>(E::count));
    CHECK(names.count("") == 0);
}
