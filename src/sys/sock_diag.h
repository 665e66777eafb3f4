// SPDX-License-Identifier: MIT
// Whether a listener has connections, whoever accepted them: the kernel's list of sockets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace superd {

// True where a socket that some process holds was accepted at the listener, or a client waits
// in its queue. Sockets of other listeners at the same port and address count too; those that
// the kernel keeps for nobody (TIME_WAIT and its like) do not. For TCP and UNIX listeners. An
// error where the kernel does not list sockets (sock_diag(7)). No wait; the cost grows with the
// sockets of the host.
[[nodiscard]] Result<bool> has_connections(int listener);

// The inodes of these sockets; of what waits in the queue there are none.
[[nodiscard]] Result<std::vector<std::uint64_t>> connections_of(int listener);

// ---- the kernel's answer, for tests

// What the sockets that are looked for have in common.
struct SocketsWanted {
    bool local = false;      // UNIX sockets
    std::uint16_t port = 0;  // IP: in host order
    IpAddress ip;            // IP: unspecified for any
    bool any_family = true;  // IP: an unspecified ip stands for IPv4 too
    int type = 0;            // UNIX: SOCK_STREAM or SOCK_SEQPACKET
    std::string name;        // UNIX: as the kernel has it; an abstract one begins with NUL
};

struct DiagPart {
    bool found = false;
    std::vector<std::uint64_t> inodes{};  // of what was found; 0 is none
    bool over = false;                    // it was the last part
    int error = 0;                        // errno of the kernel's, or EBADMSG
};

// One datagram of the answer, which may be anything.
[[nodiscard]] DiagPart read_diag_part(std::string_view datagram, const SocketsWanted& wanted);

}  // namespace superd
