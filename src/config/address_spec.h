// SPDX-License-Identifier: MIT
// The grammar of listeners' addresses: "tcp:22", "udp6:[::1]:69", "unix:/run/x.sock" ...
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "base/address.h"
#include "config/plan.h"

namespace superd {

// What is wrong with an address, and the right form where it can be guessed.
struct WrongAddress {
    std::string message;     // `"22" is not an address`
    std::string suggestion;  // `write "tcp:22"`; may be empty
};

struct AddressSpec {
    ListenerKind kind = ListenerKind::tcp;
    std::uint8_t ip_family = 0;  // as in ListenerPlan
    IpAddress ip;                // all zero: any
    std::string zone;            // "eth0" of [fe80::1%eth0]
    std::uint32_t port = 0;      // 0: the kernel chooses; vsock: the port
    std::uint32_t cid = 0;       // vsock; vsock_any_cid: any
    std::string path;            // unix, fifo and mqueue; abstract names begin with '@'
    std::uint32_t netlink_family = 0, netlink_groups = 0;  // groups: bits, as in netlink(7)

    // The canonical text: port by number, IPv6 in brackets.
    [[nodiscard]] std::string text() const;
    bool operator==(const AddressSpec&) const = default;
};

inline constexpr std::uint32_t vsock_any_cid = 0xffffffff;

// The port of a service name for "tcp" or "udp"; nothing where it is not known.
using PortLookup = std::function<std::optional<std::uint16_t>(
        const std::string& name, const char* protocol)>;

// Service names are asked of `lookup` (config/nss.h); without one they are unknown.
[[nodiscard]] tl::expected<AddressSpec, WrongAddress> parse_address(
        std::string_view text, const PortLookup& lookup = {});

}  // namespace superd
