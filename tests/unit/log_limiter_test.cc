// SPDX-License-Identifier: MIT
#include "policy/log_limiter.h"

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

TEST_CASE("log limiter: five lines a minute, and the next one says how many were left out") {
    LogLimiter limiter;
    const Mono now{1h};
    for (int i = 0; i < 5; ++i)
        CHECK(limiter.allow(1, Refusal::denied, now + i * 1s) == 0u);
    for (int i = 0; i < 37; ++i)
        CHECK_FALSE(limiter.allow(1, Refusal::denied, now + 59s));
    CHECK(limiter.allow(1, Refusal::denied, now + 60s) == 37u);
    CHECK(limiter.allow(1, Refusal::denied, now + 60s) == 0u);
}

TEST_CASE("log limiter: services and reasons do not use up each other's lines") {
    LogLimiter limiter(1);
    const Mono now{1h};
    CHECK(limiter.allow(1, Refusal::denied, now));
    CHECK_FALSE(limiter.allow(1, Refusal::denied, now));
    CHECK(limiter.allow(1, Refusal::load, now));
    CHECK(limiter.allow(2, Refusal::denied, now));
    limiter.forget_service(1);
    CHECK(limiter.allow(1, Refusal::denied, now) == 0u);
}

TEST_CASE("log limiter: failures have lines of their own") {
    LogLimiter limiter(1);
    const Mono now{1h};
    for (int reason = 0; reason < static_cast<int>(Refusal::count); ++reason)
        CHECK(limiter.allow(1, static_cast<Refusal>(reason), now));
    CHECK(limiter.allow_failure(1, now) == 0u);
    CHECK_FALSE(limiter.allow_failure(1, now + 59s));
    CHECK_FALSE(limiter.allow(1, Refusal::stopping, now + 59s));
    CHECK(limiter.allow_failure(1, now + 60s) == 1u);
    limiter.forget_service(1);
    CHECK(limiter.allow_failure(1, now + 60s) == 0u);
}

TEST_CASE("log limiter: a minute begins at its first line, be the clock at zero") {
    LogLimiter limiter(1);
    CHECK(limiter.allow(1, Refusal::hours, Mono{}) == 0u);
    CHECK_FALSE(limiter.allow(1, Refusal::hours, Mono{} + 59s));
    CHECK(limiter.allow(1, Refusal::hours, Mono{} + 60s) == 1u);
}
