// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "policy/access.h"
#include "policy/authorize.h"

#include "support/catch.h"

using namespace superd;

namespace {

Endpoint peer_at(const std::string& address) {
    Endpoint peer;
    peer.family = Family::ip;
    const auto ip = IpAddress::parse(address);
    REQUIRE(ip);
    peer.ip = *ip;
    return peer;
}

Endpoint unix_peer(std::uint32_t uid, std::uint32_t gid) {
    Endpoint peer;
    peer.family = Family::unix;
    peer.uid = uid;
    peer.gid = gid;
    return peer;
}

// "+10.0.0.0/8", "-@bad", "+uid:7", "-gid:8", "+everybody"
AccessRule rule(const std::string& text, std::uint32_t line = 1) {
    AccessRule out;
    out.allow = text[0] == '+';
    out.text = text.substr(1);
    out.origin.line = line;
    if (out.text == "everybody") {
        out.kind = MatchKind::everybody;
    } else if (out.text.starts_with('@')) {
        out.kind = MatchKind::named_network;
        out.network_name = out.text.substr(1);
    } else if (out.text.starts_with("host:") || out.text.starts_with("domain:")) {
        out.kind = out.text[0] == 'h' ? MatchKind::host : MatchKind::domain;
        out.host = out.text.substr(out.text.find(':') + 1);
    } else if (out.text.starts_with("uid:") || out.text.starts_with("gid:")) {
        out.kind = out.text[0] == 'u' ? MatchKind::uid : MatchKind::gid;
        out.id = static_cast<std::uint32_t>(std::stoul(out.text.substr(4)));
    } else {
        const auto network = Network::parse(out.text);
        REQUIRE(network);
        out.network = *network;
    }
    return out;
}

AccessIndex index_of(
        std::initializer_list<const char*> texts, const NetworkTables& tables = {}) {
    std::vector<AccessRule> rules;
    for (const char* text : texts)
        rules.push_back(rule(text, static_cast<std::uint32_t>(rules.size() + 1)));
    return AccessIndex(rules, tables);
}

NetworkTables table_of(const std::string& name, std::initializer_list<const char*> blocks) {
    NetworkPlan plan;
    plan.name = name;
    for (const char* block : blocks)
        plan.blocks.push_back(*Network::parse(block));
    return make_network_tables(std::vector<NetworkPlan>{plan});
}

Network random_block(std::mt19937& random) {
    Network out;
    const bool v4 = random() % 2 == 0;
    for (auto& byte : out.base.bytes)
        byte = static_cast<std::uint8_t>(random() % 4 * 85);
    if (v4) out.base = IpAddress::v4((random() & 0x3030303) * 85);
    out.bits = static_cast<std::uint8_t>(v4 ? 96 + random() % 33 : random() % 129);
    out.base = mask(out.base, out.bits);
    return out;
}

}  // namespace

TEST_CASE("access: no rule lets everybody in") {
    const AccessIndex index = index_of({});
    CHECK(index.empty());
    CHECK(index.decide(peer_at("192.0.2.1")).allowed);
    CHECK(index.decide(Endpoint{}).allowed);
}

