// SPDX-License-Identifier: MIT
// Sockets that workers have shared: undoing what a worker left behind, and
// datagrams that nobody reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "config/plan.h"
#include "policy/backoff.h"

namespace superd {

// What was found and mended.
struct RepairReport {
    bool listening = false;  // had been shut down: listen(2) again
    bool connected = false;  // a datagram socket had been connected
    bool blocking = false;   // O_NONBLOCK had been taken off
    bool timeouts = false;   // SO_RCVTIMEO or SO_SNDTIMEO
    bool filter = false;     // a socket filter
    int error = 0;           // a pending SO_ERROR that is now cleared
    // Not mended: shut down for good. Close it, then open_listener() again.
    bool must_reopen = false;

    [[nodiscard]] bool any() const;
    // "listen again, filter detached"; empty when nothing was to do
    [[nodiscard]] std::string text() const;
};

// To be called when the last worker has gone, before the socket is watched again. Takes a FIFO
// too (only O_NONBLOCK matters there). Reads no byte that a client sent.
// own_filter: the filter on it is superd's (sys/client_filter.h). It stays, and as it is locked
// no worker can have put another in its place.
[[nodiscard]] Result<RepairReport> repair_shared_listener(
        int fd, const ListenerPlan& plan, bool own_filter = false);

// The datagram that stands first in the queue, looked at without its bytes; nothing where the
// queue is empty or the socket is no datagram socket.
[[nodiscard]] std::optional<DatagramIdentity> first_datagram(int fd);
// Drops it unread; false where there was none.
bool drop_first_datagram(int fd);

}  // namespace superd
