// SPDX-License-Identifier: MIT
// Signals by name, as kill(1) writes them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace superd {

// "TERM" or "SIGTERM" to 15; nothing where no signal is called so.
[[nodiscard]] std::optional<int> signal_by_name(std::string_view name);
// "TERM"; the number where it has no name.
[[nodiscard]] std::string signal_name(int signal);

}  // namespace superd
