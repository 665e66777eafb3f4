// SPDX-License-Identifier: MIT
// The process's supply of descriptors.
#pragma once

#include <sys/resource.h>

#include "base/fd.h"
#include "base/result.h"

namespace superd {

// Raises the soft RLIMIT_NOFILE to the hard one. Returns what it was, to be given to children.
[[nodiscard]] Result<rlimit> raise_descriptor_limit();

// For the programs beside superd: the SOCK_SEQPACKET channel that they are started with on
// descriptor 0 moves up, so that nothing mistakes it for input; 0 and 1 become /dev/null. Empty
// where 0 is no such channel.
[[nodiscard]] Fd take_channel();

}  // namespace superd
