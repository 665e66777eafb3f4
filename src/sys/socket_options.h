// SPDX-License-Identifier: MIT
// The options of a ListenerPlan on a socket, in the order the kernel wants them.
#pragma once

#include "base/result.h"
#include "config/plan.h"

namespace superd {

// An option that is an int; `otherwise` where it cannot be read.
[[nodiscard]] int option_of(int fd, int level, int option, int otherwise = 0);

// ipv6: the socket is an AF_INET6 one. Errors: "set KEY" on plan.address.
[[nodiscard]] Result<void> set_options_before_bind(int fd, const ListenerPlan& plan, bool ipv6);
[[nodiscard]] Result<void> set_options_after_bind(int fd, const ListenerPlan& plan, bool ipv6);

}  // namespace superd
