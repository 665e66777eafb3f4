// SPDX-License-Identifier: MIT
// Host names as text: which are names at all, and which lie below which.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace superd {

inline constexpr std::size_t host_name_limit = 253;  // RFC 1035, without the last dot

// Lower case and without a final dot; nothing where text is no host name: labels of 1 to 63
// letters, digits, '-' and '_', and not an address.
[[nodiscard]] std::optional<std::string> parse_host_name(std::string_view text);

// "db.example.org" is below "example.org"; "example.org" and "badexample.org" are not.
[[nodiscard]] bool is_below(std::string_view name, std::string_view domain);

}  // namespace superd
