// SPDX-License-Identifier: MIT
#include "relay/wheel.h"

#include <random>
#include <vector>

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

struct Counted final : WheelTimer {
    void on_time() override { ++fired; }

    int fired = 0;
};

constexpr Mono start{std::chrono::hours(5)};

}  // namespace

TEST_CASE("wheel: a timer is never early and at most two ticks late") {
    for (const Nanoseconds after : {Nanoseconds(1ms), Nanoseconds(8ms), Nanoseconds(500ms),
                 Nanoseconds(513ms), Nanoseconds(33s), Nanoseconds(36min), Nanoseconds(40h)}) {
        Wheel wheel(start);
        Counted timer;
        wheel.set(timer, start + after);
        wheel.advance(start + after - 1ns);
        CHECK(timer.fired == 0);
        CHECK(timer.is_set());
        wheel.advance(start + after + 17ms);
        CHECK(timer.fired == 1);
        CHECK_FALSE(timer.is_set());
    }
}

TEST_CASE("wheel: whoever sleeps as long as it says misses nothing and wakes seldom") {
    for (const Nanoseconds after :
            {Nanoseconds(20ms), Nanoseconds(3s), Nanoseconds(10min), Nanoseconds(50h)}) {
        Wheel wheel(start);
        Counted timer;
        Mono now = start + 3ms;
        wheel.advance(now);
        wheel.set(timer, now + after);
        const Mono due = now + after;
        int wakes = 0;
        while (timer.fired == 0) {
            const int wait = wheel.timeout(now);
            REQUIRE(wait >= 0);
            now += std::chrono::milliseconds(wait) + 1ms;
            wheel.advance(now);
            REQUIRE(++wakes < 300);
        }
        CHECK(now >= due);
        CHECK(now <= due + 20ms);
        CHECK(wheel.timeout(now) == -1);
    }
}

TEST_CASE("wheel: cancelled, moved and deleted timers do not fire") {
    Wheel wheel(start);
    Counted cancelled, moved;
    wheel.set(cancelled, start + 100ms);
    wheel.set(moved, start + 100ms);
    {
        Counted gone;
        wheel.set(gone, start + 100ms);
    }
    cancelled.cancel();
    wheel.set(moved, start + 5s);
    wheel.advance(start + 1s);
    CHECK(cancelled.fired == 0);
    CHECK(moved.fired == 0);
    wheel.advance(start + 6s);
    CHECK(moved.fired == 1);
}

TEST_CASE("wheel: a timer may set itself again and end others while it fires") {
    struct Again final : WheelTimer {
        Again(Wheel& its, Counted& its_other) : wheel(its), other(its_other) {}

        void on_time() override {
            other.cancel();
            if (++fired < 3) wheel.set(*this, start + 100ms * (fired + 1));
        }

        Wheel& wheel;
        Counted& other;
        int fired = 0;
    };

    Wheel wheel(start);
    Counted other;
    Again again(wheel, other);
    wheel.set(again, start + 100ms);
    wheel.set(other, start + 100ms);
    wheel.advance(start + 150ms);
    CHECK(again.fired == 1);
    CHECK(other.fired == 0);
    wheel.advance(start + 1s);
    CHECK(again.fired == 3);
}

TEST_CASE("wheel: ten thousand at random times fire in their time") {
    std::mt19937 random(42);
    std::uniform_int_distribution<int> spread(0, 200'000);
    Wheel wheel(start);
    std::vector<Counted> timers(10'000);
    std::vector<Mono> due;
    for (Counted& timer : timers) {
        due.push_back(start + std::chrono::milliseconds(spread(random)));
        wheel.set(timer, due.back());
    }
    for (Mono now = start; now < start + 201s; now += 97ms) {
        wheel.advance(now);
        for (std::size_t i = 0; i < timers.size(); ++i) {
            if (due[i] > now && timers[i].fired != 0) FAIL("early");
            if (due[i] + 17ms < now && timers[i].fired != 1) FAIL("late");
        }
    }
    CHECK(wheel.timeout(start + 201s) == -1);
}
