// SPDX-License-Identifier: MIT
// Services by the clock: what is due, over a superd that is killed, clocks that are set, and
// times at which nobody was there.
#include "engine/timers.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include "support/catch.h"
#include "support/sockets.h"
#include "support/zone.h"

using namespace superd;
using namespace std::chrono_literals;
using superd::test::Zone;

namespace {

constexpr std::uint32_t half_past_three = 3 * 3600 + 30 * 60;

struct Fixture {
    Zone zone{"UTC"};
    Loop loop;
    FakeClock clock;
    ServiceRecord record{};
    std::string folder;
    std::shared_ptr<ServicePlan> plan = std::make_shared<ServicePlan>();
    std::vector<std::uint32_t> due;
    std::unique_ptr<Timers> timers;

    Fixture() {
        char name[] = "/tmp/superd-timers-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        folder = std::string(name) + "/timers";
        plan->name = "x";
        clock.set_wall(Wall(24h * 20000));  // a midnight
        begin();
    }

    ~Fixture() {
        timers.reset();
        std::filesystem::remove_all(std::filesystem::path(folder).parent_path());
    }

    // Another superd: what is written down stays.
    void begin() {
        timers = std::make_unique<Timers>(
                loop, clock, folder, [this](std::uint32_t index) { due.push_back(index); });
    }

    void arm() { timers->arm(7, plan, record); }

    void every(Nanoseconds interval) {
        plan = std::make_shared<ServicePlan>(*plan);
        plan->timer = {};
        plan->timer.every = interval;
    }

    void at_half_past_three(Missed missed = Missed::skip) {
        plan = std::make_shared<ServicePlan>(*plan);
        plan->timer = {};
        plan->timer.missed = missed;
        CalendarRule rule;
        rule.times = {half_past_three};
        plan->timer.at = {rule};
    }

    [[nodiscard]] std::size_t runs_after(Nanoseconds time) {
        const std::size_t before = due.size();
        clock.advance(time);
        timers->look();
        return due.size() - before;
    }

    [[nodiscard]] Nanoseconds until_next() const {
        const auto next = timers->next(record);
        return next ? *next - clock.wall() : Nanoseconds::min();
    }
};

}  // namespace

TEST_CASE("timers: an interval begins when it is armed, and comes again and again") {
    Fixture f;
    f.every(10min);
    f.arm();
    CHECK(f.until_next() == 10min);
    CHECK(f.runs_after(10min - 1ms) == 0);
    CHECK(f.runs_after(1ms) == 1);
    CHECK(f.until_next() == 10min);
    CHECK(f.due == std::vector<std::uint32_t>{7});
    // What was slept through comes once.
    CHECK(f.runs_after(35min) == 1);
    CHECK(f.until_next() == 5min);
    // The clock on the wall is nothing to it.
    f.clock.set_wall(f.clock.wall() + 24h);
    f.timers->on_clock_set();
    CHECK(f.until_next() == 5min);
}

TEST_CASE("timers: a moment of the calendar comes every day") {
    Fixture f;
    f.at_half_past_three();
    f.arm();
    CHECK(f.until_next() == 3h + 30min);
    CHECK(f.runs_after(3h + 30min) == 1);
    CHECK(f.until_next() == 24h);
    CHECK(f.runs_after(24h - 1s) == 0);
    CHECK(f.runs_after(1s) == 1);
}

TEST_CASE("timers: a superd that takes over goes on; what came due meanwhile comes at once") {
    Fixture f;
    f.every(10min);
    f.arm();
    f.clock.advance(4min);
    f.begin();
    f.arm();
    CHECK(f.until_next() == 6min);
    f.clock.advance(6min);
    f.begin();
    f.arm();
    CHECK(f.runs_after(0s) == 1);
    CHECK(f.until_next() == 10min);

    f.at_half_past_three();
    f.arm();
    f.clock.advance(5h);
    f.begin();
    f.arm();
    CHECK(f.runs_after(0s) == 1);
    CHECK(f.runs_after(0s) == 0);
    CHECK(f.until_next() < 24h);
}

TEST_CASE("timers: another plan counts anew, the same one does not") {
    Fixture f;
    f.every(10min);
    f.arm();
    f.clock.advance(4min);
    f.plan = std::make_shared<ServicePlan>(*f.plan);
    f.arm();
    CHECK(f.until_next() == 6min);
    f.every(1h);
    f.arm();
    CHECK(f.until_next() == 1h);
    // A superd that was killed in between finds what is written down for the plan of before.
    f.begin();
    f.every(5min);
    f.arm();
    CHECK(f.until_next() == 5min);
    f.begin();
    f.at_half_past_three();
    f.arm();
    CHECK(f.until_next() == 3h + 26min);
}

