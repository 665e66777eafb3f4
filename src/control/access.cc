// SPDX-License-Identifier: MIT
// Credentials of control clients.
#include "control/access.h"

#include <cerrno>

#include <fmt/core.h>
#include <sys/socket.h>

#include "policy/authorize.h"

namespace superd {

namespace {

Result<std::vector<std::uint32_t>> peer_groups(int socket) {
    std::vector<std::uint32_t> groups(64);
    for (;;) {
        auto size = static_cast<socklen_t>(groups.size() * sizeof groups[0]);
        if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
            groups.resize(size / sizeof groups[0]);
            return groups;
        }
        if (errno != ERANGE || size <= groups.size() * sizeof groups[0])
            return fail("SO_PEERGROUPS");
        groups.resize(size / sizeof groups[0]);
    }
}

}  // namespace

Result<ControlCredentials> ControlCredentials::of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return fail("SO_PEERCRED");
    auto groups = peer_groups(socket);
    if (!groups) return tl::unexpected(groups.error());
    return ControlCredentials{
            credentials.uid, credentials.gid, credentials.pid, std::move(*groups)};
}

std::string ControlCredentials::text() const {
    return fmt::format("uid {}, pid {}", uid, pid);
}

bool may_change(const ControlRights& rights, const ControlCredentials& peer) {
    return may_control({peer.uid, peer.gid, peer.groups}, rights.own_uid, rights.admin_gid);
}

}  // namespace superd
