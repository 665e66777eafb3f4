// SPDX-License-Identifier: MIT
// What `superctl wait --for` can wait for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/manager.h"

namespace superd {

// running: a process runs. ready: its listeners are open or it runs. stopped: nothing is open,
// nothing runs. idle: no process. listening: every listener is open. state: exactly `state`.
struct WaitFor {
    enum class Kind : std::uint8_t { running, ready, stopped, idle, listening, state };
    Kind kind = Kind::ready;
    ServiceState state = ServiceState::running;
};

// Beside those words every other name of a state.
[[nodiscard]] std::optional<WaitFor> parse_wait_for(std::string_view text);

// reached: what was waited for is there. hopeless: it will not come without somebody's help.
enum class WaitState : std::uint8_t { pending, reached, hopeless };

[[nodiscard]] WaitState check_wait(const WaitFor& what, const ServiceStatus& service);

}  // namespace superd
