// SPDX-License-Identifier: MIT
#include "policy/notice.h"

#include <algorithm>
#include <limits>

#include "base/text.h"

namespace superd {

namespace {

// Longer than anybody waits; far from where adding to a time overflows.
constexpr std::uint64_t most_microseconds = 366ULL * 86'400 * 1'000'000;

std::optional<Nanoseconds> microseconds(std::string_view text) {
    const auto number = parse_decimal(text);
    if (!number) return std::nullopt;
    const std::uint64_t bounded = *number < most_microseconds ? *number : most_microseconds;
    return std::chrono::microseconds(static_cast<std::int64_t>(bounded));
}

// CLOCK_MONOTONIC, which may count from longer ago than that.
std::optional<Nanoseconds> moment(std::string_view text) {
    constexpr auto last =
            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / 1000);
    const auto number = parse_decimal(text);
    if (!number || *number > last) return std::nullopt;
    return std::chrono::microseconds(static_cast<std::int64_t>(*number));
}

std::optional<std::int32_t> small_number(std::string_view text, std::uint64_t low) {
    const auto number = parse_decimal(text);
    const auto last = static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max());
    if (!number || *number < low || *number > last) return std::nullopt;
    return static_cast<std::int32_t>(*number);
}

// What LISTEN_FDNAMES can have between two colons.
bool is_fd_name(std::string_view text) {
    return text.size() <= fd_name_limit && std::all_of(text.begin(), text.end(), [](char c) {
        return c >= ' ' && c < 0x7f && c != ':';
    });
}

void take_store(Notice& notice, std::string_view name, std::string_view value) {
    if (name == "FDSTORE" && value == "1")
        notice.store = true;
    else if (name == "FDSTOREREMOVE" && value == "1")
        notice.remove = true;
    else if (name == "FDPOLL" && value == "0")
        notice.watch_hang_up = false;
    else if (name == "FDNAME" && is_fd_name(value))
        notice.fd_name = value;
}

void take(Notice& notice, std::string_view name, std::string_view value) {
    const bool yes = value == "1";
    if (name == "READY")
        notice.ready = yes;
    else if (name == "RELOADING")
        notice.reloading = yes;
    else if (name == "STOPPING")
        notice.stopping = yes;
    else if (name == "BARRIER")
        notice.barrier = yes;
    else if (name == "WATCHDOG" && (yes || value == "trigger"))
        notice.watchdog = yes ? WatchdogNotice::pet : WatchdogNotice::trigger;
    else if (name == "STATUS")
        notice.status = printable(value, notice_status_limit);
    else if (name == "ERRNO")
        notice.error = small_number(value, 0);
    else if (name == "MAINPID")
        notice.main_pid = small_number(value, 1);
    else if (name == "X_SUPERD_REQUESTS")
        notice.requests = parse_decimal(value);
    else if (name == "MONOTONIC_USEC")
        notice.monotonic = moment(value);
    else if (name == "WATCHDOG_USEC")
        notice.watchdog_period = microseconds(value);
    else if (name == "EXTEND_TIMEOUT_USEC")
        notice.extend_timeout = microseconds(value);
}

// The length of the UTF-8 character that text begins with; 0: it is none, or none to print.
std::size_t character(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return static_cast<unsigned char>(text[i]);
    };
    const unsigned first = byte(0);
    if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
    unsigned code = first & (0xffU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0U) != 0x80U) return 0;
        code = code << 6 | (byte(i) & 0x3fU);
    }
    const unsigned least = size == 4 ? 0x10000U : size == 3 ? 0x800U : 0x80U;
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    // From U+0080 on there are 32 more control characters.
    return code < least || code > 0x10ffff || surrogate || code < 0xa0 ? 0 : size;
}

}  // namespace

std::optional<Notice> parse_notice(std::string_view datagram) {
    if (datagram.size() > notice_limit) return std::nullopt;
    if (datagram.ends_with('\0')) datagram.remove_suffix(1);
    if (datagram.find('\0') != std::string_view::npos) return std::nullopt;
    Notice notice;
    for (const std::string_view line : split(datagram, '\n')) {
        const std::size_t equals = line.find('=');
        if (equals != std::string_view::npos)
            take(notice, line.substr(0, equals), line.substr(equals + 1));
        if (equals != std::string_view::npos && line.starts_with("FD"))
            take_store(notice, line.substr(0, equals), line.substr(equals + 1));
    }
    return notice;
}

std::string printable(std::string_view text, std::size_t limit) {
    std::string out;
    while (!text.empty()) {
        const std::size_t size = character(text);
        const std::size_t taken = size == 0 ? 1 : size;
        if (out.size() + taken > limit) break;
        if (size == 0)
            out += '?';
        else
            out += text.substr(0, size);
        text.remove_prefix(taken);
    }
    return out;
}

}  // namespace superd
