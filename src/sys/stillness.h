// SPDX-License-Identifier: MIT
// Processes that were held still by SIGSTOP.
#pragma once

#include <vector>

#include <sys/types.h>

namespace superd {

// True where no thread of any of them can run: each is stopped, or has ended.
[[nodiscard]] bool are_still(const std::vector<pid_t>& processes);

// The members of a process group; a walk through /proc.
[[nodiscard]] std::vector<pid_t> members_of_group(pid_t group);

}  // namespace superd
