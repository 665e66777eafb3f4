// SPDX-License-Identifier: MIT
#include "sys/avahi_services.h"

#include <algorithm>

#include <ifaddrs.h>
#include <net/if.h>

namespace superd {

namespace {

// RFC 6763, 4.1.1.
constexpr std::size_t longest_name = 63;

bool is_loopback(const IpAddress& ip) {
    static const IpAddress v6_loopback = *IpAddress::parse("::1");
    return ip.is_v4() ? ip.bytes[12] == 127 : ip == v6_loopback;
}

// At a whole character of UTF-8.
std::string shortened(const std::string& text, std::size_t limit) {
    if (text.size() <= limit) return text;
    while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xc0) == 0x80)
        --limit;
    return text.substr(0, limit);
}

std::string name_with_port(const std::string& name, std::uint16_t port) {
    const std::string number = " " + std::to_string(port);
    return shortened(name, longest_name - number.size()) + number;
}

}  // namespace

std::int32_t interface_of(const IpAddress& address) {
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return any_interface;
    std::int32_t found = any_interface;
    for (const ifaddrs* one = all; one != nullptr && found == any_interface;
            one = one->ifa_next) {
        if (one->ifa_addr == nullptr) continue;
        const bool v4 = one->ifa_addr->sa_family == AF_INET;
        if (!v4 && one->ifa_addr->sa_family != AF_INET6) continue;
        const Endpoint endpoint = Endpoint::from(one->ifa_addr,
                static_cast<socklen_t>(v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)));
        if (endpoint.ip == address)
            found = static_cast<std::int32_t>(::if_nametoindex(one->ifa_name));
    }
    ::freeifaddrs(all);
    return found == 0 ? any_interface : found;
}

std::vector<AvahiService> avahi_services(const Announcement& announcement,
        const std::string& name, const InterfaceOf& interface) {
    const auto& mdns = std::get<MdnsAnnouncement>(announcement.what);
    const bool open = mdns.type.find('.') == std::string::npos;
    std::vector<AvahiService> services;
    for (const AnnouncedPort& port : announcement.ports) {
        const std::string suffix = port.datagrams ? "._udp" : "._tcp";
        if (is_loopback(port.ip) || (!open && !mdns.type.ends_with(suffix))) continue;
        const std::string type = open ? mdns.type + suffix : mdns.type;
        const auto of_type = [&](const AvahiService& one) {
            return one.type == type;
        };
        const auto same = std::find_if(services.begin(), services.end(),
                [&](const AvahiService& one) { return of_type(one) && one.port == port.port; });
        const AvahiProtocol protocol = port.ip.is_v4() ? AvahiProtocol::v4 : AvahiProtocol::v6;
        const std::int32_t at = port.ip.is_unspecified() ? any_interface : interface(port.ip);
        if (same != services.end()) {
            if (same->protocol != protocol) same->protocol = AvahiProtocol::any;
            if (same->interface != at) same->interface = any_interface;
            continue;
        }
        const bool first = std::none_of(services.begin(), services.end(), of_type);
        services.push_back({at, protocol, first ? name : name_with_port(name, port.port), type,
                port.port});
    }
    return services;
}

}  // namespace superd
