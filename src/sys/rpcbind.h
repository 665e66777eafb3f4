// SPDX-License-Identifier: MIT
// rpcbind on this host, spoken to through its UNIX socket (RFC 1833, version 4). Blocking: each
// call takes at most a few seconds, so this is for a process of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/rpc_registry.h"

namespace superd {

inline constexpr const char* rpcbind_socket = "/run/rpcbind.sock";

// One conversation. Virtual for tests.
class RpcbindTalk {
public:
    virtual ~RpcbindTalk() = default;
    [[nodiscard]] virtual Result<std::vector<RpcEntry>> list() = 0;
    // False: it does not want to. An entry that is there already with that address is fine.
    [[nodiscard]] virtual Result<bool> set(const RpcEntry& entry) = 0;
    [[nodiscard]] virtual Result<bool> unset(const RpcKey& key) = 0;
};

// As the caller's user, whom rpcbind knows by the socket. Errors are connect(2)'s: ENOENT and
// ECONNREFUSED mean that there is none now.
[[nodiscard]] Result<std::unique_ptr<RpcbindTalk>> connect_rpcbind(const std::string& path);

}  // namespace superd
