// SPDX-License-Identifier: MIT
#include "policy/warm.h"

#include "support/catch.h"

namespace superd {

namespace {

constexpr std::uint32_t plenty = 1000;

Mono at(int seconds) {
    return Mono(std::chrono::seconds(1000 + seconds));
}

}  // namespace

TEST_CASE("prestart: as many are started as are missing", "[warm]") {
    WarmPool pool{.wanted = 4};
    CHECK(decide_warm(pool, plenty, at(0)).start == 4);
    pool.starting = 1;
    pool.parked = 2;
    CHECK(decide_warm(pool, plenty, at(0)).start == 1);
    pool.parked = 3;
    const WarmDecision full = decide_warm(pool, plenty, at(0));
    CHECK(full.start == 0);
    CHECK(full.end == 0);
    CHECK_FALSE(full.again);
}

TEST_CASE("prestart: those that are too many end", "[warm]") {
    const WarmPool pool{.wanted = 1, .starting = 1, .parked = 3};
    const WarmDecision decision = decide_warm(pool, plenty, at(0));
    CHECK(decision.start == 0);
    CHECK(decision.end == 3);
    const WarmPool unwanted{.wanted = 0, .parked = 2};
    CHECK(decide_warm(unwanted, plenty, at(0)).end == 2);
}

TEST_CASE("prestart: where there is no room it is looked again", "[warm]") {
    const WarmPool pool{.wanted = 4};
    const WarmDecision some = decide_warm(pool, 3, at(0));
    CHECK(some.start == 3);
    REQUIRE(some.again);
    CHECK(*some.again > at(0));
    CHECK(decide_warm(pool, 0, at(0)).start == 0);
}

TEST_CASE(
        "prestart: after a try that came to nothing there is a pause, then one try", "[warm]") {
    WarmPool pool{.wanted = 4};
    note_miss(pool, at(0));
    const WarmDecision paused = decide_warm(pool, plenty, at(0));
    CHECK(paused.start == 0);
    REQUIRE(paused.again);
    CHECK(*paused.again == at(1));
    CHECK(decide_warm(pool, plenty, at(1)).start == 1);
    pool.starting = 1;
    CHECK(decide_warm(pool, plenty, at(1)).start == 0);
}

TEST_CASE("prestart: pauses double up to ten minutes, and one that parks ends them", "[warm]") {
    CHECK(warm_pause(0) == Nanoseconds{0});
    CHECK(warm_pause(1) == std::chrono::seconds(1));
    CHECK(warm_pause(2) == std::chrono::seconds(2));
    CHECK(warm_pause(5) == std::chrono::seconds(16));
    CHECK(warm_pause(11) == std::chrono::minutes(10));
    CHECK(warm_pause(4'000'000'000) == std::chrono::minutes(10));
    WarmPool pool{.wanted = 2};
    for (int i = 0; i < 5; ++i)
        note_miss(pool, at(i));
    CHECK(pool.not_before == at(4) + std::chrono::seconds(16));
    note_parked(pool);
    CHECK(decide_warm(pool, plenty, at(5)).start == 2);
}

}  // namespace superd
