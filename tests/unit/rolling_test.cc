// SPDX-License-Identifier: MIT
#include "policy/rolling.h"

#include <vector>

#include "support/catch.h"

using namespace superd;

namespace {

using S = LifeState;
using A = RollAction;
using Places = std::vector<RollPlace>;

constexpr std::uint32_t before = 4, now = 5;
constexpr RollPlace old_one{before, S::running, false}, new_one{now, S::running, false};
constexpr RollPlace coming{now, S::starting, false}, draining{before, S::stopping, true};

RollStep step(const Places& places, std::size_t wanted) {
    return decide_roll(places, wanted, now);
}

}  // namespace

TEST_CASE("rolling: the first thing is a new one beside the old ones") {
    CHECK(step({old_one}, 1).action == A::start);
    CHECK(step({old_one, old_one, old_one}, 3).action == A::start);
}

TEST_CASE("rolling: nothing is done while a new one comes up") {
    for (const S state : {S::preparing, S::launching, S::starting, S::settling}) {
        INFO(life_state_name(state));
        CHECK(step({old_one, old_one, {now, state, false}}, 2).action == A::wait);
    }
}

TEST_CASE("rolling: one old one goes for each that is there") {
    const RollStep first = step({old_one, old_one, new_one}, 2);
    CHECK(first.action == A::retire);
    CHECK(first.place == 0);
    CHECK(step({draining, old_one, new_one}, 2).action == A::start);
    CHECK(step({draining, old_one, new_one, coming}, 2).action == A::wait);
    const RollStep second = step({draining, old_one, new_one, new_one}, 2);
    CHECK(second.action == A::retire);
    CHECK(second.place == 1);
}

TEST_CASE("rolling: it is done when none that stays is old, draining ones or not") {
    CHECK(step({new_one, new_one}, 2).action == A::done);
    CHECK(step({draining, new_one}, 1).action == A::done);
    CHECK(step({new_one, coming}, 2).action == A::wait);
    // One too many, for fewer are wanted by now, is not a roll's to end.
    CHECK(step({new_one, new_one, new_one}, 2).action == A::done);
}

TEST_CASE("rolling: a new one that does not come up ends it") {
    for (const S state : {S::down, S::waiting, S::failed, S::halting, S::stopping, S::aborting,
                 S::killing, S::cleaning, S::judging}) {
        INFO(life_state_name(state));
        const RollStep step = decide_roll(Places{old_one, {now, state, false}}, 1, now);
        CHECK(step.action == A::give_up);
        CHECK(step.place == 1);
    }
}

TEST_CASE("rolling: one that was given up and goes is not looked at again") {
    CHECK(step({old_one, {now, S::stopping, true}}, 1).action == A::start);
}

TEST_CASE("rolling: one that has run its course has come up") {
    CHECK(step({old_one, {now, S::done, false}}, 1).action == A::retire);
    CHECK(step({{now, S::done, false}}, 1).action == A::done);
}

TEST_CASE("rolling: an old one that does not serve goes first, and makes nobody wait") {
    const RollPlace fallen{before, S::waiting, false};
    const RollStep first = step({old_one, fallen, coming}, 2);
    CHECK(first.action == A::retire);
    CHECK(first.place == 1);
    // One is left that serves: it stays until two do beside it.
    CHECK(step({old_one, new_one}, 2).action == A::start);
    CHECK(step({old_one, new_one, coming}, 2).action == A::wait);
    CHECK(step({old_one, new_one, new_one}, 2).action == A::retire);
}

TEST_CASE("rolling: a generation that is overtaken is old as well") {
    const RollPlace half{before + 0, S::starting, false};
    const RollPlace older{before - 1, S::running, false};
    // The one that was coming up is not waited for.
    const RollStep first = step({older, older, half}, 2);
    CHECK(first.action == A::retire);
    CHECK(first.place == 2);
    CHECK(step({older, older}, 2).action == A::start);
}

TEST_CASE("rolling: no roll ever has fewer that serve than there were, and each one ends") {
    for (std::size_t wanted = 1; wanted <= 5; ++wanted) {
        Places places(wanted, old_one);
        std::size_t steps = 0;
        for (bool done = false; !done; ++steps) {
            REQUIRE(steps < 100);
            const RollStep next = step(places, wanted);
            switch (next.action) {
                case A::start: places.push_back(coming); break;
                case A::wait: places.back().state = S::running; break;
                case A::retire:
                    places[next.place].leaves = true;
                    places[next.place].state = S::stopping;
                    break;
                case A::done: done = true; break;
                case A::give_up: FAIL("nothing has fallen"); break;
            }
            std::size_t serving = 0, staying = 0;
            for (const RollPlace& place : places) {
                if (!place.leaves) ++staying;
                if (!place.leaves && is_up(place.state)) ++serving;
            }
            CHECK(serving >= wanted);
            CHECK(staying <= wanted + 1);
        }
        CHECK(steps == 3 * wanted + 1);
    }
}
