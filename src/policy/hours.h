// SPDX-License-Identifier: MIT
// Access hours: windows of local time, on some days of the week, over midnight where they say
// so.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "config/plan.h"

namespace superd {

struct LocalTime {
    std::uint8_t weekday = 0;  // 0 Monday ... 6 Sunday
    std::uint16_t minute = 0;  // of the day, 0 ... 1439
};

// In the process's time zone (TZ, /etc/localtime).
[[nodiscard]] LocalTime local_time(Wall time);

// No windows: always open.
[[nodiscard]] bool is_open(std::span<const HoursWindow> hours, LocalTime at);

// How long until the next opening by the clock on the wall; 0 when open; nothing when no window
// has a day. A change to or from summer time in between is not counted.
[[nodiscard]] std::optional<std::chrono::minutes> until_open(
        std::span<const HoursWindow> hours, LocalTime at);

// "Thu 04:00 is outside of hours, which open next at Sat 00:00"; for a time that is.
[[nodiscard]] std::string outside_text(std::span<const HoursWindow> hours, LocalTime at);

// "Mon 07:00"
[[nodiscard]] std::string format_local_time(LocalTime at);
[[nodiscard]] LocalTime operator+(LocalTime at, std::chrono::minutes by);

}  // namespace superd
