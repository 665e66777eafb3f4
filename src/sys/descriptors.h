// SPDX-License-Identifier: MIT
// The process's supply of descriptors.
#pragma once

#include <sys/resource.h>

#include "base/result.h"

namespace superd {

// Raises the soft RLIMIT_NOFILE to the hard one. Returns what it was, to be given to children.
[[nodiscard]] Result<rlimit> raise_descriptor_limit();

}  // namespace superd