TEST_CASE("access: the most specific match wins, equal length denies") {
    struct {
        std::vector<const char*> rules;
        const char* peer;
        bool allowed;
        const char* decided_by;
    } const cases[] = {
            {{"+10.0.0.0/8"}, "10.1.2.3", true, "10.0.0.0/8"},
            {{"+10.0.0.0/8"}, "11.1.2.3", false, nullptr},
            {{"-10.0.0.0/8"}, "11.1.2.3", true, nullptr},
            {{"-10.0.0.0/8"}, "10.1.2.3", false, "10.0.0.0/8"},
            {{"+10.0.0.0/8", "-10.1.0.0/16"}, "10.1.2.3", false, "10.1.0.0/16"},
            {{"-10.0.0.0/8", "+10.1.0.0/16"}, "10.1.2.3", true, "10.1.0.0/16"},
            {{"-10.0.0.0/8", "+10.1.0.0/16"}, "10.2.2.3", false, "10.0.0.0/8"},
            {{"+10.1.2.3", "-10.1.2.3"}, "10.1.2.3", false, "10.1.2.3"},
            {{"-10.1.2.3", "+10.1.2.3"}, "10.1.2.3", false, "10.1.2.3"},
            {{"+everybody", "-10.0.0.0/8"}, "10.1.2.3", false, "10.0.0.0/8"},
            {{"+everybody", "-10.0.0.0/8"}, "11.1.2.3", true, "everybody"},
            {{"-everybody", "+10.0.0.0/8"}, "10.1.2.3", true, "10.0.0.0/8"},
            {{"-everybody", "+10.0.0.0/8"}, "2001:db8::1", false, "everybody"},
            {{"-everybody", "+::/0"}, "2001:db8::1", true, "::/0"},
            {{"+everybody", "-everybody"}, "192.0.2.1", false, "everybody"},
            // ::/0 speaks of IPv6, 0.0.0.0/0 of IPv4, mapped or not.
            {{"+::/0"}, "192.0.2.1", false, nullptr},
            {{"-::/0", "+0.0.0.0/0"}, "192.0.2.1", true, "0.0.0.0/0"},
            {{"-::/0", "+0.0.0.0/0"}, "::1", false, "::/0"},
            {{"+0.0.0.0/0"}, "::ffff:192.0.2.1", true, "0.0.0.0/0"},
            {{"+2001:db8::/32", "-2001:db8:0:1::/64"}, "2001:db8:0:1::7", false,
                    "2001:db8:0:1::/64"},
            {{"-ffff::/16", "+ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
                    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true,
                    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };

    for (const auto& c : cases) {
        std::vector<AccessRule> rules;
        for (const char* text : c.rules)
            rules.push_back(rule(text));
        const AccessIndex index(rules, {});
        const AccessDecision got = index.decide(peer_at(c.peer));
        CAPTURE(c.peer, c.rules);
        CHECK(got.allowed == c.allowed);
        REQUIRE((got.rule != nullptr) == (c.decided_by != nullptr));
        if (c.decided_by) CHECK(got.rule->text == c.decided_by);
        if (!got.allowed)
            CHECK(got.reason == (got.rule ? Refusal::denied : Refusal::not_allowed));
    }
}

TEST_CASE("access: a named network counts with the length of its block that matched") {
    const NetworkTables tables = table_of("bad", {"10.1.0.0/16", "192.0.2.7"});
    const AccessIndex index = index_of({"+10.0.0.0/8", "+192.0.2.7", "-@bad"}, tables);
    CHECK(index.decide(peer_at("10.2.0.1")).allowed);
    const AccessDecision denied = index.decide(peer_at("10.1.0.1"));
    CHECK_FALSE(denied.allowed);
    CHECK(denied.rule->text == "@bad");
    CHECK(denied.rule->origin.line == 3);
    CHECK_FALSE(index.decide(peer_at("192.0.2.7")).allowed);  // equal length
    CHECK(index.uses("bad"));
    CHECK_FALSE(index.uses("good"));
}

TEST_CASE("access: of two named networks the longer block wins, whichever list allows") {
    NetworkTables tables = table_of("wide", {"10.0.0.0/8"});
    tables.merge(table_of("narrow", {"10.9.0.0/16"}));
    CHECK(index_of({"-@wide", "+@narrow"}, tables).decide(peer_at("10.9.1.1")).allowed);
    CHECK_FALSE(index_of({"+@wide", "-@narrow"}, tables).decide(peer_at("10.9.1.1")).allowed);
    tables["narrow"] = tables["wide"];
    CHECK_FALSE(index_of({"+@wide", "-@narrow"}, tables).decide(peer_at("10.9.1.1")).allowed);
}

TEST_CASE("access: a network that is not there keeps everybody out") {
    for (const char* text : {"+@gone", "-@gone"}) {
        const AccessIndex index = index_of({"+everybody", text});
        const AccessDecision got = index.decide(peer_at("192.0.2.1"));
        CHECK_FALSE(got.allowed);
        CHECK(got.reason == Refusal::denied);
        CHECK(got.rule->text == "@gone");
        CHECK_FALSE(index.decide(unix_peer(0, 0)).allowed);
    }
}

TEST_CASE("access: UNIX peers match by uid, then by any of their groups, then everybody") {
    const AccessIndex index = index_of({"+gid:100", "-uid:7", "+uid:8", "-gid:200"});
    const std::vector<std::uint32_t> both{100, 200};
    const std::vector<std::uint32_t> good{100};
    CHECK(index.needs_groups());
    CHECK(index.decide(unix_peer(1, 100)).allowed);
    CHECK(index.decide(unix_peer(1, 5), good).allowed);
    CHECK_FALSE(index.decide(unix_peer(7, 100)).allowed);
    CHECK(index.decide(unix_peer(8, 200)).allowed);
    CHECK_FALSE(index.decide(unix_peer(1, 5), both).allowed);  // equal rank denies
    CHECK_FALSE(index.decide(unix_peer(1, 5)).allowed);
    CHECK(index.decide(unix_peer(1, 5)).reason == Refusal::not_allowed);
    CHECK(index.allow_origin().line == 1);
    CHECK_FALSE(index_of({"+uid:8"}).needs_groups());
}

TEST_CASE("access: addresses do not match UNIX peers, nor users clients from the network") {
    CHECK_FALSE(index_of({"+uid:0"}).decide(peer_at("0.0.0.0")).allowed);
    CHECK_FALSE(index_of({"+0.0.0.0/0", "+::/0"}).decide(unix_peer(0, 0)).allowed);
    CHECK_FALSE(index_of({"+0.0.0.0/0", "+::/0"}).decide(Endpoint{}).allowed);
    CHECK(index_of({"+everybody"}).decide(Endpoint{}).allowed);
}

TEST_CASE("access: the table agrees with a naive longest match on random nested blocks") {
    std::mt19937 random(42);
    for (int round = 0; round < 60; ++round) {
        std::vector<PrefixTable::Entry> entries;
        for (std::uint32_t i = 0; i < 60; ++i)
            entries.push_back({random_block(random), i});
        const PrefixTable table(entries);
        for (int probe = 0; probe < 300; ++probe) {
            IpAddress address = random_block(random).base;
            if (probe % 3 == 0) {  // next to an edge
                address = entries[random() % entries.size()].block.base;
                address.bytes[15] =
                        static_cast<std::uint8_t>(address.bytes[15] + probe % 5 - 2);
            }
            std::optional<PrefixTable::Match> expected;
            for (const auto& entry : entries)
                if (entry.block.contains(address) &&
                        (!expected || entry.block.bits > expected->bits))
                    expected = PrefixTable::Match{entry.block.bits, entry.value};
            const auto got = table.find(address);
            CAPTURE(address.text());
            REQUIRE(got.has_value() == expected.has_value());
            if (!got) continue;
            REQUIRE(got->bits == expected->bits);
            REQUIRE(got->value == expected->value);
        }
    }
}

TEST_CASE("access: a hundred thousand blocks cost a look-up only a few comparisons more") {
    std::vector<Network> blocks;
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        Network block;
        block.base = IpAddress::v4(0x0b000000u + i * 512);
        block.bits = 120;
        blocks.push_back(block);
    }
    const auto table = make_network_table(blocks);
    CHECK(table->intervals() == 200'000);
    std::uint32_t hits = 0;
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint32_t i = 0; i < 100'000; ++i)
        hits += table->find(IpAddress::v4(0x0b000000u + i * 256)).has_value();
    const auto spent = std::chrono::steady_clock::now() - begin;
    CHECK(hits == 50'000);
    // A walk over all of them would take minutes; this takes 20 ms here.
    CHECK(spent < std::chrono::seconds(30));
}

TEST_CASE("authorize: root, the daemon's own user and the admin group may control") {
    const std::vector<std::uint32_t> groups{5, 50};
    CHECK(may_control({0, 0, {}}, 300, {}));
    CHECK(may_control({300, 300, {}}, 300, {}));
    CHECK_FALSE(may_control({301, 0, {}}, 300, {}));
    CHECK(may_control({301, 50, {}}, 300, 50));
    CHECK(may_control({301, 301, groups}, 300, 50));
    CHECK_FALSE(may_control({301, 301, groups}, 300, 51));
    CHECK_FALSE(may_control({301, 301, groups}, 300, {}));
    CHECK_FALSE(may_control({}, ~0u, ~0u));
}

namespace {

constexpr PeerName nobody_asked{}, no_name{NameKnown::unknown, {}};

PeerName named(std::string_view name) {
    return {NameKnown::confirmed, name};
}

// '+' let in, '-' refused, '?' the name decides and is not known.
char verdict(const AccessIndex& index, const PeerName& name, const char* peer = "192.0.2.7") {
    const AccessDecision decision = index.decide(peer_at(peer), {}, name);
    return decision.needs_name ? '?' : decision.allowed ? '+' : '-';
}

}  // namespace

TEST_CASE("access: an allow by name lets in who has that confirmed name, and nobody else") {
    const AccessIndex index = index_of({"+host:db.example.org", "+domain:lab.example.org"});
    CHECK(verdict(index, nobody_asked) == '?');
    CHECK(verdict(index, no_name) == '-');
    CHECK(verdict(index, named("db.example.org")) == '+');
    CHECK(verdict(index, named("x.db.example.org")) == '-');
    CHECK(verdict(index, named("a.b.lab.example.org")) == '+');
    CHECK(verdict(index, named("lab.example.org")) == '-');
    CHECK(verdict(index, named("evillab.example.org")) == '-');
}

TEST_CASE("access: a deny by name that cannot be judged denies (CVE-2000-0536)") {
    const AccessIndex index = index_of({"-domain:evil.example"});
    CHECK(verdict(index, nobody_asked) == '?');
    CHECK(verdict(index, no_name) == '-');
    CHECK(verdict(index, named("a.evil.example")) == '-');
    CHECK(verdict(index, named("good.example")) == '+');
    const AccessDecision decision = index.decide(peer_at("192.0.2.7"), {}, no_name);
    CHECK(decision.reason == Refusal::denied);
    REQUIRE(decision.rule != nullptr);
    CHECK(decision.rule->text == "domain:evil.example");
}

TEST_CASE("access: names are asked for only where they can change the answer") {
    const AccessIndex allows = index_of({"+10.0.0.0/8", "+host:db.example.org"});
    CHECK(verdict(allows, nobody_asked, "10.1.2.3") == '+');
    CHECK(verdict(allows, nobody_asked) == '?');
    const AccessIndex denies = index_of({"-10.0.0.0/8", "-domain:evil.example"});
    CHECK(verdict(denies, nobody_asked, "10.1.2.3") == '-');
    CHECK(verdict(denies, nobody_asked) == '?');
    // A block outdoes a domain, so the domain is never asked for within it.
    const AccessIndex both = index_of({"-10.0.0.0/8", "+domain:example.org"});
    CHECK(verdict(both, nobody_asked, "10.1.2.3") == '-');
    CHECK(verdict(both, nobody_asked) == '?');
}

TEST_CASE("access: a host is as specific as an address, a domain less than any block") {
    CHECK(verdict(index_of({"-192.0.2.0/24", "+host:a.org"}), named("a.org")) == '+');
    CHECK(verdict(index_of({"+192.0.2.7", "-host:a.org"}), named("a.org")) == '-');
    CHECK(verdict(index_of({"-192.0.2.7", "+host:a.org"}), named("a.org")) == '-');
    CHECK(verdict(index_of({"-128.0.0.0/1", "+domain:org"}), named("a.org")) == '-');
    CHECK(verdict(index_of({"-0.0.0.0/0", "+domain:org"}), named("a.org")) == '+');
    CHECK(verdict(index_of({"-everybody", "+domain:org"}), named("a.org")) == '+');
    CHECK(verdict(index_of({"-domain:org", "+domain:b.org"}), named("a.b.org")) == '+');
    CHECK(verdict(index_of({"+domain:org", "-domain:b.org"}), named("a.b.org")) == '-');
    CHECK(verdict(index_of({"+domain:b.org", "-domain:b.org"}), named("a.b.org")) == '-');
    CHECK(verdict(index_of({"-::/0", "+domain:org"}), named("a.org"), "2001:db8::1") == '+');
    CHECK(verdict(index_of({"-2000::/3", "+domain:org"}), named("a.org"), "2001:db8::1") ==
            '-');
}

TEST_CASE("access: names mean nothing to a client of a UNIX socket") {
    const AccessIndex index = index_of({"+uid:7", "+host:a.org"});
    CHECK_FALSE(index.decide(unix_peer(8, 8)).needs_name);
    CHECK_FALSE(index.decide(unix_peer(8, 8)).allowed);
    CHECK(index.decide(unix_peer(7, 8)).allowed);
}
