// SPDX-License-Identifier: MIT
// Access hours.
#include "policy/hours.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

namespace superd {

namespace {

constexpr unsigned day = 24 * 60;
constexpr unsigned week = 7 * day;

bool has_day(const HoursWindow& window, unsigned weekday) {
    return (window.days >> (weekday % 7) & 1) != 0;
}

bool is_in(const HoursWindow& window, LocalTime at) {
    if (window.from < window.to)
        return has_day(window, at.weekday) && at.minute >= window.from && at.minute < window.to;
    // Over midnight: the evening of its own day or the morning after it.
    return (has_day(window, at.weekday) && at.minute >= window.from) ||
           (has_day(window, at.weekday + 6u) && at.minute < window.to);
}

// From `at` to the next time that the window opens, in minutes; a whole week at most.
std::optional<unsigned> until_start(const HoursWindow& window, LocalTime at) {
    for (unsigned days = 0; days <= 7; ++days) {
        const unsigned start = days * day + window.from;
        if (has_day(window, at.weekday + days) && start >= at.minute) return start - at.minute;
    }
    return std::nullopt;
}

}  // namespace

LocalTime local_time(Wall time) {
    const std::time_t seconds =
            std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
    std::tm broken{};
    ::localtime_r(&seconds, &broken);
    // tm_wday counts from Sunday.
    return {static_cast<std::uint8_t>((broken.tm_wday + 6) % 7),
            static_cast<std::uint16_t>(broken.tm_hour * 60 + broken.tm_min)};
}

bool is_open(std::span<const HoursWindow> hours, LocalTime at) {
    return hours.empty() || std::ranges::any_of(hours, [at](const HoursWindow& window) {
        return is_in(window, at);
    });
}

std::optional<std::chrono::minutes> until_open(
        std::span<const HoursWindow> hours, LocalTime at) {
    if (is_open(hours, at)) return std::chrono::minutes(0);
    std::optional<unsigned> best;
    for (const HoursWindow& window : hours) {
        const auto start = until_start(window, at);
        if (start && (!best || *start < *best)) best = start;
    }
    if (!best) return std::nullopt;
    return std::chrono::minutes(*best);
}

LocalTime operator+(LocalTime at, std::chrono::minutes by) {
    const auto total =
            (at.weekday * day + at.minute + static_cast<std::uint64_t>(by.count())) % week;
    return {static_cast<std::uint8_t>(total / day), static_cast<std::uint16_t>(total % day)};
}

std::string outside_text(std::span<const HoursWindow> hours, LocalTime at) {
    const auto opening = until_open(hours, at);
    if (!opening) return "outside of hours, which have no day";
    return fmt::format("{} is outside of hours, which open next at {}", format_local_time(at),
            format_local_time(at + *opening));
}

std::string format_local_time(LocalTime at) {
    static constexpr const char* names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    return fmt::format("{} {:02}:{:02}", names[at.weekday % 7], at.minute / 60, at.minute % 60);
}

}  // namespace superd
