// SPDX-License-Identifier: MIT
// What `superctl wait --for` can wait for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/manager.h"

namespace superd {

// running: a process runs. ready: its listeners are open or it runs. stopped: nothing is open,
// nothing runs. idle: no process. listening: every listener is open.
enum class WaitFor : std::uint8_t { running, ready, stopped, idle, listening };

[[nodiscard]] std::optional<WaitFor> parse_wait_for(std::string_view text);

// reached: what was waited for is there. hopeless: it will not come without somebody's help.
enum class WaitState : std::uint8_t { pending, reached, hopeless };

[[nodiscard]] WaitState check_wait(WaitFor what, const ServiceStatus& service);

}  // namespace superd
