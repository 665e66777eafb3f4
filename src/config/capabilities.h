// SPDX-License-Identifier: MIT
// Names of what superd.toml can give and take away: capabilities, address families.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace superd {

// "net_bind_service", "CAP_NET_BIND_SERVICE": its number; nothing where there is none.
[[nodiscard]] std::optional<unsigned> capability_by_name(std::string_view name);
// In small letters; "cap_50" for a number that has no name here.
[[nodiscard]] std::string capability_name(unsigned number);
// The names of the bits that are set.
[[nodiscard]] std::vector<std::string> capability_names(std::uint64_t bits);

// "inet6", "AF_INET6": its number; nothing where there is none.
[[nodiscard]] std::optional<std::uint16_t> address_family_by_name(std::string_view name);
[[nodiscard]] std::string address_family_name(std::uint16_t number);

// The one nearest to a name that there is not, for a hint; empty: none is near.
[[nodiscard]] std::string_view nearest_capability(std::string_view name);
[[nodiscard]] std::string_view nearest_address_family(std::string_view name);

}  // namespace superd
