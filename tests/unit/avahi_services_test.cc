// SPDX-License-Identifier: MIT
#include "sys/avahi_services.h"

#include "support/catch.h"

namespace superd {

namespace {

const IpAddress any4 = IpAddress::v4(0);
const IpAddress any6{};

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

std::vector<AvahiService> services(
        const char* type, std::vector<AnnouncedPort> ports, const std::string& name = "shop") {
    return avahi_services(
            {.id = 1, .what = MdnsAnnouncement{.type = type}, .ports = std::move(ports)}, name,
            [](const IpAddress& address) {
                return address == ip("192.0.2.1") ? 7 : any_interface;
            });
}

using All = std::vector<AvahiService>;
using P = AvahiProtocol;

}  // namespace

TEST_CASE("mdns: a socket for both families is one service for any protocol", "[mdns]") {
    CHECK(services("_http._tcp", {{false, any4, 80}, {false, any6, 80}}) ==
            All{{-1, P::any, "shop", "_http._tcp", 80}});
    CHECK(services("_http._tcp", {{false, any6, 80}}) ==
            All{{-1, P::v6, "shop", "_http._tcp", 80}});
}

TEST_CASE("mdns: a socket of one address is announced on its interface", "[mdns]") {
    CHECK(services("_http._tcp", {{false, ip("192.0.2.1"), 80}}) ==
            All{{7, P::v4, "shop", "_http._tcp", 80}});
    CHECK(services(
                  "_http._tcp", {{false, ip("192.0.2.1"), 80}, {false, ip("192.0.2.9"), 80}}) ==
            All{{-1, P::v4, "shop", "_http._tcp", 80}});
}

TEST_CASE("mdns: a type with a protocol takes the ports of that one, else all", "[mdns]") {
    const std::vector<AnnouncedPort> ports{{false, any4, 53}, {true, any4, 53}};
    CHECK(services("_domain._udp", ports) == All{{-1, P::v4, "shop", "_domain._udp", 53}});
    CHECK(services("_domain", ports) == All{{-1, P::v4, "shop", "_domain._tcp", 53},
                                                {-1, P::v4, "shop", "_domain._udp", 53}});
    CHECK(services("_domain._udp", {{false, any4, 53}}).empty());
}

TEST_CASE("mdns: loopback is announced to nobody", "[mdns]") {
    CHECK(services("_http", {{false, ip("127.0.0.1"), 80}, {false, ip("::1"), 80}}).empty());
}

TEST_CASE("mdns: the second port has a name of its own, as long as names may be", "[mdns]") {
    const std::vector<AnnouncedPort> ports{{false, any4, 80}, {false, any4, 8080}};
    CHECK(services("_http", ports)[1].name == "shop 8080");
    const auto longest = services("_http", ports, std::string(63, 'x'))[1].name;
    CHECK(longest == std::string(58, 'x') + " 8080");
    // Never half a character.
    std::string wide;
    for (int i = 0; i < 21; ++i)
        wide += "\u20ac";
    const auto cut = services("_http", ports, wide)[1].name;
    CHECK(cut == wide.substr(0, 57) + " 8080");
}

TEST_CASE("mdns: the interface of an address that this host has is found", "[mdns]") {
    CHECK(interface_of(ip("203.0.113.77")) == any_interface);
}

}  // namespace superd
