// SPDX-License-Identifier: MIT
// What rpcbind is to be told, found out by comparing what it lists with what is wanted. Pure.
//
// rpcbind has one address for a program, a version and a transport, and lets nobody but root
// change what another user registered. So an entry of this user's that is in the way is a
// leftover and goes; one of somebody else's stays, and ours is refused.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sys/announce_channel.h"

namespace superd {

// An entry's name: there is one address under it.
struct RpcKey {
    std::uint32_t program = 0, version = 0;
    std::string netid;  // "tcp", "udp", "tcp6", "udp6"
    auto operator<=>(const RpcKey&) const = default;
};

struct RpcEntry {
    RpcKey key;
    std::string address;  // universal_address()
    std::string owner{};  // as rpcbind says: "superuser", or a uid
    bool operator==(const RpcEntry&) const = default;
};

// The address of RFC 5665: "192.0.2.1.3.1", "::.3.1".
[[nodiscard]] std::string universal_address(const IpAddress& ip, std::uint16_t port);
// Of several ports of one transport the first.
[[nodiscard]] std::vector<RpcEntry> rpc_entries(const Announcement& announcement);
// What rpcbind calls this user.
[[nodiscard]] std::string rpc_owner(std::uint32_t uid);

// One announcement's part of rpcbind.
struct RpcStanding {
    std::vector<RpcEntry> to_set{};
    // Of others, and in the way.
    std::vector<RpcEntry> taken{};
    // What others have registered says the same, until they take it back.
    bool borrowed = false;
};

struct RpcSteps {
    std::vector<RpcEntry> unset{};                     // first
    std::map<std::uint32_t, RpcStanding> standings{};  // by id, of those with ports
};

// listed: all that rpcbind has. ours: what this process has set and not taken away.
[[nodiscard]] RpcSteps make_rpc_steps(const AnnouncementList& list,
        const std::vector<RpcEntry>& listed, const std::set<RpcKey>& ours,
        const std::string& owner);

}  // namespace superd
