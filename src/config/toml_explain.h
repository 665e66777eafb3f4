// SPDX-License-Identifier: MIT
// Turns the parser's one terse error into a diagnostic at the cause, with a suggestion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/diagnostics.h"
#include "config/toml_scan.h"

namespace superd {

// What the parser said; its place is at or behind the cause.
struct ParseFailure {
    std::string description;
    TextPlace at;
};

struct ParseExplanation {
    Diagnostic diagnostic;
    // Bytes without which the rest of the text can be read on for further errors.
    std::optional<std::pair<std::size_t, std::size_t>> skip;
};

[[nodiscard]] ParseExplanation explain(
        std::string_view text, const std::string& path, const ParseFailure& failure);

// The text of line `line`, without its end.
[[nodiscard]] std::string line_text(std::string_view text, std::uint32_t line);

}  // namespace superd
