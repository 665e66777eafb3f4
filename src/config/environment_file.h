// SPDX-License-Identifier: MIT
// environment_file: NAME=value lines, as systemd.exec(5) writes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "config/plan.h"

namespace superd {

struct EnvironmentMistake {
    std::uint32_t line = 0;  // from 1
    std::string message;
};

// Blank lines and lines that begin with '#' or ';' count for nothing. A value may be in double
// quotes (where \" \\ \$ and \` are characters), in single quotes, or plain, or a mix; a
// backslash at the end of a line joins the next one. Nothing is expanded. All variables are
// secret: they are never shown.
[[nodiscard]] tl::expected<std::vector<Variable>, EnvironmentMistake> parse_environment(
        std::string_view text);

}  // namespace superd
