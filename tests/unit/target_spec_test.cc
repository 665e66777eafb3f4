// SPDX-License-Identifier: MIT
#include "config/target_spec.h"

#include "support/catch.h"

using namespace superd;

TEST_CASE("targets: addresses and names of hosts") {
    const auto name = parse_target("tcp:db1.internal:5432");
    REQUIRE(name);
    CHECK(name->host == "db1.internal");
    CHECK(name->port == 5432);
    CHECK(name->text == "tcp:db1.internal:5432");
    CHECK(name->ip.is_unspecified());
    const auto four = parse_target("tcp:192.0.2.1:22");
    REQUIRE(four);
    CHECK(four->host.empty());
    CHECK(four->ip == *IpAddress::parse("192.0.2.1"));
    const auto six = parse_target("tcp6:[2001:db8::1]:22");
    REQUIRE(six);
    CHECK(six->ip == *IpAddress::parse("2001:db8::1"));
    const auto only = parse_target("tcp6:host:22");
    REQUIRE(only);
    CHECK(only->ip_family == 6);
    CHECK(parse_target("unix:/run/x.sock")->path == "/run/x.sock");
    CHECK(parse_target("unix:@name")->path == "@name");
    CHECK(parse_target("udp:host:53")->kind == ListenerKind::udp);
    const auto port = parse_target("tcp:host:ssh",
            [](const std::string&, const char*) { return std::optional<std::uint16_t>(22); });
    REQUIRE(port);
    CHECK(port->text == "tcp:host:22");
}

TEST_CASE("targets: what cannot be connected to is an error that says why") {
    struct Row {
        const char *text, *message;
    };

    const Row rows[] = {{"tcp:5432", "\"tcp:5432\" does not say which host"},
            {"tcp:0.0.0.0:22", "\"tcp4:22\" does not say which host"},
            {"tcp:host:0", "a target needs a port"},
            {"fifo:/run/x", "\"fifo:/run/x\" cannot be connected to from here"},
            {"unixgram:/run/x", "\"unixgram:/run/x\" cannot be connected to from here"},
            {"host:22", "\"host\" is not a kind of address"}};
    for (const Row& row : rows) {
        INFO(row.text);
        const auto target = parse_target(row.text);
        REQUIRE_FALSE(target);
        CHECK(target.error().message == row.message);
    }
    for (const char* text : {"tcp:host:99999", "tcp:-host:22", "tcp:ho st:22", "tcp:1.2.3:22",
                 "tcp:host:", "tcp::22", "tcp:a..b:22"})
        CHECK_FALSE(parse_target(text));
}
