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

// Before each line that xinetd would have written of the same fact, behind the line itself on
// its way to superd-log. Lines have no such byte: it is escaped there.
inline constexpr char xinetd_mark = '\x1f';

// "\x1fSTART: ssh pid=812 from=192.0.2.7": the mark and the line, for each line of xinetd's.
// Nothing where xinetd knows no such fact, and the line itself takes its place.
void append_xinetd(std::string& out, const Event& event);
// "26/11/23@01:48:02: ", the local time as xinetd's files have it.
void append_xinetd_time(std::string& out, Wall time);
// "WARNING": xinetd's word for syslog's number.
[[nodiscard]] std::string_view xinetd_level(int priority);

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
