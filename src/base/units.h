// SPDX-License-Identifier: MIT
// Durations, sizes, rates and modes as superd.toml writes them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "base/clock.h"

namespace superd {

// What parse_* return when the text is not of the form: a sentence for a diagnostic, without
// position, e.g. `"5 minutes" is not a duration; write "5m"`.
using Wrong = std::string;
template <class T>
using Parsed = tl::expected<T, Wrong>;

// "250ms", "1h30m", "2d": one or more NUMBER UNIT, units us ms s m|min h d w, largest first, no
// blanks, no sign, no fraction. "unlimited" is not a duration.
[[nodiscard]] Parsed<Nanoseconds> parse_duration(std::string_view text);
// The shortest text that parse_duration reads back: "1h30m", "0s".
[[nodiscard]] std::string format_duration(Nanoseconds duration);
// For people: "4.2s", "12ms", "2h46m".
[[nodiscard]] std::string approximate_duration(Nanoseconds duration);

// "512M", "4K", "1048576": K, M, G, T of 1024; bytes without a letter.
[[nodiscard]] Parsed<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(std::uint64_t bytes);

// So many in each period: "50/s", "6/min", "100/10s", "1000/h".
struct Frequency {
    std::uint32_t count = 0;
    Nanoseconds period{0};
    bool operator==(const Frequency&) const = default;
};

[[nodiscard]] Parsed<Frequency> parse_frequency(std::string_view text);
[[nodiscard]] std::string format_frequency(const Frequency& frequency);

// "0660": octal, at most 07777.
[[nodiscard]] Parsed<std::uint32_t> parse_mode(std::string_view text);
[[nodiscard]] std::string format_mode(std::uint32_t mode);

// 2026-11-23T01:48:02.114Z
[[nodiscard]] std::string format_timestamp(Wall time);

}  // namespace superd
