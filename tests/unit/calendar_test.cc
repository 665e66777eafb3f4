// SPDX-License-Identifier: MIT
// When moments come: over months, leap years and changes of the clock in both directions.
#include "policy/calendar.h"

#include <ctime>
#include <vector>

#include "support/catch.h"
#include "support/zone.h"

using namespace superd;
using namespace std::chrono_literals;
using superd::test::Zone;

namespace {

constexpr const char* berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
constexpr const char* new_york = "EST5EDT,M3.2.0,M11.1.0";
constexpr const char* lord_howe = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";  // half an hour
constexpr const char* santiago = "<-04>4<-03>,M9.1.6/24,M4.1.6/24";        // at midnight

std::uint32_t clock_time(unsigned hour, unsigned minute, unsigned second = 0) {
    return hour * 3600 + minute * 60 + second;
}

CalendarRule daily(std::vector<std::uint32_t> times) {
    CalendarRule rule;
    rule.times = std::move(times);
    return rule;
}

// "2026-03-29T02:30:00Z"
Wall utc(const char* text) {
    std::tm broken{};
    REQUIRE(::strptime(text, "%Y-%m-%dT%H:%M:%SZ", &broken) != nullptr);
    return Wall(std::chrono::seconds(::timegm(&broken)));
}

std::string text_of(Wall at) {
    const std::time_t seconds =
            std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
    char text[32];
    std::tm broken{};
    ::gmtime_r(&seconds, &broken);
    return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &broken));
}

using Moments = std::vector<std::string>;

Moments next_ones(const std::vector<CalendarRule>& rules, const char* after, int count) {
    Moments found;
    Wall at = utc(after);
    for (int i = 0; i < count; ++i) {
        const auto next = next_moment(rules, at);
        if (!next) break;
        at = *next;
        found.push_back(text_of(at));
    }
    return found;
}

}  // namespace

TEST_CASE("calendar: a time of every day, and several") {
    const Zone zone("UTC");
    CHECK(next_ones({daily({clock_time(3, 30)})}, "2026-11-23T03:29:59Z", 2) ==
            Moments{"2026-11-23T03:30:00Z", "2026-11-24T03:30:00Z"});
    // Strictly after.
    CHECK(next_ones({daily({clock_time(3, 30)})}, "2026-11-23T03:30:00Z", 1) ==
            Moments{"2026-11-24T03:30:00Z"});
    CHECK(next_ones(
                  {daily({clock_time(6, 0), clock_time(18, 0, 5)}), daily({clock_time(7, 0)})},
                  "2026-12-31T06:30:00Z", 3) ==
            Moments{"2026-12-31T07:00:00Z", "2026-12-31T18:00:05Z", "2027-01-01T06:00:00Z"});
    CHECK_FALSE(next_moment({}, utc("2026-11-23T00:00:00Z")));
}

TEST_CASE("calendar: days of the week, months and days of the month must all be right") {
    const Zone zone("UTC");
    CalendarRule weekdays = daily({clock_time(3, 30)});
    weekdays.weekdays = 0x1f;
    CHECK(next_ones({weekdays}, "2026-11-27T04:00:00Z", 2) ==  // a Friday
            Moments{"2026-11-30T03:30:00Z", "2026-12-01T03:30:00Z"});
    CalendarRule first_sunday = daily({clock_time(4, 0)});
    first_sunday.weekdays = 1 << 6;
    first_sunday.days = 0xfe;
    CHECK(next_ones({first_sunday}, "2026-11-23T00:00:00Z", 2) ==
            Moments{"2026-12-06T04:00:00Z", "2027-01-03T04:00:00Z"});
    CalendarRule half_years = daily({clock_time(0, 0)});
    half_years.months = 1 << 0 | 1 << 6;
    half_years.days = 1 << 15;
    CHECK(next_ones({half_years}, "2026-01-15T00:00:00Z", 2) ==
            Moments{"2026-07-15T00:00:00Z", "2027-01-15T00:00:00Z"});
}

TEST_CASE("calendar: the last day of a month, and months that are too short") {
    const Zone zone("UTC");
    CalendarRule last = daily({clock_time(23, 59, 30)});
    last.days = 1;
    CHECK(next_ones({last}, "2027-12-31T23:59:30Z", 3) ==
            Moments{"2028-01-31T23:59:30Z", "2028-02-29T23:59:30Z", "2028-03-31T23:59:30Z"});
    CalendarRule day31 = daily({0});
    day31.days = 1u << 31;
    CHECK(next_ones({day31}, "2026-03-31T00:00:00Z", 3) ==
            Moments{"2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z", "2026-08-31T00:00:00Z"});
}

TEST_CASE("calendar: a 29th of February comes in leap years, and one on a Monday at last") {
    const Zone zone("UTC");
    CalendarRule leap = daily({clock_time(12, 0)});
    leap.months = 1 << 1;
    leap.days = 1u << 29;
    CHECK(next_ones({leap}, "2026-11-23T00:00:00Z", 2) ==
            Moments{"2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z"});
    // 2100 is none.
    CHECK(next_ones({leap}, "2096-02-29T12:00:00Z", 1) == Moments{"2104-02-29T12:00:00Z"});
    leap.weekdays = 1;
    CHECK(next_ones({leap}, "2016-02-29T12:00:00Z", 1) == Moments{"2044-02-29T12:00:00Z"});
    CHECK(next_ones({leap}, "2072-02-29T12:00:00Z", 1) == Moments{"2112-02-29T12:00:00Z"});
    leap.days = 1u << 30;
    CHECK_FALSE(next_moment(std::vector{leap}, utc("2026-11-23T00:00:00Z")));
}

