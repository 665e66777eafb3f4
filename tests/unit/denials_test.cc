// SPDX-License-Identifier: MIT
// Addresses that are kept out for a time.
#include "policy/denials.h"

#include "support/catch.h"

namespace superd {
namespace {

Wall at(std::int64_t seconds) {
    return Wall(std::chrono::seconds(seconds));
}

Endpoint peer_at(const char* address) {
    Endpoint peer;
    peer.family = Family::ip;
    peer.ip = IpAddress::parse(address).value();
    return peer;
}

Denial denial(const char* address, std::int64_t since = 1000, std::int64_t until = 2000) {
    return {Source::of(peer_at(address)), since, until, "superctl", "probing ports"};
}

}  // namespace

TEST_CASE("denials: keep an address out until their time is over, and no other") {
    Denials denials;
    CHECK(denials.find(peer_at("198.51.100.7"), at(1500)) == nullptr);
    denials.add(denial("198.51.100.7"));
    REQUIRE(denials.find(peer_at("198.51.100.7"), at(1500)) != nullptr);
    CHECK(denials.find(peer_at("198.51.100.8"), at(1500)) == nullptr);
    CHECK(denials.find(peer_at("198.51.100.7"), at(2000)) == nullptr);
    denials.expire(at(1999));
    CHECK_FALSE(denials.empty());
    denials.expire(at(2000));
    CHECK(denials.empty());
    denials.add(denial("198.51.100.7", 1000, 0));
    CHECK(denials.find(peer_at("198.51.100.7"), at(4'000'000'000)) != nullptr);
}

TEST_CASE("denials: an IPv6 address stands for its /64, a mapped one for IPv4") {
    Denials denials;
    denials.add(denial("2001:db8::1"));
    CHECK(denials.find(peer_at("2001:db8::ffff"), at(1500)) != nullptr);
    CHECK(denials.find(peer_at("2001:db8:0:1::1"), at(1500)) == nullptr);
    denials.add(denial("::ffff:192.0.2.1"));
    CHECK(denials.find(peer_at("192.0.2.1"), at(1500)) != nullptr);
    Endpoint local;
    local.family = Family::unix;
    CHECK(denials.find(local, at(1500)) == nullptr);
}

TEST_CASE(
        "denials: a new one takes the place of the old one, and at the limit the oldest goes") {
    Denials denials(2);
    denials.add(denial("192.0.2.1"));
    denials.add(denial("192.0.2.2"));
    denials.add(denial("192.0.2.1", 1100, 3000));
    CHECK(denials.all().size() == 2);
    CHECK(denials.find(peer_at("192.0.2.1"), at(2500)) != nullptr);
    denials.add(denial("192.0.2.3"));
    CHECK(denials.find(peer_at("192.0.2.2"), at(1500)) == nullptr);
    CHECK(denials.find(peer_at("192.0.2.1"), at(1500)) != nullptr);
    CHECK(denials.remove(Source::of(peer_at("192.0.2.1"))));
    CHECK_FALSE(denials.remove(Source::of(peer_at("192.0.2.1"))));
    denials.clear();
    CHECK(denials.empty());
}

TEST_CASE("denials: a line of the file comes back as it was, and nothing else is one") {
    for (const Denial& one : {denial("198.51.100.7"), denial("2001:db8::1", 5, 0),
                 Denial{Source::of(peer_at("192.0.2.1")), 1, 2, "telnet-sensor", ""},
                 Denial{Source::of(peer_at("192.0.2.1")), 1, 2, "superctl",
                         "\x1b[1m\n a\\x"}}) {
        const auto back = parse_denial(format_denial(one));
        REQUIRE(back);
        CHECK(*back == one);
    }
    for (const char* line : {"", "198.51.100.7", "198.51.100.7 1 2", "198.51.100.7 1 2 ",
                 "198.51.100.7 -1 2 superctl x", "198.51.100.7 1 x superctl x",
                 "198.51.100.7 1 99999999999 superctl x", "host 1 2 superctl x",
                 "198.51.100.0/24 1 2 superctl x", "2001:db8::1 1 2 superctl x",
                 "198.51.100.7 1 2 superctl a\tb", "198.51.100.7 1 2 superctl a\\",
                 "198.51.100.7 1 2 superctl \\x4", "198.51.100.7 01 2 superctl x"})
        CHECK_FALSE(parse_denial(line));
}

TEST_CASE("denials: texts are bounded, and say who, why and until when") {
    Denials denials;
    Denial one = denial("198.51.100.7", 1000, 1763862482);
    one.by = "a b";
    one.reason = "line\\nend" + std::string("\n") + std::string(300, 'x');
    denials.add(one);
    const Denial& kept = denials.all().front();
    CHECK(kept.by == "a_b");
    CHECK(kept.reason.size() == denial_text_limit);
    CHECK(kept.reason.starts_with("line\\nend\nxxx"));
    CHECK(format_denial(kept).find('\n') == std::string::npos);
    CHECK(parse_denial(format_denial(kept)) == kept);
    one.reason = std::string(denial_text_limit - 1, 'x') + "\u00e9";
    denials.add(one);
    CHECK(denials.all().front().reason == std::string(denial_text_limit - 1, 'x'));
    CHECK(denial_text(denial("192.0.2.1", 0, 1763862482)) ==
            "superctl: probing ports, until 2025-11-23T01:48:02Z");
    CHECK(denial_text({Source{}, 0, 0, "telnet-sensor", ""}) == "telnet-sensor, for good");
}

TEST_CASE("denials: what may be named as a source") {
    CHECK(parse_source("198.51.100.7")->text() == "198.51.100.7");
    CHECK(parse_source("2001:db8::1")->text() == "2001:db8::/64");
    CHECK(parse_source("2001:db8::/64")->text() == "2001:db8::/64");
    CHECK_FALSE(parse_source("198.51.100.0/24"));
    CHECK_FALSE(parse_source("2001:db8::/48"));
    CHECK_FALSE(parse_source("example.org"));
}

TEST_CASE("denials: those in force as blocks, and when the first of them ends") {
    Denials denials;
    CHECK(denials.in_force(at(1500)).blocks.empty());
    CHECK(denials.in_force(at(1500)).until == 0);
    denials.add(denial("2001:db8:0:1::7", 1000, 0));
    denials.add(denial("198.51.100.7", 1000, 2000));
    denials.add(denial("198.51.100.1", 1000, 1800));
    denials.add(denial("192.0.2.1", 1000, 1400));
    const auto found = denials.in_force(at(1500));
    CHECK(found.until == 1800);
    CHECK(found.blocks == std::vector{*Network::parse("198.51.100.1/32"),
                                  *Network::parse("198.51.100.7/32"),
                                  *Network::parse("2001:db8:0:1::/64")});
}

}  // namespace superd