TEST_CASE("timers: what is disarmed does not come, and begins anew") {
    Fixture f;
    f.every(10min);
    f.arm();
    f.clock.advance(4min);
    f.timers->disarm(7);
    CHECK_FALSE(f.timers->next(f.record));
    CHECK(f.runs_after(1h) == 0);
    f.arm();
    CHECK(f.until_next() == 10min);
}

TEST_CASE("timers: jitter comes on top of each moment, never before it") {
    Fixture f;
    f.every(10min);
    f.plan->timer.jitter = 2min;
    f.arm();
    bool differs = false;
    for (int i = 0; i < 50; ++i) {
        const Nanoseconds left = f.until_next();
        CHECK(left >= 10min - 2min);
        CHECK(left <= 10min + 2min);
        differs = differs || left != 10min;
        CHECK(f.runs_after(left) == 1);
    }
    CHECK(differs);
    // Fifty intervals, however late each run was.
    CHECK(f.record.timer_moment == (Mono(1h) + 51 * 10min).time_since_epoch().count());
}

TEST_CASE("timers: a clock set back a day brings the moment again, one put right does not") {
    Fixture f;
    f.at_half_past_three();
    f.arm();
    CHECK(f.runs_after(3h + 30min) == 1);
    f.clock.set_wall(f.clock.wall() - 2s);
    f.timers->on_clock_set();
    CHECK(f.until_next() == 24h + 2s);
    CHECK(f.runs_after(2s) == 0);
    f.clock.set_wall(f.clock.wall() - 24h);
    f.timers->on_clock_set();
    CHECK(f.until_next() == 24h);
    f.clock.set_wall(f.clock.wall() - 1h - 1s);
    f.timers->on_clock_set();
    CHECK(f.until_next() == 1h + 1s);
}

TEST_CASE("timers: a clock that is set forward over a moment brings it, once") {
    Fixture f;
    f.at_half_past_three();
    f.arm();
    f.clock.set_wall(f.clock.wall() + 72h + 5h);
    f.timers->on_clock_set();
    CHECK(f.due.size() == 1);
    CHECK(f.until_next() == 22h + 30min);
    f.clock.set_wall(f.clock.wall() + 1h);
    f.timers->on_clock_set();
    CHECK(f.due.size() == 1);
    CHECK(f.until_next() == 21h + 30min);
}

TEST_CASE("timers: missed = run makes up for a moment at which superd was not there, once") {
    Fixture f;
    f.at_half_past_three(Missed::run);
    f.arm();
    CHECK(f.until_next() == 3h + 30min);  // nothing was missed before anybody knew of it
    f.record = {};
    f.clock.advance(72h);
    f.begin();
    f.arm();
    CHECK(f.runs_after(0s) == 1);
    CHECK(f.until_next() == 3h + 30min);
    f.record = {};
    f.clock.advance(1h);
    f.begin();
    f.arm();
    CHECK(f.until_next() == 2h + 30min);
    // With skip nothing is remembered.
    f.record = {};
    f.clock.advance(72h);
    f.begin();
    f.at_half_past_three();
    f.arm();
    CHECK(f.runs_after(0s) == 0);
    f.at_half_past_three(Missed::run);
    f.arm();
    f.timers->forget(7);
    CHECK(std::filesystem::is_empty(f.folder));
}

TEST_CASE("timers: the loop is woken when something is due, and not before") {
    const std::size_t before = test::open_descriptors();
    {
        Fixture f;
        SystemClock real;
        std::vector<std::uint32_t> due;
        Timers timers(
                f.loop, real, f.folder, [&](std::uint32_t index) { due.push_back(index); });
        ServiceRecord interval{}, moment{};
        f.every(50ms);
        timers.arm(1, f.plan, interval);
        f.at_half_past_three();
        timers.arm(2, f.plan, moment);
        // As though it were time.
        moment.timer_due = moment.timer_moment =
                (real.wall() + 80ms).time_since_epoch().count();
        timers.on_clock_set();
        moment.timer_due = moment.timer_moment =
                (real.wall() + 80ms).time_since_epoch().count();
        timers.look();
        while (std::find(due.begin(), due.end(), 2u) == due.end() ||
                std::find(due.begin(), due.end(), 1u) == due.end())
            f.loop.turn(true);
        CHECK(moment.timer_last_moment != 0);
    }
    CHECK(test::open_descriptors() == before);
}
