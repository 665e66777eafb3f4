// SPDX-License-Identifier: MIT
// When the moments of `at` come, by the clock on the wall of the process's time zone (TZ,
// /etc/localtime).
//
// A moment that a change to summer time leaves out comes when that change is made; one that a
// change back brings twice comes the first time. So moments stay in their order, and several
// may come at once.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "config/plan_when.h"

namespace superd {

// The first moment after `after`; nothing where none comes within 41 years (a 29th of February
// on a Monday may be 40 years away).
[[nodiscard]] std::optional<Wall> next_moment(std::span<const CalendarRule> rules, Wall after);

// Where to go on from at `now`: not before the last moment that had its run, which a clock that
// was put right by less than an hour may show again. A clock that was set back further starts
// anew.
[[nodiscard]] Wall calendar_base(std::optional<Wall> last_moment, Wall now);

// The first of moments at intervals of `every`, counted from `moment`, that is after `now`.
[[nodiscard]] Mono next_interval(Mono moment, Nanoseconds every, Mono now);

// "Tue 2026-11-24 03:30:00"
[[nodiscard]] std::string format_moment(Wall moment);

}  // namespace superd
