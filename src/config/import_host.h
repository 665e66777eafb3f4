// SPDX-License-Identifier: MIT
// The host that readers of foreign configurations run on: files, directories and NSS.
#pragma once

#include <map>

#include "config/import.h"
#include "config/nss.h"

namespace superd {

// Blocks where a directory or name service is asked; names of users, groups and ports are asked
// once each. Not thread-safe.
class SystemImportHost final : public ImportHost {
public:
    [[nodiscard]] File read(const std::string& path) override;
    [[nodiscard]] Directory list(const std::string& path) override;
    [[nodiscard]] bool is_directory(const std::string& path) override;
    [[nodiscard]] bool is_executable(const std::string& path) override;
    [[nodiscard]] bool user_exists(const std::string& name) override;
    [[nodiscard]] bool group_exists(const std::string& name) override;
    [[nodiscard]] std::optional<std::string> group_of(const std::string& user) override;
    [[nodiscard]] std::optional<std::uint16_t> port_of(
            const std::string& service, const std::string& protocol) override;
    [[nodiscard]] std::optional<std::uint32_t> rpc_number_of(
            const std::string& program) override;
    [[nodiscard]] std::optional<Network> network_of(const std::string& name) override;
    [[nodiscard]] std::vector<IpAddress> addresses_of(const std::string& host) override;

private:
    NameService names_;
    std::map<std::string, std::vector<IpAddress>> hosts_;
};

}  // namespace superd
