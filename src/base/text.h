// SPDX-License-Identifier: MIT
// Small pure functions on text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace superd {

[[nodiscard]] std::string_view trim(std::string_view text);
// "a,b,,c" at ',' gives four parts, one of them empty.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
[[nodiscard]] std::string join(std::span<const std::string> parts, std::string_view separator);

// Decimal digits only, the whole of text, no sign, no blanks; nothing on overflow.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text);
// Octal digits only.
[[nodiscard]] std::optional<std::uint32_t> parse_octal(std::string_view text);

// What a peer or a file sent, made safe for one line of a log or a terminal: control
// characters, backslash, DEL and bytes that are not UTF-8 become \xHH, \n, \t ...
[[nodiscard]] std::string escape(std::string_view text);
// escape(), and in double quotes where it holds a blank, '=' or '"' or is empty.
[[nodiscard]] std::string quote_value(std::string_view text);

// The candidate nearest to word by edit distance, where that is at most a third of its length
// (at least 1, at most 3); empty otherwise. For "did you mean".
[[nodiscard]] std::string_view nearest(
        std::string_view word, std::span<const std::string_view> candidates);

}  // namespace superd
