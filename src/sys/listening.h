// SPDX-License-Identifier: MIT
// Which sockets of this network namespace take connections, by sock_diag(7): nobody is
// connected to, and sockets that do not listen are not even looked at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace superd {

struct ListeningSocket {
    std::uint32_t inode = 0;
    bool is_unix = false;
    IpAddress ip;            // all zero: any
    std::uint32_t port = 0;  // host order
    std::string path;        // "/path" or "@name"; empty where the socket has none
};

// TCP sockets, or UNIX streams and packets. Empty where the kernel does not say.
[[nodiscard]] std::vector<ListeningSocket> listening_sockets(bool of_unix);

// Whether the process has one of the sockets with these inodes open. An error where its
// descriptors may not be looked at, or it has gone.
[[nodiscard]] Result<bool> holds_socket(
        std::int32_t pid, const std::vector<std::uint64_t>& inodes);
// The same of these sockets; false where it cannot be told.
[[nodiscard]] bool holds_any(std::int32_t pid, const std::vector<ListeningSocket>& sockets);

}  // namespace superd
