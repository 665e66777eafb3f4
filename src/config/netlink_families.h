// SPDX-License-Identifier: MIT
// The names of netlink's families, as systemd.socket(5) and the kernel's headers have them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace superd {

// "kobject-uevent", or the number itself, below 32. Nothing where there is no such family.
[[nodiscard]] std::optional<std::uint32_t> netlink_family(std::string_view text);

// The name; the number where it has none.
[[nodiscard]] std::string netlink_family_text(std::uint32_t family);

}  // namespace superd
