// SPDX-License-Identifier: MIT
// hosts_access(3): asks libwrap, in a process of its own that has the service's identity.
//
// What libwrap does with a client is none of root's business: it looks up names, asks the
// client's host who its user is, and runs commands that hosts.allow names (spawn, twist). All
// of that happens as the service's user, in a child of superd-exec, before chroot(2), for the
// files and the library are outside. libwrap is loaded at run time: nothing else of superd
// needs it.
//
// libwrap takes a table that it cannot open for an empty one. Here that is a failure: nobody is
// let in because a list could not be read.
#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "base/clock.h"
#include "config/plan_process.h"

namespace superd {

struct WrappersQuestion {
    int socket = -1;     // the connection
    std::string daemon;  // the name to be looked for
    const IdentityPlan& identity;
    unsigned descriptors = 3;  // those below stay open for commands of hosts.allow
    Mono deadline;             // then the process is killed: ETIMEDOUT
};

enum class WrappersOutcome : std::uint8_t {
    allowed,
    denied,
    replaced,  // "twist": a command has the connection now
    failed
};

struct WrappersAnswer {
    WrappersOutcome outcome = WrappersOutcome::failed;
    int error = 0;   // failed: errno; ELIBACC: there is no libwrap
    pid_t pid = -1;  // replaced: of the command, a child to be waited for
};

// Blocks. The calling process has one thread and is nobody's event loop.
[[nodiscard]] WrappersAnswer ask_wrappers(const WrappersQuestion& question);

}  // namespace superd
