// SPDX-License-Identifier: MIT
// Credentials of control clients.
#include "control/access.h"

#include <algorithm>

#include <fmt/core.h>
#include <sys/socket.h>

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

Result<ControlPeer> ControlPeer::of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
        return fail("SO_PEERCRED");
    auto groups = peer_groups(socket);
    if (!groups) return tl::unexpected(groups.error());
    return ControlPeer{credentials.uid, credentials.gid, credentials.pid, std::move(*groups)};
}

std::string ControlPeer::text() const {
    return fmt::format("uid {}, pid {}", uid, pid);
}

bool may_change(const ControlRights& rights, const ControlPeer& peer) {
    if (peer.uid == 0 || peer.uid == rights.own_uid) return true;
    if (!rights.admin_gid) return false;
    return peer.gid == *rights.admin_gid || std::find(peer.groups.begin(), peer.groups.end(),
                                                    *rights.admin_gid) != peer.groups.end();
}

}  // namespace superd
