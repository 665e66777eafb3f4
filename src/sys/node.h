// SPDX-License-Identifier: MIT
// The names in the file system of UNIX sockets and FIFOs.
#pragma once

#include "base/fd.h"
#include "base/result.h"
#include "config/plan.h"

namespace superd {

// True for a listener that has a file: a UNIX socket that is not abstract, a FIFO.
[[nodiscard]] bool has_node(const ListenerPlan& plan);

// Makes the missing directories above plan.path, each with plan.directory_mode whatever the
// umask.
[[nodiscard]] Result<void> make_directories(const ListenerPlan& plan);

// Unlinks a socket file at plan.path that nobody answers. EADDRINUSE: somebody does, or it
// cannot be told; EEXIST: what stands there is no socket.
[[nodiscard]] Result<void> remove_stale_socket(const ListenerPlan& plan);

// Gives the node its owner, group and mode. Follows no symbolic link.
[[nodiscard]] Result<void> own_node(const ListenerPlan& plan);

// Makes the FIFO where it is missing and opens it for reading and writing, non-blocking, so
// that it never comes to an end when its writers leave.
[[nodiscard]] Result<Fd> open_fifo(const ListenerPlan& plan);

}  // namespace superd
