// SPDX-License-Identifier: MIT
// Users, groups and service ports by name, through NSS, each asked once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.h"

namespace superd {

struct UserEntry {
    std::uint32_t uid = 0, gid = 0;
    std::string name, home, shell;
};

// Blocks where a directory service is asked. Not thread-safe. Virtual for tests.
class NameService {
public:
    virtual ~NameService() = default;

    // By name, or by number where name is all digits. Nothing: there is none, or it cannot be
    // told now (then an unknown user refuses the file, which is the safe side).
    [[nodiscard]] const UserEntry* user(const std::string& name);
    [[nodiscard]] const UserEntry* user(std::uint32_t uid);
    [[nodiscard]] std::optional<std::uint32_t> group(const std::string& name);
    // Whether a group has the number.
    [[nodiscard]] bool has_group(std::uint32_t gid);
    // The user's supplementary groups with `gid` among them, sorted.
    [[nodiscard]] const std::vector<std::uint32_t>& groups_of(
            const std::string& user, std::uint32_t gid);
    // protocol: "tcp" or "udp".
    [[nodiscard]] std::optional<std::uint16_t> port(
            const std::string& service, const char* protocol);

    // Its name in services(5).
    [[nodiscard]] std::optional<std::string> port_name(
            std::uint16_t port, const char* protocol);
    // The number of an RPC program by its name in rpc(5).
    [[nodiscard]] std::optional<std::uint32_t> rpc_program(const std::string& name);
    // All names there, for suggestions.
    [[nodiscard]] const std::vector<std::string>& rpc_programs();

protected:
    [[nodiscard]] virtual std::optional<UserEntry> ask_user(const std::string& name);
    [[nodiscard]] virtual std::optional<std::uint32_t> ask_group(const std::string& name);
    [[nodiscard]] virtual bool ask_for_group(std::uint32_t gid);
    [[nodiscard]] virtual std::vector<std::uint32_t> ask_groups(
            const std::string& user, std::uint32_t gid);
    [[nodiscard]] virtual std::optional<std::uint16_t> ask_port(
            const std::string& service, const char* protocol);
    [[nodiscard]] virtual std::optional<std::string> ask_port_name(
            std::uint16_t port, const char* protocol);
    [[nodiscard]] virtual std::optional<std::uint32_t> ask_rpc_program(const std::string& name);
    [[nodiscard]] virtual std::vector<std::string> ask_rpc_programs();

private:
    std::unordered_map<std::string, std::optional<UserEntry>> users_;
    std::unordered_map<std::string, std::optional<std::uint32_t>> groups_;
    std::unordered_map<std::string, std::vector<std::uint32_t>> memberships_;
    std::unordered_map<std::string, std::optional<std::uint16_t>> ports_;
    std::unordered_map<std::string, std::optional<std::string>> port_names_;
    std::unordered_map<std::string, std::optional<std::uint32_t>> rpc_programs_;
    std::optional<std::vector<std::string>> rpc_names_;
};

}  // namespace superd
