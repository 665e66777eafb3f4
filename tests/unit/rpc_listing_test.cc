// SPDX-License-Identifier: MIT
// rpcbind's list on its way to superd.
#include "sys/rpc_listing.h"

#include "support/catch.h"

namespace superd {

TEST_CASE("rpc listing: what is printed is read again") {
    const std::vector<RpcEntry> listed{{{100001, 3, "udp"}, "0.0.0.0.156.65"},
            {{100001, 3, "udp6"}, "::.156.65"}, {{100002, 2, "tcp"}, "127.0.0.1.0.7"},
            {{4294967295u, 1, "tcp6"}, "2001:db8::1.255.255"}};
    const std::string text = format_rpc_listing(listed);
    CHECK(text ==
            "100001 3 udp 40001\n100001 3 udp 40001\n100002 2 tcp 7\n"
            "4294967295 1 tcp 65535\n");
    const auto ports = parse_rpc_listing(text);
    REQUIRE(ports.has_value());
    const std::vector<RpcPort>& read = *ports;
    REQUIRE(read.size() == 4);
    CHECK(read[0] == RpcPort{100001, 3, true, 40001});
    CHECK(read[2] == RpcPort{100002, 2, false, 7});
    CHECK(read[3] == RpcPort{4294967295u, 1, false, 65535});
}

TEST_CASE("rpc listing: what is on no port of TCP or UDP is left out") {
    for (const char* address : {"", "/run/rpcbind.sock", ".", "1.2", "0.0.0.0.256.1",
                 "0.0.0.0.1.256", "0.0.0.0.-1.1", "0.0.0.0.1.", "0.0.0.0..1", "0.0.0.0.0.0"})
        CHECK(format_rpc_listing({{{100001, 3, "tcp"}, address}}).empty());
    CHECK(format_rpc_listing({{{100000, 3, "local"}, "0.0.0.0.1.1"}}).empty());
}

TEST_CASE("rpc listing: a line that nobody would have printed makes all of it worthless") {
    CHECK(parse_rpc_listing("")->empty());
    CHECK(parse_rpc_listing("1 2 tcp 3\n").has_value());
    for (const char* text :
            {"1 2 tcp 3", "\n", "1 2 tcp\n", "1 2 tcp 3 4\n", "1 2 tcp 0\n", "1 2 tcp 65536\n",
                    "1 2 udp6 3\n", " 1 2 tcp 3\n", "1  2 tcp 3\n", "-1 2 tcp 3\n",
                    "4294967296 2 tcp 3\n", "1 2 tcp 3\n\n", "1 2 tcp 3\n1 2 t", "1 x udp 3\n"})
        CHECK_FALSE(parse_rpc_listing(text).has_value());
    CHECK_FALSE(parse_rpc_listing(std::string(rpc_listing_limit + 1, 'x')).has_value());
    std::string all;
    while (all.size() < rpc_listing_limit - 20)
        all += "1 2 tcp 3\n";
    CHECK(parse_rpc_listing(all).has_value());
}

TEST_CASE("rpc listing: a program that is not there, fails or says nonsense is an error") {
    CHECK_FALSE(ask_rpc_ports("", {}).has_value());
    CHECK_FALSE(ask_rpc_ports("/nowhere/superd-announce", {}).has_value());
    CHECK_FALSE(ask_rpc_ports("/bin/false", {}).has_value());
    CHECK_FALSE(ask_rpc_ports("/bin/echo", {}).has_value());  // "list"
    const auto nothing = ask_rpc_ports("/bin/true", {});
    REQUIRE(nothing.has_value());
    CHECK(nothing->empty());
}

}  // namespace superd
