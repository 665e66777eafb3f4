// SPDX-License-Identifier: MIT
#include "policy/rate.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

struct Memory {
    double tokens = 0;
    std::int64_t at = 0, paused = 0;

    Bucket bucket() { return {&tokens, &at, &paused}; }
};

RatePlan make_rate(
        std::uint32_t count, Nanoseconds period, std::uint32_t burst, Nanoseconds pause = 0s) {
    RatePlan rate;
    rate.limit = {count, period};
    rate.burst = burst;
    rate.pause = pause;
    return rate;
}

const Mono start{1h};

}  // namespace

TEST_CASE("rate: a bucket that was never used is full, and gives its burst at once") {
    Memory memory;
    const RatePlan rate = make_rate(10, 1s, 3);
    CHECK(tokens_at(rate, memory.bucket(), start) == 3);
    for (int i = 0; i < 3; ++i)
        CHECK(take(rate, memory.bucket(), start));
    CHECK_FALSE(take(rate, memory.bucket(), start));
    CHECK(next_token(rate, memory.bucket(), start) == start + 100ms);
}

TEST_CASE("rate: a token is there exactly when next_token says") {
    Memory memory;
    const RatePlan rate = make_rate(3, 1s, 1);  // a third of a second is no whole nanosecond
    CHECK(take(rate, memory.bucket(), start));
    Mono now = start;
    for (int i = 0; i < 1000; ++i) {
        const Mono next = next_token(rate, memory.bucket(), now);
        REQUIRE(next > now);
        CHECK_FALSE(take(rate, memory.bucket(), next - 10ns));
        CHECK(take(rate, memory.bucket(), next));
        now = next;
    }
    CHECK(now - start < 334s);
    CHECK(now - start > 333s);
}

TEST_CASE("rate: an attempt in vain costs nothing") {
    Memory memory;
    const RatePlan rate = make_rate(1, 1s, 1);
    CHECK(take(rate, memory.bucket(), start));
    for (int i = 1; i < 100; ++i)
        CHECK_FALSE(take(rate, memory.bucket(), start + i * 9ms));
    CHECK(take(rate, memory.bucket(), start + 1s));
}

TEST_CASE("rate: an empty bucket begins its pause, which attempts do not prolong") {
    Memory memory;
    const RatePlan rate = make_rate(6, 1min, 6, 5min);
    for (int i = 0; i < 6; ++i)
        CHECK(take(rate, memory.bucket(), start));
    CHECK(memory.paused == 0);
    CHECK_FALSE(take(rate, memory.bucket(), start + 1s));
    const Mono end = start + 1s + 5min;
    CHECK(next_token(rate, memory.bucket(), start + 2s) == end);
    CHECK_FALSE(take(rate, memory.bucket(), end - 1ns));
    CHECK(next_token(rate, memory.bucket(), end - 1ns) == end);
    // The bucket has filled meanwhile.
    for (int i = 0; i < 6; ++i)
        CHECK(take(rate, memory.bucket(), end));
    CHECK_FALSE(take(rate, memory.bucket(), end));
}

TEST_CASE("rate: a pause shorter than the next token lasts until the token") {
    Memory memory;
    const RatePlan rate = make_rate(1, 1min, 1, 1s);
    CHECK(take(rate, memory.bucket(), start));
    CHECK_FALSE(take(rate, memory.bucket(), start));
    CHECK(next_token(rate, memory.bucket(), start + 1s) == start + 1min);
    CHECK(take(rate, memory.bucket(), start + 1min));
}

TEST_CASE("rate: looking changes nothing") {
    Memory memory;
    const RatePlan rate = make_rate(1, 1s, 1, 10s);
    CHECK(take(rate, memory.bucket(), start));
    const Memory before = memory;
    CHECK(is_exhausted(rate, memory.bucket(), start));
    CHECK(next_token(rate, memory.bucket(), start) == start + 10s);
    CHECK(tokens_at(rate, memory.bucket(), start + 500ms) == Approx(0.5));
    CHECK(memory.tokens == before.tokens);
    CHECK(memory.at == before.at);
    CHECK(memory.paused == before.paused);
}

TEST_CASE(
        "rate: a reload to a smaller burst is obeyed at once, a clock read late is harmless") {
    Memory memory;
    CHECK(take(make_rate(1, 1s, 100), memory.bucket(), start));
    CHECK(tokens_at(make_rate(1, 1s, 5), memory.bucket(), start) == 5);
    CHECK(tokens_at(make_rate(1, 1s, 100), memory.bucket(), start - 50s) == 99);
}

TEST_CASE(
        "rate: against a naive model, no window of time ever lets more through than limit and "
        "burst") {
    std::mt19937_64 random(20261123);
    for (int round = 0; round < 50; ++round) {
        const std::uint32_t count = 1 + static_cast<std::uint32_t>(random() % 50);
        const std::uint32_t burst = 1 + static_cast<std::uint32_t>(random() % 20);
        const RatePlan rate = make_rate(count, 1s, burst);
        Memory memory;
        // Model: a counter of billionths of tokens, filled step by step in integers.
        const std::int64_t unit = 1'000'000'000;
        std::int64_t model = burst * unit;
        std::deque<Mono> taken;
        Mono now = start;
        for (int step = 0; step < 500; ++step) {
            const auto pass = Nanoseconds(static_cast<std::int64_t>(random() % 200'000'000));
            now += pass;
            model = std::min<std::int64_t>(burst * unit, model + pass.count() * count);
            const bool expected = model >= unit;
            // Where rounding could decide, either answer is right.
            const bool near = model > unit - 100 && model < unit + 100;
            const bool got = take(rate, memory.bucket(), now);
            if (!near) REQUIRE(got == expected);
            if (got) {
                model -= unit;
                taken.push_back(now);
            }
        }
        double most_over = -1;
        for (std::size_t i = 0; i < taken.size(); ++i)
            for (std::size_t j = i; j < taken.size(); ++j) {
                const double seconds =
                        std::chrono::duration<double>(taken[j] - taken[i]).count();
                const double allowed = burst + seconds * count;
                most_over = std::max(most_over, static_cast<double>(j - i + 1) - allowed);
            }
        REQUIRE(most_over <= 1e-6);
    }
}
