// SPDX-License-Identifier: MIT
#include "config/nss.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include <arpa/inet.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>

#include "base/text.h"

namespace superd {

namespace {

constexpr std::size_t first_buffer = 1024, largest_buffer = 1u << 20;

// Calls ask(buffer) with growing buffers until it stops saying ERANGE.
template <class Ask>
int with_buffer(std::vector<char>& buffer, Ask&& ask) {
    buffer.resize(first_buffer);
    for (;;) {
        const int error = ask(buffer);
        if (error == EINTR) continue;
        if (error != ERANGE || buffer.size() >= largest_buffer) return error;
        buffer.resize(buffer.size() * 4);
    }
}

std::optional<std::uint32_t> as_id(const std::string& name) {
    const auto number = parse_decimal(name);
    if (!number || *number >= std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

template <class Cache, class Ask>
auto& remembered(Cache& cache, const std::string& key, Ask&& ask) {
    const auto found = cache.find(key);
    if (found != cache.end()) return found->second;
    return cache.emplace(key, ask()).first->second;
}

}  // namespace

const UserEntry* NameService::user(const std::string& name) {
    const auto& entry = remembered(users_, name, [&] { return ask_user(name); });
    return entry ? &*entry : nullptr;
}

const UserEntry* NameService::user(std::uint32_t uid) {
    return user(std::to_string(uid));
}

std::optional<std::uint32_t> NameService::group(const std::string& name) {
    return remembered(groups_, name, [&] { return ask_group(name); });
}

bool NameService::has_group(std::uint32_t gid) {
    return ask_for_group(gid);
}

const std::vector<std::uint32_t>& NameService::groups_of(
        const std::string& user, std::uint32_t gid) {
    const std::string key = std::to_string(gid) + ":" + user;
    return remembered(memberships_, key, [&] {
        std::vector<std::uint32_t> groups = ask_groups(user, gid);
        std::sort(groups.begin(), groups.end());
        groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
        return groups;
    });
}

std::optional<std::uint16_t> NameService::port(
        const std::string& service, const char* protocol) {
    return remembered(
            ports_, service + "/" + protocol, [&] { return ask_port(service, protocol); });
}

std::optional<std::string> NameService::port_name(std::uint16_t port, const char* protocol) {
    return remembered(port_names_, std::to_string(port) + "/" + protocol,
            [&] { return ask_port_name(port, protocol); });
}

std::optional<std::uint32_t> NameService::rpc_program(const std::string& name) {
    return remembered(rpc_programs_, name, [&] { return ask_rpc_program(name); });
}

const std::vector<std::string>& NameService::rpc_programs() {
    if (!rpc_names_) rpc_names_ = ask_rpc_programs();
    return *rpc_names_;
}

std::optional<UserEntry> NameService::ask_user(const std::string& name) {
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> buffer;
    const auto id = as_id(name);
    const int error = with_buffer(buffer, [&](std::vector<char>& b) {
        return id ? getpwuid_r(*id, &entry, b.data(), b.size(), &found)
                  : getpwnam_r(name.c_str(), &entry, b.data(), b.size(), &found);
    });
    if (error != 0 || found == nullptr) return std::nullopt;
    return UserEntry{entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir, entry.pw_shell};
}

std::optional<std::uint32_t> NameService::ask_group(const std::string& name) {
    if (const auto id = as_id(name)) return id;

    struct group entry {};
    struct group* found = nullptr;
    std::vector<char> buffer;
    const int error = with_buffer(buffer, [&](std::vector<char>& b) {
        return getgrnam_r(name.c_str(), &entry, b.data(), b.size(), &found);
    });
    if (error != 0 || found == nullptr) return std::nullopt;
    return entry.gr_gid;
}

bool NameService::ask_for_group(std::uint32_t gid) {
    struct group entry {};
    struct group* found = nullptr;
    std::vector<char> buffer;
    const int error = with_buffer(buffer, [&](std::vector<char>& b) {
        return getgrgid_r(gid, &entry, b.data(), b.size(), &found);
    });
    return error == 0 && found != nullptr;
}

std::vector<std::uint32_t> NameService::ask_groups(const std::string& user, std::uint32_t gid) {
    int count = 32;
    std::vector<gid_t> groups;
    for (;;) {
        groups.resize(static_cast<std::size_t>(count));
        const int had = count;
        if (getgrouplist(user.c_str(), gid, groups.data(), &count) >= 0) break;
        if (count <= had) count = had * 2;
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

std::optional<std::uint16_t> NameService::ask_port(
        const std::string& service, const char* protocol) {
    servent entry{};
    servent* found = nullptr;
    std::vector<char> buffer;
    const int error = with_buffer(buffer, [&](std::vector<char>& b) {
        return getservbyname_r(service.c_str(), protocol, &entry, b.data(), b.size(), &found);
    });
    if (error != 0 || found == nullptr) return std::nullopt;
    return ntohs(static_cast<std::uint16_t>(entry.s_port));
}

std::optional<std::string> NameService::ask_port_name(
        std::uint16_t port, const char* protocol) {
    servent entry{};
    servent* found = nullptr;
    std::vector<char> buffer;
    const int error = with_buffer(buffer, [&](std::vector<char>& b) {
        return getservbyport_r(htons(port), protocol, &entry, b.data(), b.size(), &found);
    });
    if (error != 0 || found == nullptr) return std::nullopt;
    return entry.s_name;
}

std::optional<std::uint32_t> NameService::ask_rpc_program(const std::string& name) {
    rpcent entry{};
    rpcent* found = nullptr;
    std::vector<char> buffer;
    const int error = with_buffer(buffer, [&](std::vector<char>& b) {
        return getrpcbyname_r(name.c_str(), &entry, b.data(), b.size(), &found);
    });
    if (error != 0 || found == nullptr || entry.r_number <= 0) return std::nullopt;
    return static_cast<std::uint32_t>(entry.r_number);
}

std::vector<std::string> NameService::ask_rpc_programs() {
    std::vector<std::string> names;
    setrpcent(1);
    rpcent entry{};
    rpcent* found = nullptr;
    std::vector<char> buffer;
    const auto next = [&](std::vector<char>& b) {
        return getrpcent_r(&entry, b.data(), b.size(), &found);
    };
    while (with_buffer(buffer, next) == 0 && found != nullptr) {
        names.emplace_back(entry.r_name);
        for (char** alias = entry.r_aliases; alias != nullptr && *alias != nullptr; ++alias)
            names.emplace_back(*alias);
    }
    endrpcent();
    return names;
}

}  // namespace superd
