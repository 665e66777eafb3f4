// SPDX-License-Identifier: MIT
// The one list of states that status, why, metrics, D-Bus and JSON share.
#pragma once

#include <cstdint>
#include <string_view>

namespace superd {

enum class ServiceState : std::uint8_t {
    disabled,
    stopped,
    waiting,
    listening,
    starting,
    running,
    reloading,
    draining,
    paused,
    backoff,
    stopping,
    failed,
    count
};

[[nodiscard]] std::string_view state_name(ServiceState state);

}  // namespace superd
