// SPDX-License-Identifier: MIT
// Which number a service with dynamic_user runs under: a user and group that no account has.
//
// A service begins its search at a place in the range that its name says, so that it mostly has
// the same number again after superd was stopped, too. What it was given stays its own from
// plan to plan: superd hands the numbers of the running plan to whoever reads the next.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace superd {

// systemd's range for the same (systemd.exec(5)): nobody else's.
inline constexpr std::uint32_t first_dynamic_user = 61184;
inline constexpr std::uint32_t last_dynamic_user = 65519;

using DynamicNumbers = std::map<std::string, std::uint32_t, std::less<>>;  // by service

// "ssh=61190 web=61234": one argument of the program that reads the file.
[[nodiscard]] std::string dynamic_users_text(const DynamicNumbers& numbers);

class DynamicUsers {
public:
    using Test = std::function<bool(std::uint32_t)>;

    // What services of the running plan have, as text. A pair that is none counts as not there.
    void remember(std::string_view former);
    // Somebody has named this number himself.
    void reserve(std::uint32_t number);
    // is_account: a user or group of the host's. in_use: a process has it, which only counts
    // against a number that the service did not have before. Nothing where all are taken.
    [[nodiscard]] std::optional<std::uint32_t> take(
            const std::string& service, const Test& is_account, const Test& in_use);

private:
    DynamicNumbers former_;
    std::set<std::uint32_t> taken_;     // by others than who had them before
    std::set<std::uint32_t> reserved_;  // for good
};

}  // namespace superd
