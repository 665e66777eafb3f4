// SPDX-License-Identifier: MIT
// The groups of system calls that allow_system_calls and deny_system_calls may name.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace superd {

struct SystemCallGroup {
    std::string_view name;   // "@clock"
    std::string_view calls;  // blank-separated; a word that begins with '@' is a group
    std::string_view help;   // a few words
};

// By name. They are called and meant as systemd's of the same names.
[[nodiscard]] std::span<const SystemCallGroup> system_call_groups();

// The calls of a group, those of groups in it too; empty where there is no such group.
[[nodiscard]] std::vector<std::string_view> calls_of_group(std::string_view name);

}  // namespace superd
