// SPDX-License-Identifier: MIT
#include "policy/hours.h"

#include <optional>
#include <string>
#include <vector>

#include "support/catch.h"
#include "support/zone.h"

using namespace superd;
using superd::test::Zone;
using namespace std::chrono_literals;

namespace {

constexpr std::uint8_t weekdays = 0x1f, saturday = 1 << 5, sunday = 1 << 6;

LocalTime at(unsigned weekday, unsigned hour, unsigned minute) {
    return {static_cast<std::uint8_t>(weekday), static_cast<std::uint16_t>(hour * 60 + minute)};
}

HoursWindow window(unsigned days, unsigned from, unsigned to) {
    return {static_cast<std::uint8_t>(days), static_cast<std::uint16_t>(from),
            static_cast<std::uint16_t>(to), {}};
}

// Whether it is open, minute by minute over a week, by painting the windows on it.
std::vector<bool> paint(const std::vector<HoursWindow>& hours) {
    std::vector<bool> week(7 * 1440, hours.empty());
    for (const HoursWindow& w : hours)
        for (unsigned day = 0; day < 7; ++day) {
            if ((w.days >> day & 1) == 0) continue;
            const unsigned length = w.to > w.from ? w.to - w.from : w.to + 1440u - w.from;
            for (unsigned i = 0; i < length; ++i)
                week[(day * 1440 + w.from + i) % week.size()] = true;
        }
    return week;
}

}  // namespace

TEST_CASE("hours: no window is always open") {
    CHECK(is_open({}, at(3, 3, 3)));
}

TEST_CASE("hours: Mon..Fri 07:00-19:00 and a Saturday night that ends on Sunday") {
    const std::vector<HoursWindow> hours{
            window(weekdays, 7 * 60, 19 * 60), window(saturday, 22 * 60, 4 * 60)};

    struct {
        LocalTime time;
        bool open;
    } const cases[] = {
            {at(0, 6, 59), false}, {at(0, 7, 0), true}, {at(4, 18, 59), true},
            {at(4, 19, 0), false}, {at(5, 12, 0), false}, {at(5, 21, 59), false},
            {at(5, 22, 0), true}, {at(5, 23, 59), true}, {at(6, 0, 0), true},
            {at(6, 3, 59), true}, {at(6, 4, 0), false}, {at(6, 22, 0), false},
            {at(5, 3, 0), false},  // the night from Friday to Saturday is none of Saturday's
    };

    for (const auto& c : cases) {
        CAPTURE(format_local_time(c.time));
        CHECK(is_open(hours, c.time) == c.open);
    }
}

TEST_CASE("hours: a Sunday night ends on Monday") {
    const std::vector<HoursWindow> hours{window(sunday, 23 * 60, 60)};
    CHECK(is_open(hours, at(6, 23, 30)));
    CHECK(is_open(hours, at(0, 0, 30)));
    CHECK_FALSE(is_open(hours, at(0, 1, 0)));
    CHECK_FALSE(is_open(hours, at(0, 23, 30)));
}

TEST_CASE(
        "hours: every minute of the week agrees with painted windows, and so does the next "
        "opening") {
    const std::vector<std::vector<HoursWindow>> tables{
            {window(0x7f, 0, 1440)},
            {window(weekdays, 420, 1140), window(saturday, 1320, 240)},
            {window(sunday, 600, 600)},
            {window(1, 0, 1), window(4, 1439, 1440)},
            {window(0, 0, 1440)},
            {window(1 << 2, 1380, 30), window(1 << 3, 10, 40)},
    };
    for (const auto& hours : tables) {
        const std::vector<bool> week = paint(hours);
        for (unsigned i = 0; i < week.size(); ++i) {
            const LocalTime time = at(i / 1440, 0, i % 1440);
            CAPTURE(format_local_time(time));
            REQUIRE(is_open(hours, time) == week[i]);
            std::optional<unsigned> wait;
            for (unsigned j = 0; j < week.size() && !wait; ++j)
                if (week[(i + j) % week.size()]) wait = j;
            const auto said = until_open(hours, time);
            REQUIRE(said.has_value() == wait.has_value());
            if (wait) REQUIRE(said->count() == *wait);
        }
    }
}

TEST_CASE("hours: the time of day is local, and its week begins on Monday") {
    const Zone zone("UTC-2");  // two hours east
    // 2026-11-23 is a Monday.
    const Wall monday{
            std::chrono::sys_days{std::chrono::year{2026} / 11 / 23} + 21h + 59min + 59s};
    CHECK(format_local_time(local_time(monday)) == "Mon 23:59");
    CHECK(format_local_time(local_time(monday + 1s)) == "Tue 00:00");
    CHECK(format_local_time(local_time(monday - 24h)) == "Sun 23:59");
    CHECK(format_local_time(at(6, 23, 0) + 90min) == "Mon 00:30");
}
