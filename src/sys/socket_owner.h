// SPDX-License-Identifier: MIT
// Whose a TCP connection of this host is, and what the passwd file calls him (for RFC 1413).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/address.h"

namespace superd {

// The uid behind the connection between two IP endpoints, the local one first; nothing where
// there is none or the kernel does not say. Asks sock_diag(7): no walk, no wait.
[[nodiscard]] std::optional<std::uint32_t> connection_owner(
        const Endpoint& local, const Endpoint& remote);

// The name of a uid by /etc/passwd: superd waits for no directory service. Nothing where it is
// not there.
[[nodiscard]] std::optional<std::string> passwd_name(
        std::uint32_t uid, const char* path = "/etc/passwd");

}  // namespace superd
