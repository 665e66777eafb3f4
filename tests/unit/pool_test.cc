// SPDX-License-Identifier: MIT
#include "policy/pool.h"

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

using S = LifeState;
using Places = std::vector<PoolPlace>;

constexpr PoolBounds two_to_four{2, 4};

Mono at(Nanoseconds since) {
    return Mono(1h + since);
}

}  // namespace

TEST_CASE("pool: without a most there are never more than the least") {
    CHECK(pool_bounds(3, 0).most == 3);
    CHECK(pool_bounds(3, 8).most == 8);
    CHECK(pool_bounds(3, 0).least == 3);
}

TEST_CASE("pool: what it has grown to stays between its bounds") {
    CHECK(pool_size(two_to_four, 0) == 2);
    CHECK(pool_size(two_to_four, 3) == 3);
    CHECK(pool_size(two_to_four, 9) == 4);
}

TEST_CASE("pool: it grows while all it has are up") {
    CHECK(may_grow(two_to_four, Places{{S::running}, {S::running}}, false));
    CHECK(may_grow(two_to_four, Places{{S::running}, {S::reloading}, {S::running}}, false));
    // One that goes is neither counted nor waited for.
    CHECK(may_grow(two_to_four, Places{{S::running}, {S::stopping, true}}, false));
}

TEST_CASE("pool: it does not grow over its most, nor while help is on its way") {
    const PoolPlace up{S::running};
    CHECK_FALSE(may_grow(two_to_four, Places{up, up, up, up}, false));
    CHECK_FALSE(may_grow(two_to_four, Places{up, up}, true));
    CHECK_FALSE(may_grow(two_to_four, Places{}, false));
    CHECK_FALSE(may_grow(two_to_four, Places{{S::stopping, true}}, false));
    for (const S state : {S::down, S::done, S::waiting, S::failed, S::preparing, S::launching,
                 S::starting, S::settling, S::halting, S::stopping, S::aborting, S::killing,
                 S::cleaning, S::judging}) {
        INFO(life_state_name(state));
        CHECK_FALSE(may_grow(two_to_four, Places{up, {state}}, false));
    }
}

TEST_CASE("pool: the youngest above the least can go, one that does not serve before it") {
    const PoolPlace up{S::running};
    CHECK(surplus_place(two_to_four, Places{up, up, up}, false) == 2);
    CHECK(surplus_place(two_to_four, Places{up, {S::waiting}, up}, false) == 1);
    CHECK(surplus_place(two_to_four, Places{up, up, up, {S::stopping, true}}, false) == 2);
    CHECK_FALSE(surplus_place(two_to_four, Places{up, up}, false));
    CHECK_FALSE(surplus_place(two_to_four, Places{up, up, {S::stopping, true}}, false));
    CHECK_FALSE(surplus_place(two_to_four, Places{up, up, up}, true));
}

TEST_CASE("pool: who has a client stays, and another one goes in its place") {
    const PoolPlace up{S::running};
    const PoolPlace serving{.state = S::running, .serves = true};
    CHECK(surplus_place(two_to_four, Places{up, up, up, serving}, false) == 2);
    CHECK(surplus_place(two_to_four, Places{up, serving, serving, serving}, false) == 0);
    CHECK_FALSE(surplus_place(two_to_four, Places{serving, serving, serving}, false));
    // One that waits to be started again has none.
    CHECK(surplus_place(two_to_four, Places{serving, {S::waiting}, serving}, false) == 1);
}

TEST_CASE("pool: somebody has to wait for the whole time") {
    Waiting waiting(80ms);
    using Step = Waiting::Step;
    CHECK(waiting.pause() == 10ms);
    CHECK(waiting.step(true, at(0ms)) == Step::look);
    CHECK(waiting.step(true, at(79ms)) == Step::look);
    CHECK(waiting.step(true, at(80ms)) == Step::grow);
    // It begins anew.
    CHECK(waiting.step(true, at(81ms)) == Step::look);
    CHECK(waiting.step(true, at(161ms)) == Step::grow);
}

TEST_CASE("pool: a single look that finds nobody ends the wait") {
    Waiting waiting(50ms);
    using Step = Waiting::Step;
    CHECK(waiting.step(false, at(0ms)) == Step::listen);
    CHECK(waiting.step(true, at(10ms)) == Step::look);
    CHECK(waiting.step(false, at(40ms)) == Step::listen);
    CHECK(waiting.step(true, at(70ms)) == Step::look);
    CHECK(waiting.step(true, at(110ms)) == Step::look);
    CHECK(waiting.step(true, at(120ms)) == Step::grow);
}

TEST_CASE("pool: however short the wait is, looks are a millisecond apart") {
    CHECK(Waiting(1ms).pause() == 1ms);
    CHECK(Waiting(1min).pause() == 7500ms);
}
