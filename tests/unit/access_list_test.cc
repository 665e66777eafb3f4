// SPDX-License-Identifier: MIT
#include "relay/access_list.h"

#include <sys/mman.h>
#include <unistd.h>

#include "relay/datagrams.h"
#include "relay/source_rates.h"
#include "support/catch.h"
#include "support/sockets.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

AccessRule block(const char* text, bool allow) {
    AccessRule rule;
    rule.allow = allow;
    rule.network = *Network::parse(text);
    return rule;
}

AccessRule named(const char* name, bool allow) {
    AccessRule rule;
    rule.kind = MatchKind::named_network;
    rule.allow = allow;
    rule.network_name = name;
    return rule;
}

AccessRule everybody(bool allow) {
    AccessRule rule;
    rule.kind = MatchKind::everybody;
    rule.allow = allow;
    return rule;
}

bool allows(const std::vector<AccessRule>& rules, const char* ip,
        const std::vector<NetworkPlan>& networks = {}) {
    const auto file = write_access_list(rules, networks);
    REQUIRE(file);
    const auto list = read_access_list(file->get());
    REQUIRE(list);
    return list->allows(*IpAddress::parse(ip));
}

Fd file_of(const std::string& bytes) {
    Fd file(::memfd_create("test", MFD_CLOEXEC));
    REQUIRE(::write(file.get(), bytes.data(), bytes.size()) ==
            static_cast<ssize_t>(bytes.size()));
    ::lseek(file.get(), 0, SEEK_SET);
    return file;
}

}  // namespace

TEST_CASE("access list: the most specific block decides, as for connections") {
    CHECK(allows({}, "192.0.2.1"));
    CHECK(allows({block("192.0.2.0/24", true)}, "192.0.2.1"));
    CHECK_FALSE(allows({block("192.0.2.0/24", true)}, "198.51.100.1"));
    CHECK_FALSE(allows({block("192.0.2.0/24", true), block("192.0.2.7", false)}, "192.0.2.7"));
    CHECK(allows({block("192.0.2.0/24", false), block("192.0.2.7", true)}, "192.0.2.7"));
    CHECK_FALSE(allows({block("192.0.2.7", true), block("192.0.2.7", false)}, "192.0.2.7"));
    CHECK(allows({block("2001:db8::/32", false)}, "192.0.2.1"));
    CHECK_FALSE(allows({block("2001:db8::/32", false)}, "2001:db8::1"));
    CHECK(allows({everybody(false), block("192.0.2.0/24", true)}, "192.0.2.1"));
    CHECK_FALSE(allows({everybody(false), block("192.0.2.0/24", true)}, "192.0.3.1"));
}

TEST_CASE("access list: named networks are written out, a missing one denies everybody") {
    NetworkPlan office;
    office.name = "office";
    office.blocks = {*Network::parse("10.0.0.0/8"), *Network::parse("fd00::/8")};
    CHECK(allows({named("office", true)}, "10.1.2.3", {office}));
    CHECK(allows({named("office", true)}, "fd00::1", {office}));
    CHECK_FALSE(allows({named("office", true)}, "192.0.2.1", {office}));
    CHECK_FALSE(allows({named("office", false)}, "192.0.2.1"));
}

TEST_CASE("access list: a file that superd did not write is refused") {
    CHECK_FALSE(read_access_list(file_of("").get()));
    CHECK_FALSE(read_access_list(file_of("\x02").get()));
    CHECK_FALSE(read_access_list(file_of(std::string("\x01half a block", 13)).get()));
    std::string one(1, '\x01');
    one += std::string(16, '\0') + '\x81' + '\x01';  // 129 bits
    CHECK_FALSE(read_access_list(file_of(one).get()));
    one[17] = '\x10';
    one[1] = '\x20';
    CHECK(read_access_list(file_of(one).get()));
    one[16] = '\x01';  // beyond its 16 bits
    CHECK_FALSE(read_access_list(file_of(one).get()));
}

TEST_CASE("source rates: each source has its tokens, and a flood of others does not give any") {
    const RatePlan rate{{2, 1s}, 2, 0s, {}};
    SourceRates rates(rate, {1, 2});
    const Mono now{std::chrono::hours(1)};
    const Endpoint one = test::ip_endpoint("192.0.2.1", 5000),
                   other = test::ip_endpoint("192.0.2.2", 5000);
    CHECK(rates.take(one, now));
    CHECK(rates.take(test::ip_endpoint("192.0.2.1", 6000), now));
    CHECK_FALSE(rates.take(one, now));
    CHECK(rates.take(other, now));
    CHECK(rates.take(one, now + 600ms));
    SourceRates none(std::nullopt, {1, 2});
    for (int i = 0; i < 1000; ++i)
        CHECK(none.take(one, now));
}

TEST_CASE("datagrams: low ports and the superd's own are no ports to answer to") {
    const std::vector<std::uint16_t> own{2007, 2019};
    for (const std::uint32_t port : {0U, 7U, 9U, 13U, 19U, 37U, 53U, 1023U, 2007U, 2019U})
        CHECK(is_reflector_port(port, own));
    for (const std::uint32_t port : {1024U, 2008U, 65535U})
        CHECK_FALSE(is_reflector_port(port, own));
}

TEST_CASE("access list: who is denied for a time is, whatever the rules say") {
    const std::vector<Network> out{
            *Network::parse("198.51.100.7/32"), *Network::parse("2001:db8:0:1::/64")};
    const std::vector rules{block("198.51.100.0/24", true), block("198.51.100.7", true),
            block("2001:db8:0:1::9", true)};
    const auto file = write_access_list(rules, {}, out);
    REQUIRE(file);
    const auto list = read_access_list(file->get());
    REQUIRE(list);
    CHECK_FALSE(list->allows(*IpAddress::parse("198.51.100.7")));
    CHECK(list->allows(*IpAddress::parse("198.51.100.8")));
    CHECK_FALSE(list->allows(*IpAddress::parse("2001:db8:0:1::9")));
    const auto closed = write_closed_list();
    REQUIRE(closed);
    const auto nobody = read_access_list(closed->get());
    REQUIRE(nobody);
    CHECK_FALSE(nobody->allows(*IpAddress::parse("198.51.100.8")));
}
