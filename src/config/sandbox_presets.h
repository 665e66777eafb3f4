// SPDX-License-Identifier: MIT
// What sandbox = "standard" and "strict" contain.
#pragma once

#include "config/plan_sandbox.h"

namespace superd {

// All switches as they stand where a service writes none of them itself. No filters yet.
[[nodiscard]] SandboxPlan preset_plan(Sandbox preset);

}  // namespace superd
