// SPDX-License-Identifier: MIT
// Namespaces of a sandboxed service other than that of its mounts.
#include "sys/namespaces.h"

#include <cstring>

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"

namespace superd {

namespace {

Result<void> raise_loopback() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return fail("socket");
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = IFF_UP;
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return fail("raise", "lo");
    return {};
}

}  // namespace

Result<void> leave_namespaces(const SandboxPlan& plan) {
    if (plan.private_ipc && ::unshare(CLONE_NEWIPC) != 0)
        return fail("unshare", "IPC namespace");
    if (!plan.private_network) return {};
    if (::unshare(CLONE_NEWNET) != 0) return fail("unshare", "network namespace");
    return raise_loopback();
}

}  // namespace superd
