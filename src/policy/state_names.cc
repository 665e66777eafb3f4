// SPDX-License-Identifier: MIT
// The words for the states of a service.
#include "policy/state_names.h"

#include <array>
#include <cstddef>

namespace superd {

namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(ServiceState::count)> names{
        "disabled", "stopped", "waiting", "listening", "starting", "running", "reloading",
        "draining", "paused", "backoff", "stopping", "failed"};

}  // namespace

std::string_view state_name(ServiceState state) {
    const auto index = static_cast<std::size_t>(state);
    return index < names.size() ? names[index] : "?";
}

}  // namespace superd
