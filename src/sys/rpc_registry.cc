// SPDX-License-Identifier: MIT
#include "sys/rpc_registry.h"

#include <fmt/format.h>

namespace superd {

namespace {

// All under which a program without ports may still stand.
void add_leftovers(std::set<RpcKey>& keys, const RpcAnnouncement& rpc) {
    for (std::uint32_t version = rpc.low;; ++version) {
        for (const char* netid : {"tcp", "udp", "tcp6", "udp6"})
            keys.insert({rpc.program, version, netid});
        if (version == rpc.high) return;
    }
}

}  // namespace

std::string universal_address(const IpAddress& ip, std::uint16_t port) {
    return fmt::format("{}.{}.{}", ip.text(), port >> 8, port & 0xff);
}

std::string rpc_owner(std::uint32_t uid) {
    return uid == 0 ? "superuser" : std::to_string(uid);
}

std::vector<RpcEntry> rpc_entries(const Announcement& announcement) {
    const auto& rpc = std::get<RpcAnnouncement>(announcement.what);
    std::map<std::string, std::string> addresses;
    for (const AnnouncedPort& port : announcement.ports) {
        const std::string netid =
                std::string(port.datagrams ? "udp" : "tcp") + (port.ip.is_v4() ? "" : "6");
        addresses.try_emplace(netid, universal_address(port.ip, port.port));
    }
    std::vector<RpcEntry> entries;
    for (const auto& [netid, address] : addresses) {
        for (std::uint32_t version = rpc.low;; ++version) {
            entries.push_back({{rpc.program, version, netid}, address});
            if (version == rpc.high) break;
        }
    }
    return entries;
}

RpcSteps make_rpc_steps(const AnnouncementList& list, const std::vector<RpcEntry>& listed,
        const std::set<RpcKey>& ours, const std::string& owner) {
    std::map<RpcKey, const RpcEntry*> there;
    for (const RpcEntry& entry : listed)
        there.emplace(entry.key, &entry);
    RpcSteps steps;
    std::set<RpcKey> wanted;
    std::set<RpcKey> unwanted = ours;
    for (const Announcement& announcement : list.wanted) {
        if (announcement.ports.empty()) {
            add_leftovers(unwanted, std::get<RpcAnnouncement>(announcement.what));
            continue;
        }
        RpcStanding& standing = steps.standings[announcement.id];
        for (const RpcEntry& entry : rpc_entries(announcement)) {
            wanted.insert(entry.key);
            const auto known = there.find(entry.key);
            if (known == there.end()) {
                standing.to_set.push_back(entry);
            } else if (known->second->address == entry.address) {
                standing.borrowed = standing.borrowed || known->second->owner != owner;
            } else if (known->second->owner == owner) {
                steps.unset.push_back(*known->second);
                standing.to_set.push_back(entry);
            } else {
                standing.taken.push_back(*known->second);
            }
        }
    }
    for (const RpcKey& key : unwanted) {
        const auto known = there.find(key);
        if (!wanted.contains(key) && known != there.end() && known->second->owner == owner)
            steps.unset.push_back(*known->second);
    }
    return steps;
}

}  // namespace superd