TEST_CASE("calendar: what the change to summer time leaves out comes at the change, once") {
    const Zone zone(berlin);
    // 2026-03-29, 02:00 to 03:00 is not there; the change is at 01:00 UTC.
    CHECK(next_ones({daily({clock_time(2, 30)})}, "2026-03-28T01:30:00Z", 2) ==
            Moments{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"});
    CHECK(next_ones({daily({clock_time(2, 15), clock_time(2, 30), clock_time(2, 45)})},
                  "2026-03-28T02:00:00Z",
                  2) == Moments{"2026-03-29T01:00:00Z", "2026-03-30T00:15:00Z"});
    // One that falls on the change itself is no second run.
    CHECK(next_ones({daily({clock_time(2, 30)}), daily({clock_time(3, 0)})},
                  "2026-03-29T00:00:00Z",
                  2) == Moments{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"});
    const Zone america(new_york);
    CHECK(next_ones({daily({clock_time(2, 30)})}, "2026-03-08T00:00:00Z", 2) ==
            Moments{"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"});
}

TEST_CASE("calendar: what the change back brings twice comes the first time only") {
    const Zone zone(berlin);
    // 2026-10-25: 03:00 CEST is 02:00 CET, at 01:00 UTC.
    CHECK(next_ones({daily({clock_time(2, 30)})}, "2026-10-24T12:00:00Z", 2) ==
            Moments{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"});
    // Somebody who comes in between has missed it.
    CHECK(next_ones({daily({clock_time(2, 30)})}, "2026-10-25T01:10:00Z", 1) ==
            Moments{"2026-10-26T01:30:00Z"});
    const Zone island(lord_howe);
    // 2026-04-05: 02:00 is 01:30 again, at 15:00 UTC of the day before.
    CHECK(next_ones({daily({clock_time(1, 45)})}, "2026-04-04T00:00:00Z", 2) ==
            Moments{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"});
    CHECK(next_ones({daily({clock_time(2, 15)})}, "2026-10-02T20:00:00Z", 2) ==
            Moments{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"});
}

TEST_CASE("calendar: a midnight that is not there, or there twice") {
    const Zone zone(santiago);
    // 2026-09-06 begins at 01:00; the change is at 04:00 UTC.
    CHECK(next_ones({daily({0})}, "2026-09-05T12:00:00Z", 2) ==
            Moments{"2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"});
    // The last hour of 2026-04-04 comes twice.
    CHECK(next_ones({daily({clock_time(23, 30)})}, "2026-04-04T12:00:00Z", 2) ==
            Moments{"2026-04-05T02:30:00Z", "2026-04-06T03:30:00Z"});
}

TEST_CASE("calendar: a zone of a file, with a day that an island left out") {
    const Zone zone("Pacific/Apia");
    const std::time_t then = 1'325'000'000;
    std::tm broken{};
    ::localtime_r(&then, &broken);
    // Without zone files the name stands for Greenwich: there is no such day then.
    const bool has_files = broken.tm_gmtoff != 0;
    // There was no 2011-12-30: its moments came as the 31st began.
    const Moments plain{"2011-12-30T12:00:00Z", "2011-12-31T12:00:00Z", "2012-01-01T12:00:00Z"};
    CHECK(next_ones({daily({clock_time(12, 0)})},
                  has_files ? "2011-12-29T21:00:00Z" : "2011-12-29T22:00:00Z",
                  3) == (has_files ? Moments{"2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z",
                                             "2011-12-30T22:00:00Z"}
                                   : plain));
}

TEST_CASE("calendar: over years no moment is lost or comes twice, in any of these zones") {
    for (const char* name : {"UTC", berlin, new_york, lord_howe, santiago}) {
        CAPTURE(name);
        const Zone zone(name);
        const std::vector<CalendarRule> rules{daily({clock_time(2, 30)})};
        Wall at = utc("2026-01-01T12:00:00Z");
        for (int i = 0; i < 3 * 365; ++i) {
            const auto next = next_moment(rules, at);
            REQUIRE(next.has_value());
            const Wall then = *next;
            REQUIRE(then - at <= 36h);
            REQUIRE((i == 0 || then - at >= 22h));
            at = then;
        }
        CHECK(at > utc("2028-12-30T00:00:00Z"));
        CHECK(at < utc("2029-01-02T00:00:00Z"));
    }
}

TEST_CASE(
        "calendar: a clock that is put right shows no moment again, one set back a day does") {
    const Zone zone("UTC");
    const Wall moment = utc("2026-11-23T03:30:00Z");
    CHECK(calendar_base(std::nullopt, moment) == moment);
    CHECK(calendar_base(moment, moment + 1s) == moment + 1s);
    CHECK(calendar_base(moment, moment - 2s) == moment);
    CHECK(calendar_base(moment, moment - 1h) == moment);
    CHECK(calendar_base(moment, moment - 24h) == moment - 24h);
}

TEST_CASE("calendar: intervals go on from where they began, and skip what has passed") {
    const Mono start = Mono(1h);
    CHECK(next_interval(start, 10min, start - 1s) == start);
    CHECK(next_interval(start, 10min, start) == start + 10min);
    CHECK(next_interval(start, 10min, start + 9min) == start + 10min);
    CHECK(next_interval(start, 10min, start + 10min) == start + 20min);
    CHECK(next_interval(start, 10min, start + 35min) == start + 40min);
    CHECK(next_interval(start, 366 * 24h, start + 1s) == start + 366 * 24h);
}

TEST_CASE("calendar: moments are written with their day") {
    const Zone zone(berlin);
    CHECK(format_moment(utc("2026-11-24T02:30:00Z")) == "Tue 2026-11-24 03:30:00");
    CHECK(format_moment(utc("2026-07-05T22:00:00Z")) == "Mon 2026-07-06 00:00:00");
}
