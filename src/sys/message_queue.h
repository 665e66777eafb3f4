// SPDX-License-Identifier: MIT
// POSIX message queues and netlink sockets as listeners: what is bound and is no socket of a
// client's, see mq_overview(7) and netlink(7).
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "config/plan.h"

namespace superd {

// Makes the queue where it is missing and opens it for reading, non-blocking; nobody else can
// open it before it has its owner and mode. A queue that is there already is taken with what is
// in it, whatever its sizes are; an empty one of other sizes than the plan's is made anew.
// EEXIST: it belongs to somebody else.
[[nodiscard]] Result<Fd> open_message_queue(const ListenerPlan& plan);

// "10 messages of 8192 bytes" where the open queue has other sizes than the plan says; else
// empty.
[[nodiscard]] std::string other_sizes(int fd, const ListenerPlan& plan);

// Gives an open queue the owner, group and mode of the plan.
[[nodiscard]] Result<void> own_message_queue(int fd, const ListenerPlan& plan);

void remove_message_queue(const ListenerPlan& plan);

// Bound to the plan's groups, non-blocking, with its options.
[[nodiscard]] Result<Fd> open_netlink(const ListenerPlan& plan);

}  // namespace superd
