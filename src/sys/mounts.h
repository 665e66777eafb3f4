// SPDX-License-Identifier: MIT
// What a sandboxed service sees of the file system: a mount namespace of its own.
//
// Takes back nothing by itself that is not on a path named; a process that may mount could undo
// it, so capabilities (sys_admin) are bounded as well where it is meant to hold.
#pragma once

#include <string>

#include "base/result.h"
#include "config/plan_sandbox.h"

namespace superd {

// In superd-exec, as root, one thread: leaves superd's mount namespace for a copy in which the
// plan's paths are read-only, hidden or new. Mounts that the host makes later still appear
// there. Paths are looked up inside `root` (empty: "/"), never outside of it through a link.
//
// What the service itself has named must be there; what a switch stands for may be missing. The
// error's operation is the call, its subject the path. Needs Linux 5.12.
[[nodiscard]] Result<void> enter_private_mounts(
        const SandboxPlan& plan, const std::string& root);

}  // namespace superd
