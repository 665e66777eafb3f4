// SPDX-License-Identifier: MIT
// Listeners: making the socket or FIFO that a ListenerPlan asks for, and taking it away again.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "config/plan.h"

namespace superd {

// Bound, listening where that applies, close-on-exec, non-blocking, with every option of the
// plan. Error::operation is "bind", "listen", "socket", or "set KEY" with the option's key; its
// subject is plan.address. EADDRINUSE: somebody else has it (see describe_holder).
//
// A socket file that nobody answers any more is replaced; anything else that stands at the path
// is left alone (EADDRINUSE for a live socket, EEXIST for what is no socket). Between its
// creation and the end of this call nobody but root can open the node.
//
// before_bind: called for TCP and UDP with the socket before anybody can reach it; where it
// fails nothing is bound.
using BeforeBind = std::function<Result<void>(int socket)>;
[[nodiscard]] Result<Fd> open_listener(
        const ListenerPlan& plan, const BeforeBind& before_bind = {});

// The address or interface does not exist yet: worth trying again later by itself.
[[nodiscard]] bool is_not_there_yet(const Error& error);

// Unlinks the plan's socket file, FIFO or message queue if it has remove_on_stop and what stands there is one.
// Nothing to do for the other kinds.
void remove_node(const ListenerPlan& plan);

// "sshd, pid 812": who holds the address, as far as /proc shows it to this user; empty
// otherwise.
[[nodiscard]] std::string describe_holder(const ListenerPlan& plan);

// True where sockets stand in the way of the address and each of them is one of these, by
// inode.
[[nodiscard]] bool is_held_by(const ListenerPlan& plan, const std::set<std::uint64_t>& inodes);

// The address as bound, in superd's grammar: "tcp:[::]:22", "udp:127.0.0.1:40213",
// "unix:/run/x.sock"; empty when the descriptor has none.
[[nodiscard]] std::string bound_text(int fd, ListenerKind kind);

}  // namespace superd
