// SPDX-License-Identifier: MIT
// Who may control.
#include "policy/authorize.h"

#include <algorithm>

namespace superd {

bool may_control(const ControlPeer& peer, std::uint32_t own_uid,
        std::optional<std::uint32_t> admin_gid) {
    // Credentials that the kernel did not give are all ones (overflow or no peer).
    if (peer.uid == ~std::uint32_t{0}) return false;
    if (peer.uid == 0 || peer.uid == own_uid) return true;
    if (!admin_gid) return false;
    return peer.gid == *admin_gid ||
           std::ranges::find(peer.groups, *admin_gid) != peer.groups.end();
}

}  // namespace superd
