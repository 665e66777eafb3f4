// SPDX-License-Identifier: MIT
// Namespaces of a sandboxed service other than that of its mounts.
#pragma once

#include "base/result.h"
#include "config/plan_sandbox.h"

namespace superd {

// In superd-exec, as root: private_network, with its loopback interface up, and private_ipc.
[[nodiscard]] Result<void> leave_namespaces(const SandboxPlan& plan);

}  // namespace superd
