// SPDX-License-Identifier: MIT
// Landlock: a service's own rules of what it may read, write and execute.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "config/plan_sandbox.h"

namespace superd {

// The rules of the plan's landlock_ paths as a descriptor for landlock_restrict_self(2). Paths
// are looked up as they are now, inside `root`. Devices that every program writes to
// (/dev/null and its like) are among them. ENOSYS, EOPNOTSUPP: this kernel has no Landlock.
[[nodiscard]] Result<Fd> make_landlock_rules(const SandboxPlan& plan, const std::string& root);

// What this kernel knows; 0: no Landlock.
[[nodiscard]] int landlock_version();

}  // namespace superd
