// SPDX-License-Identifier: MIT
#include "base/address.h"

#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <net/if.h>

#include "support/catch.h"

using namespace superd;

namespace {

IpAddress ip(std::string_view text) {
    const auto address = IpAddress::parse(text);
    REQUIRE(address);
    return *address;
}

Network net(std::string_view text) {
    const auto network = Network::parse(text);
    REQUIRE(network);
    return *network;
}

std::string why_not(std::string_view text) {
    std::string why;
    CHECK_FALSE(Network::parse(text, &why));
    CHECK_FALSE(why.empty());
    return why;
}

Endpoint endpoint_v6(std::string_view text, std::uint16_t port, std::uint32_t scope = 0) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_scope_id = scope;
    REQUIRE(::inet_pton(AF_INET6, std::string(text).c_str(), &address.sin6_addr) == 1);
    return Endpoint::from(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Endpoint endpoint_v4(std::string_view text, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    REQUIRE(::inet_pton(AF_INET, std::string(text).c_str(), &address.sin_addr) == 1);
    return Endpoint::from(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

}  // namespace

TEST_CASE("address: the text of an address is read back, in its shortest form") {
    struct Case {
        std::string_view written, text;
    };

    for (const Case& c : {Case{"192.0.2.1", "192.0.2.1"}, Case{"0.0.0.0", "0.0.0.0"},
                 Case{"255.255.255.255", "255.255.255.255"}, Case{"::", "::"},
                 Case{"::1", "::1"}, Case{"1::", "1::"},
                 Case{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
                 Case{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // the first of two runs
                 Case{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longer one
                 Case{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // one group stays
                 Case{"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"}, Case{"fe80::00ab", "fe80::ab"},
                 Case{"::ffff:192.0.2.1", "192.0.2.1"}, Case{"::ffff:c000:201", "192.0.2.1"}}) {
        INFO(c.written);
        CHECK(ip(c.written).text() == c.text);
        CHECK(ip(c.text) == ip(c.written));
    }
}

TEST_CASE("address: only the forms of inet_pton are addresses") {
    for (const auto* wrong : {"", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.04",
                 "256.1.1.1", "0x7f.0.0.1", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4:80", "[::1]",
                 "fe80::1%lo", "1:2", ":::", "1::2::3", "12345::", "localhost", "::1/128"}) {
        INFO(wrong);
        CHECK_FALSE(IpAddress::parse(wrong));
    }
    CHECK_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
    CHECK_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)));
    CHECK_FALSE(IpAddress::parse(std::string(100000, '1')));
}

TEST_CASE("address: a mapped address is the IPv4 one") {
    CHECK(ip("::ffff:192.0.2.1") == ip("192.0.2.1"));
    CHECK(ip("192.0.2.1") == IpAddress::v4(0xc0000201));
    CHECK(ip("192.0.2.1").is_v4());
    CHECK_FALSE(ip("::1").is_v4());
    CHECK_FALSE(ip("::192.0.2.1").is_v4());
}

TEST_CASE("address: both families have an unspecified address") {
    CHECK(ip("0.0.0.0").is_unspecified());
    CHECK(ip("::").is_unspecified());
    CHECK_FALSE(ip("::1").is_unspecified());
    CHECK_FALSE(ip("0.0.0.1").is_unspecified());
}

TEST_CASE("address: masks keep the first bits") {
    const IpAddress all = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    CHECK(mask(all, 0) == ip("::"));
    CHECK(mask(all, 1) == ip("8000::"));
    CHECK(mask(all, 12) == ip("fff0::"));
    CHECK(mask(all, 64) == ip("ffff:ffff:ffff:ffff::"));
    CHECK(mask(all, 127) == ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"));
    CHECK(mask(all, 128) == all);
}

TEST_CASE("network: prefixes count in the family that was written") {
    CHECK(net("10.0.0.0/8").bits == 104);
    CHECK(net("192.0.2.7").bits == 128);
    CHECK(net("0.0.0.0/0").bits == 96);
    CHECK(net("fd00::/8").bits == 8);
    CHECK(net("::/0").bits == 0);
    CHECK(net("::ffff:10.0.0.0/104") == net("10.0.0.0/8"));
    for (const auto* text : {"10.0.0.0/8", "192.0.2.7", "0.0.0.0/0", "fd00::/8", "::/0",
                 "2001:db8::/32", "::1", "192.0.2.128/25"}) {
        CHECK(net(text).text() == text);
    }
}

TEST_CASE("network: contains what begins with its bits") {
    CHECK(net("10.0.0.0/8").contains(ip("10.255.0.1")));
    CHECK_FALSE(net("10.0.0.0/8").contains(ip("11.0.0.0")));
    CHECK(net("192.0.2.128/25").contains(ip("192.0.2.200")));
    CHECK_FALSE(net("192.0.2.128/25").contains(ip("192.0.2.100")));
    CHECK(net("192.0.2.7").contains(ip("::ffff:192.0.2.7")));
    CHECK(net("fd00::/8").contains(ip("fd12::1")));
    CHECK_FALSE(net("fd00::/8").contains(ip("fe80::1")));
}

TEST_CASE("network: everything of one family holds nothing of the other") {
    CHECK(net("0.0.0.0/0").contains(ip("192.0.2.1")));
    CHECK_FALSE(net("0.0.0.0/0").contains(ip("2001:db8::1")));
    CHECK(net("::/0").contains(ip("2001:db8::1")));
    CHECK_FALSE(net("::/0").contains(ip("192.0.2.1")));
    CHECK_FALSE(net("::/0").contains(ip("::ffff:192.0.2.1")));
}

TEST_CASE("network: host bits are refused with what was probably meant") {
    CHECK(why_not("10.1.2.3/8") ==
            "\"10.1.2.3/8\" has bits set after its first 8; write \"10.0.0.0/8\" for the block "
            "or \"10.1.2.3\" for the one address");
    CHECK(why_not("2001:db8::1/32") ==
            "\"2001:db8::1/32\" has bits set after its first 32; write \"2001:db8::/32\" for "
            "the "
            "block or \"2001:db8::1\" for the one address");
    CHECK_FALSE(Network::parse("10.1.2.3/8"));
}

TEST_CASE("network: other programs' forms are refused with ours") {
    CHECK(why_not("10.0.0.0/255.0.0.0") ==
            "\"10.0.0.0/255.0.0.0\": a netmask is written as its length; write \"10.0.0.0/8\"");
    CHECK(why_not("10.1.") == "\"10.1.\" is not a network; write \"10.1.0.0/16\"");
    CHECK(why_not("192.168.7.*") ==
            "\"192.168.7.*\" is not a network; write \"192.168.7.0/24\"");
}

TEST_CASE("network: what is no network is refused") {
    for (const auto* wrong : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1",
                 "10.0.0.0/255.0.255.0", "10.0.0.0/8/8"}) {
        INFO(wrong);
        CHECK_THAT(why_not(wrong), Catch::Matchers::EndsWith("a number from 0 to 32"));
    }
    CHECK_THAT(why_not("::/129"), Catch::Matchers::EndsWith("a number from 0 to 128"));
    for (const auto* wrong : {"", "/8", "office", "@office", "10.0.0/8", "1.2.3.4.5.", "*"}) {
        INFO(wrong);
        CHECK_THAT(why_not(wrong), Catch::Matchers::Contains("is not an address or network"));
    }
    CHECK_THAT(why_not("a\x1b[2J"), Catch::Matchers::StartsWith("\"a\\x1b[2J\""));
}

TEST_CASE("endpoint: made from a socket address of each family") {
    CHECK(endpoint_v4("198.51.100.7", 51544).text() == "198.51.100.7:51544");
    CHECK(endpoint_v6("2001:db8::1", 80).text() == "[2001:db8::1]:80");
    CHECK(endpoint_v6("fe80::1", 22, 4'000'000).text() == "[fe80::1%4000000]:22");
    CHECK(endpoint_v6("fe80::1", 22, ::if_nametoindex("lo")).text() == "[fe80::1%lo]:22");

    sockaddr_vm vm{};
    vm.svm_family = AF_VSOCK;
    vm.svm_cid = 3;
    vm.svm_port = 5000;
    const auto vsock = Endpoint::from(reinterpret_cast<const sockaddr*>(&vm), sizeof vm);
    CHECK(vsock.text() == "vsock:3:5000");

    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    auto unix_peer =
            Endpoint::from(reinterpret_cast<const sockaddr*>(&un), sizeof(sa_family_t));
    CHECK(unix_peer.family == Family::unix);
    unix_peer.uid = 1000;
    CHECK(unix_peer.text() == "uid:1000");
}

TEST_CASE("endpoint: an IPv4-mapped peer is the IPv4 peer") {
    CHECK(endpoint_v6("::ffff:198.51.100.7", 51544, 2) == endpoint_v4("198.51.100.7", 51544));
}

TEST_CASE("endpoint: what is short or unknown is no endpoint") {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    const auto* address = reinterpret_cast<const sockaddr*>(&in6);
    CHECK(Endpoint::from(address, sizeof(sockaddr_in)) == Endpoint{});
    CHECK(Endpoint::from(address, 1) == Endpoint{});
    CHECK(Endpoint::from(address, 0) == Endpoint{});
    CHECK(Endpoint::from(nullptr, sizeof in6) == Endpoint{});
    in6.sin6_family = AF_NETLINK;
    CHECK(Endpoint::from(address, sizeof in6) == Endpoint{});
    CHECK(Endpoint{}.text() == "-");
}

TEST_CASE("endpoint: small enough for a journal in shared memory") {
    CHECK(sizeof(Endpoint) == 40);
    CHECK(std::is_trivially_copyable_v<Endpoint>);
}

TEST_CASE("source: an IPv4 address, an IPv6 /64, a uid, a CID") {
    const Source first = Source::of(endpoint_v6("2001:db8::1", 1));
    CHECK(first == Source::of(endpoint_v6("2001:db8::ffff:1:2:3", 9)));
    CHECK(first != Source::of(endpoint_v6("2001:db8:0:1::1", 1)));
    CHECK(first.text() == "2001:db8::/64");

    CHECK(Source::of(endpoint_v4("192.0.2.1", 1)) == Source::of(endpoint_v4("192.0.2.1", 2)));
    CHECK(Source::of(endpoint_v4("192.0.2.1", 1)) != Source::of(endpoint_v4("192.0.2.2", 1)));
    CHECK(Source::of(endpoint_v4("192.0.2.1", 1)).text() == "192.0.2.1");

    Endpoint peer;
    peer.family = Family::unix;
    peer.uid = 1000;
    peer.pid = 1;
    CHECK(Source::of(peer).text() == "uid:1000");
    const Source same = Source::of(peer);
    peer.pid = 2;
    CHECK(Source::of(peer) == same);

    peer.family = Family::vsock;
    peer.scope = 7;
    CHECK(Source::of(peer).text() == "vsock:7");
    CHECK(Source::of(Endpoint{}).text() == "-");
}

TEST_CASE("source: families do not collide") {
    Endpoint by_uid, by_cid;
    by_uid.family = Family::unix;
    by_uid.uid = 5;
    by_cid.family = Family::vsock;
    by_cid.scope = 5;
    CHECK(Source::of(by_uid) != Source::of(by_cid));
    CHECK(Source::of(endpoint_v6("::1", 1)) != Source::of(endpoint_v4("0.0.0.0", 1)));
}
