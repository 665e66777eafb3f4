// SPDX-License-Identifier: MIT
#include "policy/calendar.h"

#include <ctime>

#include <fmt/format.h>

namespace superd {

namespace {

using std::chrono::days;
using std::chrono::sys_days;

constexpr std::int64_t day_seconds = 86400;
constexpr int most_days = 41 * 366;
constexpr auto put_right = std::chrono::hours(1);

std::tm local(std::time_t at) {
    std::tm broken{};
    ::localtime_r(&at, &broken);
    return broken;
}

// Seconds east of Greenwich then.
std::int64_t offset_at(std::int64_t at) {
    return local(static_cast<std::time_t>(at)).tm_gmtoff;
}

// The first second in (low, high] whose offset is not low's; there is one.
std::int64_t change_between(std::int64_t low, std::int64_t high) {
    const std::int64_t before = offset_at(low);
    while (high - low > 1) {
        const std::int64_t middle = low + (high - low) / 2;
        (offset_at(middle) == before ? low : high) = middle;
    }
    return high;
}

// When the wall shows it; clock: seconds as though the wall were in Greenwich. No zone changes
// twice within two days.
std::int64_t instant_of(std::int64_t clock) {
    const std::int64_t before = offset_at(clock - day_seconds),
                       after = offset_at(clock + day_seconds);
    if (offset_at(clock - before) == before) return clock - before;
    if (offset_at(clock - after) == after) return clock - after;
    return change_between(clock - after, clock - before);
}

bool has_day(const CalendarRule& rule, sys_days day) {
    const std::chrono::year_month_day date(day);
    const unsigned weekday = std::chrono::weekday(day).iso_encoding() - 1;
    const unsigned month = static_cast<unsigned>(date.month()) - 1;
    const bool last = date.day() == std::chrono::year_month_day_last(date.year(),
                                            std::chrono::month_day_last(date.month()))
                                            .day();
    const bool right_day = (rule.days >> static_cast<unsigned>(date.day()) & 1u) != 0 ||
                           (last && (rule.days & 1u) != 0);
    return (rule.weekdays >> weekday & 1u) != 0 && (rule.months >> month & 1u) != 0 &&
           right_day;
}

// The first of the day's moments after `after`.
std::optional<std::int64_t> first_of_day(
        std::span<const CalendarRule> rules, sys_days day, std::int64_t after) {
    std::optional<std::int64_t> first;
    for (const CalendarRule& rule : rules) {
        if (!has_day(rule, day)) continue;
        for (const std::uint32_t time : rule.times) {
            const std::int64_t at =
                    instant_of(day.time_since_epoch().count() * day_seconds + time);
            if (at <= after) continue;
            if (!first || at < *first) first = at;
            break;  // the later ones are not earlier
        }
    }
    return first;
}

}  // namespace

std::optional<Wall> next_moment(std::span<const CalendarRule> rules, Wall after) {
    ::tzset();  // a zone that has been set anew meanwhile
    const auto now = std::chrono::floor<std::chrono::seconds>(after).time_since_epoch().count();
    const std::int64_t wall = now + offset_at(now);
    // A day that a zone leaves out as a whole has its moments on the next one.
    sys_days day =
            std::chrono::floor<days>(std::chrono::sys_seconds(std::chrono::seconds(wall))) -
            days(1);
    for (int i = 0; i < most_days; ++i, day += days(1))
        if (const auto at = first_of_day(rules, day, now))
            return Wall(std::chrono::seconds(*at));
    return std::nullopt;
}

Wall calendar_base(std::optional<Wall> last_moment, Wall now) {
    if (!last_moment || *last_moment <= now || *last_moment - now > put_right) return now;
    return *last_moment;
}

Mono next_interval(Mono moment, Nanoseconds every, Mono now) {
    if (moment > now) return moment;
    return moment + ((now - moment) / every + 1) * every;
}

std::string format_moment(Wall moment) {
    static constexpr const char* names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    const std::tm at = local(static_cast<std::time_t>(
            std::chrono::floor<std::chrono::seconds>(moment).time_since_epoch().count()));
    return fmt::format("{} {:04}-{:02}-{:02} {:02}:{:02}:{:02}", names[at.tm_wday % 7],
            at.tm_year + 1900, at.tm_mon + 1, at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec);
}

}  // namespace superd
