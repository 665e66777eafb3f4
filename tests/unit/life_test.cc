// SPDX-License-Identifier: MIT
#include "policy/life.h"

#include <set>
#include <string>
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

// Every pair that means something, written a second time by another hand than the table's: what
// is not here changes nothing.
struct Expected {
    S state;
    E event;
    S next;
};

constexpr Expected expected[] = {
        {S::down, E::start, S::preparing},
        {S::done, E::start, S::preparing},
        {S::done, E::stop, S::down},
        {S::waiting, E::start, S::preparing},
        {S::waiting, E::stop, S::down},
        {S::waiting, E::due, S::preparing},
        {S::failed, E::start, S::preparing},
        {S::failed, E::stop, S::down},
        {S::preparing, E::stop, S::cancelling},
        {S::preparing, E::command_ok, S::launching},
        {S::preparing, E::command_failed, S::cleaning},
        {S::preparing, E::due, S::cancelling},
        {S::launching, E::stop, S::stopping},
        {S::launching, E::launched, S::starting},
        {S::launching, E::not_launched, S::cleaning},
        {S::launching, E::ended, S::cleaning},
        {S::launching, E::due, S::killing},
        {S::starting, E::stop, S::stopping},
        {S::starting, E::ready, S::settling},
        {S::starting, E::completed, S::cleaning},
        {S::starting, E::says_stopping, S::stopping},
        {S::starting, E::ended, S::cleaning},
        {S::starting, E::due, S::stopping},
        {S::starting, E::unwatched, S::aborting},
        {S::starting, E::expired, S::stopping},
        {S::settling, E::stop, S::stopping},
        {S::settling, E::ended, S::cancelling},
        {S::settling, E::command_ok, S::running},
        {S::settling, E::command_failed, S::halting},
        {S::settling, E::due, S::stopping},
        {S::settling, E::unwatched, S::aborting},
        {S::settling, E::expired, S::stopping},
        {S::running, E::stop, S::halting},
        {S::running, E::reload, S::reloading},
        {S::running, E::says_reloading, S::reloading},
        {S::running, E::says_stopping, S::stopping},
        {S::running, E::ended, S::cleaning},
        {S::running, E::unwatched, S::aborting},
        {S::running, E::expired, S::halting},
        {S::running, E::unhealthy, S::halting},
        {S::reloading, E::stop, S::stopping},
        {S::reloading, E::ready, S::running},
        {S::reloading, E::says_reloading, S::reloading},
        {S::reloading, E::says_stopping, S::stopping},
        {S::reloading, E::ended, S::cancelling},
        {S::reloading, E::command_ok, S::running},
        {S::reloading, E::command_failed, S::running},
        {S::reloading, E::due, S::running},
        {S::reloading, E::unwatched, S::aborting},
        {S::reloading, E::expired, S::stopping},
        {S::reloading, E::unhealthy, S::stopping},
        {S::cancelling, E::command_ok, S::cleaning},
        {S::cancelling, E::command_failed, S::cleaning},
        {S::cancelling, E::due, S::cancelling},
        {S::halting, E::ended, S::cancelling},
        {S::halting, E::command_ok, S::stopping},
        {S::halting, E::command_failed, S::stopping},
        {S::halting, E::due, S::stopping},
        {S::stopping, E::launched, S::stopping},
        {S::stopping, E::not_launched, S::cleaning},
        {S::stopping, E::ended, S::cleaning},
        {S::stopping, E::due, S::killing},
        {S::aborting, E::ended, S::cleaning},
        {S::aborting, E::due, S::killing},
        {S::killing, E::launched, S::killing},
        {S::killing, E::not_launched, S::cleaning},
        {S::killing, E::ended, S::cleaning},
        {S::killing, E::due, S::killing},
        {S::cleaning, E::command_ok, S::judging},
        {S::cleaning, E::command_failed, S::judging},
        {S::cleaning, E::due, S::cleaning},
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

bool is_command_effect(F effect) {
    return effect == F::run_pre || effect == F::run_post || effect == F::run_reload ||
           effect == F::run_stop || effect == F::run_stop_post;
}

// What the owner of a life without commands raises by itself, until it has to wait for others.
S pass_through(S state, LifeStep step) {
    for (int i = 0; i < 8; ++i) {
        bool runs_command = false;
        for (unsigned n = 0; n < static_cast<unsigned>(F::count); ++n)
            runs_command = runs_command || (step.asks(static_cast<F>(n)) &&
                                                   is_command_effect(static_cast<F>(n)));
        if (!runs_command) return state;
        step = life_step(state, E::command_ok);
        state = step.next;
    }
    FAIL("it never comes to rest");
    return state;
}

S after(S state, E event) {
    const LifeStep step = life_step(state, event);
    return pass_through(step.next, step);
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
            if (pair == nullptr) CHECK(step.effects == 0);
        }
    }
}

TEST_CASE("life: a service without commands goes straight up and straight down") {
    S state = after(S::down, E::start);
    CHECK(state == S::launching);
    state = after(state, E::launched);
    CHECK(state == S::starting);
    state = after(state, E::ready);
    CHECK(state == S::running);
    state = after(state, E::stop);
    CHECK(state == S::stopping);
    state = after(state, E::ended);
    CHECK(state == S::judging);
    CHECK(after(state, E::rest) == S::down);
}

