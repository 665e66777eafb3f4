// SPDX-License-Identifier: MIT
// Sockets that superd connects: it opens them and reads nothing from them.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "config/plan.h"

namespace superd {

// A socket whose connect(2) has succeeded or is under way; close-on-exec, not blocking. A
// target whose name was never found is EHOSTUNREACH; a UNIX socket whose queue is full EAGAIN.
[[nodiscard]] Result<Fd> open_connection(const TargetPlan& target);

}  // namespace superd
