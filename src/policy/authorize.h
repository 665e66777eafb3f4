// SPDX-License-Identifier: MIT
// Who may change something over the control socket; reading is open to who can reach it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace superd {

struct ControlPeer {
    std::uint32_t uid = ~std::uint32_t{0};  // SO_PEERCRED; ~0: unknown, nobody
    std::uint32_t gid = ~std::uint32_t{0};
    std::span<const std::uint32_t> groups;  // SO_PEERGROUPS
};

// uid 0, the daemon's own uid, and members of the admin group where there is one.
[[nodiscard]] bool may_control(
        const ControlPeer& peer, std::uint32_t own_uid, std::optional<std::uint32_t> admin_gid);

}  // namespace superd
