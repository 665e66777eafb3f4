// SPDX-License-Identifier: MIT
// Taking rights away from a process of superd's own that reads what strangers wrote.
#pragma once

#include "base/result.h"

namespace superd {

// For good, for every thread made from here on: no new privileges, no core file, no file that
// grows, no capability, not traceable; and a seccomp filter without exec, listening sockets,
// signals to others, mounts, namespaces, tracing and other doors into the kernel that a client
// of name servers never needs. What the C library loads for a look-up still works.
//
// ENOSYS: the kernel has no seccomp; the rest holds all the same.
[[nodiscard]] Result<void> confine_network_client();

}  // namespace superd
