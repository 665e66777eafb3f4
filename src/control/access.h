// SPDX-License-Identifier: MIT
// Who stands at the other end of the control socket, and what they may do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace superd {

// A client's credentials at the time of its connect(2).
struct ControlCredentials {
    std::uint32_t uid = 0, gid = 0;
    std::int32_t pid = 0;
    std::vector<std::uint32_t> groups;  // supplementary

    // SO_PEERCRED and SO_PEERGROUPS.
    [[nodiscard]] static Result<ControlCredentials> of(int socket);
    // "uid 1000, pid 812"
    [[nodiscard]] std::string text() const;
};

// Who may change things beside uid 0.
struct ControlRights {
    std::uint32_t own_uid = 0;
    std::optional<std::uint32_t> admin_gid;
};

[[nodiscard]] bool may_change(const ControlRights& rights, const ControlCredentials& peer);

}  // namespace superd