TEST_CASE("life: TERM goes out before KILL, and both to a program that was still launching") {
    CHECK(life_step(S::running, E::stop).asks(F::run_stop));
    CHECK(life_step(S::halting, E::command_ok).asks(F::send_term));
    CHECK(life_step(S::launching, E::stop).asks(F::send_term));
    CHECK(life_step(S::stopping, E::launched).asks(F::send_term));
    CHECK(life_step(S::stopping, E::due).asks(F::send_kill));
    CHECK(life_step(S::killing, E::launched).asks(F::send_kill));
    CHECK(life_step(S::killing, E::due).asks(F::note_unkillable));
}

TEST_CASE("life: whoever stops petting is aborted before it is killed") {
    for (const S state : {S::starting, S::settling, S::running, S::reloading}) {
        const LifeStep step = life_step(state, E::unwatched);
        CHECK(step.next == S::aborting);
        CHECK(step.asks(F::send_abort));
        CHECK(step.asks(F::note_watchdog));
    }
    CHECK(life_step(S::aborting, E::due).asks(F::send_kill));
}

TEST_CASE(
        "life: every state in which somebody is waited for has a deadline, and an answer to "
        "it") {
    for (const S state : all_states()) {
        CAPTURE(life_state_name(state));
        const bool waits_for_nobody = state == S::down || state == S::done ||
                                      state == S::failed || state == S::running ||
                                      state == S::judging;
        CHECK((life_bound(state) == LifeBound::none) == waits_for_nobody);
        CHECK(life_step(state, E::due).known == !waits_for_nobody);
    }
}

TEST_CASE("life: from everywhere a stop and its deadlines lead to rest within a few steps") {
    for (const S from : all_states()) {
        if (from == S::judging) continue;
        CAPTURE(life_state_name(from));
        S state = after(from, E::stop);
        // Nobody answers before KILL; then everything ends.
        for (int i = 0; i < 4 && !is_at_rest(state) && state != S::judging; ++i)
            if (state != S::killing) state = after(state, E::due);
        for (int i = 0; i < 3 && !is_at_rest(state) && state != S::judging; ++i) {
            const bool by_end = life_step(state, E::ended).known;
            state = after(state, by_end ? E::ended : E::command_failed);
        }
        CHECK((is_at_rest(state) || state == S::judging));
    }
}

TEST_CASE(
        "life: a stop in a state that lives is answered everywhere, or is under way already") {
    for (const S state : all_states()) {
        CAPTURE(life_state_name(state));
        const bool lives = is_coming_up(state) || state == S::running || state == S::reloading;
        if (lives) CHECK(is_going_down(life_step(state, E::stop).next));
        if (is_going_down(state) && state != S::judging)
            CHECK_FALSE(life_step(state, E::stop).known);
    }
}

TEST_CASE("life: no program is launched while another of the same life may run") {
    for (const S state : all_states()) {
        for (const E event : all_events()) {
            const LifeStep step = life_step(state, event);
            if (!step.known || !step.asks(F::launch)) continue;
            CAPTURE(life_state_name(state), life_event_name(event));
            CHECK_FALSE(has_process(state));
            CHECK(step.next == S::launching);
        }
    }
}

TEST_CASE("life: the cause is noted wherever something leads down that nobody ordered") {
    for (const S state : all_states()) {
        for (const E event : {E::ended, E::not_launched, E::due, E::unwatched, E::expired,
                     E::unhealthy, E::command_failed}) {
            const LifeStep step = life_step(state, event);
            const bool was_up = is_coming_up(state) || state == S::running;
            if (!step.known || !was_up || !is_going_down(step.next)) continue;
            CAPTURE(life_state_name(state), life_event_name(event));
            const LifeEffects notes =
                    effect_bit(F::note_end) | effect_bit(F::note_launch) |
                    effect_bit(F::note_command) | effect_bit(F::note_timeout) |
                    effect_bit(F::note_watchdog) | effect_bit(F::note_expired) |
                    effect_bit(F::note_unhealthy);
            CHECK((step.effects & notes) != 0);
        }
    }
}

// The owner of a life lives on from within such an effect.
TEST_CASE(
        "life: an effect that another event may follow from at once is the last of its step") {
    const auto raises = [](F effect) {
        return is_command_effect(effect) || effect == F::launch || effect == F::await ||
               effect == F::judge;
    };
    for (const S state : all_states()) {
        for (const E event : all_events()) {
            const LifeStep step = life_step(state, event);
            CAPTURE(life_state_name(state), life_event_name(event));
            bool raised = false;
            for (unsigned n = 0; n < static_cast<unsigned>(F::count); ++n) {
                if (!step.asks(static_cast<F>(n))) continue;
                CHECK_FALSE(raised);
                raised = raises(static_cast<F>(n));
            }
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
    names.clear();
    for (unsigned i = 0; i < static_cast<unsigned>(F::count); ++i)
        names.insert(life_effect_name(static_cast<F>(i)));
    CHECK(names.size() == static_cast<std::size_t>(F::count));
    CHECK(names.count("") == 0);
}
