// SPDX-License-Identifier: MIT
// The client of superd-log: what services printed and what superd said of them, for
// `superctl logs`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace superd {

struct LogQuery {
    std::vector<std::string> services;  // empty: all
    std::uint32_t lines = 50;           // of the past, at most, over all the services asked for
    bool follow = false;                // then go on with what comes
    bool operator==(const LogQuery&) const = default;
};

// One line as superd-log sends it.
struct LogLine {
    std::string time;        // "2026-11-23T01:48:02.114Z"
    std::string service;     // empty: superd itself
    std::int32_t pid = 0;    // who printed it; 0: superd itself, about the service; -1: unknown
    std::string text;        // as printed: escape() it for a terminal
    bool continued = false;  // cut at the bound of a line; the next one of that pid goes on
    std::uint64_t lost =
            0;  // not 0: no line, but so many were left out since this reader is slow
};

// The forms on the wire, one JSON object a line, without the end of line.
[[nodiscard]] std::string format_query(const LogQuery& query);
[[nodiscard]] std::optional<LogQuery> parse_query(std::string_view line);
void format_line(std::string& out, const LogLine& line);
[[nodiscard]] std::optional<LogLine> parse_line(std::string_view line);

// "2026-11-23T01:48:02.114Z ssh[812]: text", escaped, for people.
void format_line_text(std::string& out, const LogLine& line);

class LogReader {
public:
    // Connects (blocking) to the socket and asks. ECONNREFUSED, ENOENT: superd-log is not
    // there.
    [[nodiscard]] static Result<LogReader> open(const std::string& path, const LogQuery& query);
    // Over a socket that is connected already; owned from now on.
    [[nodiscard]] static Result<LogReader> open(Fd socket, const LogQuery& query);

    // Waits for the next line. Nothing: the end. EACCES: superd-log refused; EBADMSG: an answer
    // that is none. EINTR where a signal handler ran.
    [[nodiscard]] Result<std::optional<LogLine>> next();

    [[nodiscard]] int descriptor() const { return socket_.get(); }

private:
    explicit LogReader(Fd socket) : socket_(std::move(socket)) {}

    Fd socket_;
    std::string buffer_;
    std::size_t start_ = 0;
};

}  // namespace superd
