// SPDX-License-Identifier: MIT
// superd.d/99-superctl.toml: what `superctl enable` and `disable` have switched.
#pragma once

#include <map>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace superd {

using Switches = std::map<std::string, bool, std::less<>>;  // service: enabled

// The path beside the main file.
[[nodiscard]] std::string switches_path(const std::string& main_file);

// Reads a text that make_switches() wrote; a sentence where it holds anything else, which
// superctl would lose.
[[nodiscard]] tl::expected<Switches, std::string> parse_switches(
        const std::string& text, const std::string& path);
[[nodiscard]] std::string make_switches(const Switches& switches);

// Whether one of the main file's include patterns, relative to its folder, takes in the path.
[[nodiscard]] bool covers(const std::vector<std::string>& patterns,
        const std::string& main_file, const std::string& path);

}  // namespace superd
