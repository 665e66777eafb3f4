// SPDX-License-Identifier: MIT
// When a worker has been idle for long enough.
#include "policy/idleness.h"

#include <chrono>

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

TEST_CASE(
        "idleness: looks are a quarter of idle_stop apart, and the last one is on the moment") {
    const Mono since(100s);
    for (const auto after : {0s, 1s, 9s}) {
        const IdleDecision decision = decide_idle(12s, since, since + after);
        CHECK_FALSE(decision.stop);
        CHECK(decision.next == 3s);
    }
    const IdleDecision nearly = decide_idle(12s, since, since + 10s);
    CHECK_FALSE(nearly.stop);
    CHECK(nearly.next == 2s);
}

TEST_CASE("idleness: it is over when nobody came for the whole of idle_stop") {
    const Mono since(100s);
    CHECK_FALSE(decide_idle(12s, since, since + 12s - 1ns).stop);
    CHECK(decide_idle(12s, since, since + 12s).stop);
    CHECK(decide_idle(12s, since, since + 1h).stop);
}
