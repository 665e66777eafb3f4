// SPDX-License-Identifier: MIT
// Pieces of a log line that are needed besides format_text() and format_json() of event.h.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "log/event.h"

namespace superd {

// "2026-11-23T01:48:02.114Z": always this long.
inline constexpr std::size_t time_length = 24;
void append_time(std::string& out, Wall time);

// syslog's number for a level: 7 for debug … 2 for critical.
[[nodiscard]] int syslog_priority(Level level);

// The service an event is about; empty: superd itself.
[[nodiscard]] std::string_view service_of(const Event& event);

// The head of a line on its way to superd-log: "<6>ssh ".
void append_head(std::string& out, const Event& event);

struct Head {
    int priority = 6;
    std::string_view service;
    std::size_t length = 0;  // of the head; the line itself follows
};

// A line without a proper head is given back whole, as superd's own at priority 6.
[[nodiscard]] Head parse_head(std::string_view line);

}  // namespace superd
