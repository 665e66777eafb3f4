// SPDX-License-Identifier: MIT
// peer_label: the SELinux context of a labelled connection (NetLabel, labelled IPsec) for the
// program that serves it.
//
// As xinetd's LABELED has it: superd's own context with the range of the peer's, and what the
// policy makes of that for the program. libselinux is loaded at run time.
#pragma once

#include <string>

#include "base/result.h"

namespace superd {

// For the next execve(2) of this process. ELIBACC: there is no libselinux; EOPNOTSUPP: this
// kernel has no SELinux; ENOPROTOOPT: the connection has no label.
[[nodiscard]] Result<void> set_label_of_peer(int socket, const std::string& program);

}  // namespace superd
