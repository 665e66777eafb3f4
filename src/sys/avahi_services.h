// SPDX-License-Identifier: MIT
// What Avahi is asked to publish for an announcement, and under what name. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sys/announce_channel.h"

namespace superd {

// avahi-common's AvahiProtocol, and its AVAHI_IF_UNSPEC.
enum class AvahiProtocol : std::int32_t { any = -1, v4 = 0, v6 = 1 };
inline constexpr std::int32_t any_interface = -1;

// One call of AddService.
struct AvahiService {
    std::int32_t interface = any_interface;
    AvahiProtocol protocol = AvahiProtocol::any;
    std::string name;  // of the instance
    std::string type;  // "_ssh._tcp"
    std::uint16_t port = 0;
    bool operator==(const AvahiService&) const = default;
};

// The index of the interface that has the address; any_interface where none has.
using InterfaceOf = std::function<std::int32_t(const IpAddress&)>;
[[nodiscard]] std::int32_t interface_of(const IpAddress& address);

// name: of the first port of a protocol; of the others their number is part. Ports of another
// protocol than the type names are left out, and so are loopback addresses, which nobody else
// could reach.
[[nodiscard]] std::vector<AvahiService> avahi_services(const Announcement& announcement,
        const std::string& name, const InterfaceOf& interface);

}  // namespace superd
