// SPDX-License-Identifier: MIT
// The first line of a connection, read without one byte of what follows it: tcpmux (RFC 1078)
// and the questions of ident (RFC 1413).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace superd {

// RFC 1078 gives no bound; RFC 1413 says 1000 characters for its answers.
inline constexpr std::size_t tcpmux_line_limit = 256;
inline constexpr std::size_t ident_line_limit = 1000;

// Where the first line ends, in what has been seen so far of it (its "\n" included).
struct LineSeen {
    enum class State : std::uint8_t { incomplete, complete, too_long };
    State state = State::incomplete;
    std::size_t size = 0;
};

[[nodiscard]] LineSeen find_line(std::string_view seen, std::size_t limit);

// The name in a tcpmux line, in lower case; nothing where it is no name: empty, or with
// anything but printing ASCII.
[[nodiscard]] std::optional<std::string> parse_tcpmux_line(std::string_view line);

// "6193, 23": the port on this host, then the port on the asking one.
struct IdentQuestion {
    std::uint16_t local = 0, remote = 0;
    bool operator==(const IdentQuestion&) const = default;
};

// Nothing where it is not two numbers from 1 to 65535.
[[nodiscard]] std::optional<IdentQuestion> parse_ident_line(std::string_view line);

// The lines of RFC 1413. user: already free of control characters.
[[nodiscard]] std::string ident_answer(const IdentQuestion& question, std::string_view user);
[[nodiscard]] std::string ident_error(
        const std::optional<IdentQuestion>& question, std::string_view error);

}  // namespace superd
