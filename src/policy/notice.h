// SPDX-License-Identifier: MIT
// What a service says to $NOTIFY_SOCKET: one datagram of NAME=value lines, as sd_notify(3) has
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace superd {

// The longest datagram that is read; one that is longer counts for nothing.
inline constexpr std::size_t notice_limit = 4096;
// As much of STATUS is kept, in bytes.
inline constexpr std::size_t notice_status_limit = 120;

// As sd_pid_notify_with_fds(3) has it.
inline constexpr std::size_t fd_name_limit = 255;

enum class WatchdogNotice : std::uint8_t { none, pet, trigger };

// Lines that superd does not know, or that are not well formed, leave no trace.
struct Notice {
    bool ready = false;
    bool reloading = false;
    bool stopping = false;
    bool barrier = false;
    bool store = false;         // FDSTORE: the descriptors that came with it are to be kept
    bool remove = false;        // FDSTOREREMOVE: those of that name are not any more
    bool watch_hang_up = true;  // not FDPOLL=0: one that is hung up goes by itself
    std::optional<std::string> fd_name;  // FDNAME, where it is one that LISTEN_FDNAMES can have
    WatchdogNotice watchdog = WatchdogNotice::none;
    std::optional<std::string> status;  // printable UTF-8, cut at notice_status_limit
    std::optional<std::int32_t> error;  // ERRNO
    std::optional<std::int32_t> main_pid;
    std::optional<std::uint64_t> requests;       // X_SUPERD_REQUESTS: served in its life
    std::optional<Nanoseconds> monotonic;        // MONOTONIC_USEC
    std::optional<Nanoseconds> watchdog_period;  // WATCHDOG_USEC; 0: no more
    std::optional<Nanoseconds> extend_timeout;   // EXTEND_TIMEOUT_USEC

    bool operator==(const Notice&) const = default;
};

// Nothing where the datagram is none: too long, or a NUL in it that is not its last byte.
[[nodiscard]] std::optional<Notice> parse_notice(std::string_view datagram);

// What a terminal and a log line can stand of a text from outside: control characters and
// broken UTF-8 become '?', and it is cut at limit bytes, between two characters.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit);

}  // namespace superd
