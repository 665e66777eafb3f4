// SPDX-License-Identifier: MIT
// Who waits at a listener for accept(2), as far as the kernel tells.
#pragma once

#include <optional>

#include "policy/backoff.h"

namespace superd {

// Nothing for what is no listener, and where the kernel does not say: TCP tells in TCP_INFO,
// UNIX sockets by sock_diag(7), which a kernel may lack and which says who stands first only
// where the queue is not long. No wait.
[[nodiscard]] std::optional<ClientQueue> client_queue_of(int fd);

}  // namespace superd
