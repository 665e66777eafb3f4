// SPDX-License-Identifier: MIT
// [networks]: names for address blocks, written there or kept in a file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/plan.h"
#include "config/values.h"
#include "config/written.h"

namespace superd {

// The text of a list file: one address or block a line, '#' begins a comment. Mistakes go to
// `diagnostics` under `path`; what is right is returned all the same.
[[nodiscard]] std::vector<Network> parse_network_list(
        std::string_view text, const std::string& path, Diagnostics& diagnostics);

// Reads a list file. Nothing, and an error at `at`, where it cannot be read or has mistakes.
[[nodiscard]] std::optional<std::vector<Network>> read_network_file(
        const std::string& path, const Position& at, Diagnostics& diagnostics);

// All of [networks]. A relative `file` is relative to the file that names it. check_ownership:
// a list that others than root can change is an error.
[[nodiscard]] std::vector<NetworkPlan> resolve_networks(
        const std::vector<WrittenNetwork>& written, bool check_ownership, Values& values,
        Diagnostics& diagnostics);

}  // namespace superd
