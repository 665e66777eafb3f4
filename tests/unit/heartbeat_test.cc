// SPDX-License-Identifier: MIT
#include "engine/heartbeat.h"

#include <string>
#include <vector>

#include "policy/rate.h"
#include "sys/guard.h"

#include "support/catch.h"
#include "support/turning.h"

namespace superd {
namespace {

struct Beating {
    explicit Beating(Nanoseconds period)
            : heartbeat(loop, state.header(), period,
                      [this](std::string_view text) { said.emplace_back(text); }) {}

    [[nodiscard]] std::int64_t last() const { return state.header().heartbeat.load(); }

    Loop loop;
    State state = State::for_test();
    std::vector<std::string> said;
    Heartbeat heartbeat;
};

}  // namespace

TEST_CASE("heartbeat: it beats at once and four times in each period, until it is stopped") {
    Beating bench(std::chrono::milliseconds(80));
    const Mono begin = std::chrono::steady_clock::now();
    CHECK_FALSE(bench.heartbeat.start());
    CHECK(bench.said == std::vector<std::string>{"WATCHDOG=1\n"});
    const std::int64_t first = bench.last();
    CHECK(first >= to_nanoseconds(begin));
    REQUIRE(test::turn_until(bench.loop, [&] { return bench.said.size() == 5; }));
    // The first one may be a little early: a timer counts from when the loop last looked.
    CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(55));
    CHECK(bench.last() > first);
    bench.heartbeat.stop();
    CHECK(bench.last() == 0);
}

TEST_CASE("heartbeat: where nobody asked nothing ticks") {
    Beating bench(Nanoseconds{0});
    CHECK_FALSE(bench.heartbeat.start());
    bool other = false;
    Timer after(bench.loop, [&] { other = true; });
    after.start(std::chrono::milliseconds(20));
    bench.loop.turn(true);
    CHECK(other);
    CHECK(bench.said.empty());
    CHECK(bench.last() == 0);
}

TEST_CASE("heartbeat: a superd learns that the one before it hung") {
    Beating bench(std::chrono::hours(1));
    bench.state.header().heartbeat = heartbeat_of_hung;
    CHECK(bench.heartbeat.start());
    CHECK(bench.last() > 0);
}

}  // namespace superd
