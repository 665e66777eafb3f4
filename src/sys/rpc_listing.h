// SPDX-License-Identifier: MIT
// rpcbind's list as superd gets it: printed by `superd-announce list`, so that superd itself
// speaks to no rpcbind, and read here as something that may say anything.
//
// A line is "PROGRAM VERSION tcp|udp PORT".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/plan_process.h"
#include "sys/rpc_registry.h"

namespace superd {

// Where rpcbind sends the clients of a program.
struct RpcPort {
    std::uint32_t program = 0, version = 0;
    bool datagrams = false;
    std::uint16_t port = 0;
    bool operator==(const RpcPort&) const = default;
};

inline constexpr std::size_t rpc_listing_limit = std::size_t{1} << 20;  // bytes

// What is not on TCP or UDP, or has an address that is none, is left out.
[[nodiscard]] std::string format_rpc_listing(const std::vector<RpcEntry>& listed);
// Nothing where a line is none that format_rpc_listing() makes, or all is too long.
[[nodiscard]] std::optional<std::vector<RpcPort>> parse_rpc_listing(std::string_view text);

// Runs `program list` as identity and waits for it, ten seconds at most. For a process that has
// one thread. An error's text says what rpcbind, or the program, did not do.
[[nodiscard]] Result<std::vector<RpcPort>> ask_rpc_ports(
        const std::string& program, const IdentityPlan& identity);

}  // namespace superd
