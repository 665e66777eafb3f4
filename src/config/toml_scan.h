// SPDX-License-Identifier: MIT
// A look at TOML text before and beside the parser: bounds it, and finds what an error is
// about.
//
// The parser overflows its stack on keys of many parts, reports an error behind its cause and
// knows no second place. The scan is no parser: it follows statements, keys, strings and
// brackets, and is exact for text that is TOML up to the parser's first error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace superd {

constexpr std::size_t max_key_parts = 16;       // of one dotted key or header
constexpr std::size_t max_nesting = 32;         // of [ ] and { } in one value
constexpr std::size_t max_dots_in_line = 8192;  // whatever the line looks like

// Lines and columns from 1, columns in characters.
struct TextPlace {
    std::uint32_t line = 1, column = 1;
};

[[nodiscard]] TextPlace place_of(std::string_view text, std::size_t offset);
// The offset of a place; the end of the text where there is no such place.
[[nodiscard]] std::size_t offset_of(std::string_view text, TextPlace place);

struct ScanProblem {
    std::size_t at = 0;
    std::string message, suggestion;
};

// The first thing that must not come before the parser: bytes that are not UTF-8, control
// characters, and keys or values beyond the bounds above.
[[nodiscard]] std::optional<ScanProblem> find_problem(std::string_view text);

// KEY = VALUE, [TABLE] or [[TABLE]].
struct Statement {
    enum class Kind : std::uint8_t { key_value, table, array_table };
    Kind kind = Kind::key_value;
    std::vector<std::string> path;  // the table's, then its own
    std::size_t begin = 0;          // of the key, or of the header's bracket
    std::size_t element = 0;        // which [[TABLE]] of the file it stands in; 0: none
};

struct ScanContext {
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
    std::vector<Statement> statements;  // all, up to the one that holds the offset
    std::size_t value = nowhere;        // where the value at the offset begins
    std::size_t bracket = nowhere;      // the innermost bracket open there
};

[[nodiscard]] ScanContext context_at(std::string_view text, std::size_t offset);

}  // namespace superd
