// SPDX-License-Identifier: MIT
// A listener that stays over a reload and whose options have changed.
#pragma once

#include "base/result.h"
#include "config/plan.h"

namespace superd {

// Brings what was opened for `from` in line with `to`, which is the same socket
// (same_socket()): socket options, backlog, the node's owner, group and mode. An option that
// `to` has no longer goes back to the kernel's default. Does as much as can be done; the first
// failure is told.
[[nodiscard]] Result<void> renew_listener(
        int fd, const ListenerPlan& from, const ListenerPlan& to);

}  // namespace superd
