// SPDX-License-Identifier: MIT
// Taking connections from a listener and looking at who they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/fd.h"
#include "base/result.h"
#include "config/plan.h"

namespace superd {

enum class AcceptOutcome : std::uint8_t {
    accepted,
    empty,  // no connection waits
    gone,   // this one died before it was taken (or a filter forbids it): try the next one
    no_resources,  // EMFILE, ENFILE, ENOBUFS, ENOMEM: pause
    broken,        // the descriptor does not listen (any more): repair or re-open it
};

struct Accepted {
    AcceptOutcome outcome = AcceptOutcome::empty;
    int error = 0;  // errno behind the outcome
    Fd connection;  // close-on-exec
};

// accept4(2). peer is filled in from the address that comes with it; for UNIX from SO_PEERCRED.
// The connection is a blocking one, as handlers want it, or one that a relay can have at once.
[[nodiscard]] Accepted accept_connection(
        int listener, ListenerKind kind, Endpoint& peer, bool blocking = true);
// O_NONBLOCK of an open file, whoever shares it.
void set_blocking(int fd, bool blocking);
// A connection that has been refused and is only being told so. The mark is the socket's and
// outlives this process: a bound on the time of a send that blocks (socket(7), SO_SNDTIMEO),
// which such a connection never makes and no other one has. False where it could not be set.
[[nodiscard]] bool mark_turned_away(int fd);
[[nodiscard]] bool is_turned_away(int fd);
// What an errno of accept4(2) means.
[[nodiscard]] AcceptOutcome classify_accept_error(int error);

// getsockname(2); family none where it fails. For UNIX only the family.
[[nodiscard]] Endpoint local_endpoint(int fd);
// The name that a UNIX client has bound: "/path", or "@name" for an abstract one. Empty where
// there is none, or where it could not stand in an environment.
[[nodiscard]] std::string unix_peer_name(int fd);
// The listener and its connections share no cookie; 0 where the kernel has none.
[[nodiscard]] std::uint64_t socket_cookie(int fd);
// SO_PEERGROUPS: a UNIX peer's supplementary groups at the time it connected.
[[nodiscard]] Result<std::vector<std::uint32_t>> peer_groups(int fd);

}  // namespace superd
