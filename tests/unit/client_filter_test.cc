// SPDX-License-Identifier: MIT
#include "sys/client_filter.h"

#include <cstdio>
#include <random>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/access.h"

#include "support/catch.h"
#include "support/sockets.h"

using namespace superd;
using namespace superd::test;

namespace {

AccessRule rule(bool allow, const std::string& text) {
    AccessRule made;
    made.allow = allow;
    made.text = text;
    if (text == "all") {
        made.kind = MatchKind::everybody;
    } else if (text.starts_with('@')) {
        made.kind = MatchKind::named_network;
        made.network_name = text.substr(1);
    } else {
        made.network = *Network::parse(text);
    }
    return made;
}

ServicePlan worker(std::vector<AccessRule> rules) {
    ServicePlan service;
    service.mode = Mode::worker;
    service.admission.access = std::move(rules);
    return service;
}

// What the longest block says: the kernel's table, by hand.
FilterVerdict look_up(const std::vector<FilterEntry>& entries, const IpAddress& address) {
    const FilterEntry* best = nullptr;
    for (const FilterEntry& entry : entries) {
        const bool covers = mask(address, entry.block.bits) == entry.block.base;
        if (covers && (best == nullptr || entry.block.bits > best->block.bits)) best = &entry;
    }
    REQUIRE(best != nullptr);
    return best->verdict;
}

FilterVerdict verdict_of(const AccessDecision& decision) {
    if (decision.allowed) return FilterVerdict::allow;
    return decision.reason == Refusal::denied ? FilterVerdict::denied
                                              : FilterVerdict::not_allowed;
}

Endpoint endpoint(const IpAddress& ip) {
    Endpoint peer;
    peer.family = Family::ip;
    peer.ip = ip;
    return peer;
}

// Runs a classic filter over a packet as the kernel would: the network header at `net`, the
// transport header at `data`.
unsigned run_classic(const std::vector<sock_filter>& code, const std::vector<std::uint8_t>& net,
        const std::vector<std::uint8_t>& data) {
    unsigned a = 0;
    const auto byte = [&](unsigned at) -> unsigned {
        const int offset = static_cast<int>(at);
        return offset < 0 ? net.at(static_cast<unsigned>(offset - SKF_NET_OFF)) : data.at(at);
    };
    for (std::size_t pc = 0; pc < code.size(); ++pc) {
        const sock_filter& i = code[pc];
        switch (i.code) {
            case BPF_LD | BPF_B | BPF_ABS: a = byte(i.k); break;
            case BPF_LD | BPF_W | BPF_ABS:
                a = byte(i.k) << 24 | byte(i.k + 1) << 16 | byte(i.k + 2) << 8 | byte(i.k + 3);
                break;
            case BPF_ALU | BPF_AND | BPF_K: a &= i.k; break;
            case BPF_ALU | BPF_RSH | BPF_K: a >>= i.k; break;
            case BPF_JMP | BPF_JEQ | BPF_K: pc += a == i.k ? i.jt : i.jf; break;
            case BPF_JMP | BPF_JA: pc += i.k; break;
            case BPF_RET | BPF_K: return i.k;
            default: FAIL("an instruction of no kind: " << i.code);
        }
    }
    FAIL("ran off the end");
    return 0;
}

std::vector<std::uint8_t> network_header(const IpAddress& source) {
    std::vector<std::uint8_t> header(40, 0x11);
    const bool v4 = source.is_v4();
    header[0] = v4 ? 0x45 : 0x60;
    for (std::size_t i = 0; i < (v4 ? 4U : 16U); ++i)
        header[(v4 ? 12 : 8) + i] = source.bytes[(v4 ? 12 : 0) + i];
    return header;
}

// Random blocks in a small space, so that they meet and nest.
Network random_block(std::minstd_rand& random) {
    Network block;
    IpAddress base;
    const bool v4 = random() % 2 == 0;
    if (v4) base.bytes[10] = base.bytes[11] = 0xff;
    for (std::size_t i = v4 ? 12 : 0; i < 16; ++i)
        base.bytes[i] = static_cast<std::uint8_t>(random() % 3);
    block.bits = static_cast<std::uint8_t>(v4 ? 96 + random() % 33 : random() % 129);
    block.base = mask(base, block.bits);
    return block;
}

}  // namespace

TEST_CASE("client filter: blocks decide as they do for a handler, whatever the rules") {
    std::minstd_rand random(7);
    for (int round = 0; round < 300; ++round) {
        std::vector<AccessRule> rules;
        std::vector<NetworkPlan> networks{{"net", {}, {}, {}}};
        for (auto i = random() % 4; i > 0; --i)
            networks[0].blocks.push_back(random_block(random));
        for (auto i = 1 + random() % 6; i > 0; --i) {
            AccessRule one = rule(random() % 2 == 0, "all");
            const auto kind = random() % 8;
            if (kind > 1) {
                one.kind = MatchKind::network;
                one.network = random_block(random);
            } else if (kind == 1) {
                one.kind = MatchKind::named_network;
                one.network_name = "net";
            }
            rules.push_back(one);
        }
        const AccessIndex index(rules, make_network_tables(networks));
        const auto entries = make_filter_entries(worker(rules), networks);
        const auto classic = make_classic_filter(ListenerKind::udp, entries);
        REQUIRE_FALSE(classic.empty());
        for (int i = 0; i < 40; ++i) {
            const IpAddress address = random_block(random).base;
            const FilterVerdict wanted = verdict_of(index.decide(endpoint(address)));
            CHECK(look_up(entries, address) == wanted);
            const unsigned let = run_classic(classic, network_header(address), {});
            CHECK((let != 0) == (wanted == FilterVerdict::allow));
        }
    }
}

TEST_CASE("client filter: nothing is asked of the kernel but for workers with rules") {
    CHECK(make_filter_entries(worker({}), {}).empty());
    ServicePlan handler = worker({rule(false, "10.0.0.0/8")});
    handler.mode = Mode::handler;
    CHECK(make_filter_entries(handler, {}).empty());
}

TEST_CASE("client filter: a list that is not there, or a rule about users, lets nobody in") {
    AccessRule user = rule(true, "all");
    user.kind = MatchKind::uid;
    for (const auto& rules : {std::vector{rule(false, "@gone"), rule(true, "all")},
                 std::vector{user, rule(true, "all")}}) {
        const auto entries = make_filter_entries(worker(rules), {});
        for (const char* address : {"127.0.0.1", "::1", "2001:db8::1"})
            CHECK(look_up(entries, *IpAddress::parse(address)) == FilterVerdict::denied);
    }
}

TEST_CASE("client filter: another list has another mark, the same list the same") {
    const auto one = make_filter_entries(worker({rule(false, "10.0.0.0/8")}), {});
    const auto two = make_filter_entries(worker({rule(false, "10.0.0.0/9")}), {});
    const auto open = make_filter_entries(worker({rule(true, "10.0.0.0/8")}), {});
    CHECK(filter_mark(one) == filter_mark(one));
    CHECK(filter_mark(one) != filter_mark(two));
    CHECK(filter_mark(one) != filter_mark(open));
    CHECK((filter_mark(one) & 0x80000000u) != 0);
}

TEST_CASE("client filter: of TCP the classic filter judges a SYN and nothing else") {
    const auto entries = make_filter_entries(worker({rule(false, "10.0.0.0/8")}), {});
    const auto code = make_classic_filter(ListenerKind::tcp, entries);
    const auto denied = network_header(*IpAddress::parse("10.1.2.3"));
    const auto allowed = network_header(*IpAddress::parse("192.0.2.1"));
    std::vector<std::uint8_t> tcp(20, 0);
    const auto with_flags = [&](std::uint8_t flags) {
        tcp[13] = flags;
        return tcp;
    };
    CHECK(run_classic(code, denied, with_flags(0x02)) == 0);
    CHECK(run_classic(code, denied, with_flags(0xc2)) == 0);  // with ECN
    CHECK(run_classic(code, denied, with_flags(0x10)) != 0);
    CHECK(run_classic(code, denied, with_flags(0x12)) != 0);
    CHECK(run_classic(code, denied, with_flags(0x11)) != 0);
    CHECK(run_classic(code, allowed, with_flags(0x02)) != 0);
    // A version of IP that does not exist.
    auto strange = allowed;
    strange[0] = 0x55;
    CHECK(run_classic(code, strange, with_flags(0x02)) == 0);
}

TEST_CASE("client filter: a list that is too long for a classic filter gives none") {
    std::vector<AccessRule> rules;
    for (unsigned i = 0; i < 3000; ++i)
        rules.push_back(rule(false,
                "10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".0/24"));
    const auto entries = make_filter_entries(worker(rules), {});
    CHECK(make_classic_filter(ListenerKind::tcp, entries).empty());
}

TEST_CASE(
        "client filter: in the kernel the list decides, changes, counts and cannot be taken "
        "off") {
    const auto deny = make_filter_entries(worker({rule(false, "127.0.0.0/8")}), {});
    const auto allow = make_filter_entries(worker({rule(true, "127.0.0.0/8")}), {});
    const auto other = make_filter_entries(worker({rule(true, "10.0.0.0/8")}), {});
    const Fd server = open_or_fail(loopback_plan(ListenerKind::udp));
    auto filter = ClientFilter::attach(server.get(), ListenerKind::udp, deny);
    REQUIRE(filter);
    CHECK(ClientFilter::is_locked(server.get()));
    const Fd client = connect_v4(port_of(server.get()), SOCK_DGRAM);
    // Loopback delivers before send(2) returns.
    const auto arrives = [&] {
        char byte;
        return ::send(client.get(), "x", 1, 0) == 1 &&
               ::recv(server.get(), &byte, 1, MSG_DONTWAIT) == 1;
    };
    CHECK_FALSE(arrives());
    const int off = 0;
    CHECK(::setsockopt(server.get(), SOL_SOCKET, SO_DETACH_FILTER, &off, sizeof off) != 0);
    CHECK(::setsockopt(server.get(), SOL_SOCKET, SO_LOCK_FILTER, &off, sizeof off) != 0);
    if (!filter->changeable()) {
        std::puts("SKIP: bpf(2) is not permitted here: lists that change, counters");
        CHECK_FALSE(filter->update(allow));
        CHECK(filter->id() == 0);
        return;
    }
    REQUIRE(filter->update(allow));
    CHECK(arrives());
    REQUIRE(filter->update(other));
    CHECK_FALSE(arrives());
    CHECK_FALSE(arrives());
    auto counts = filter->take_counts();
    CHECK(counts.denied == 1);
    CHECK(counts.not_allowed == 2);
    // As a superd that comes after this one would have it.
    auto adopted = ClientFilter::adopt(filter->id());
    REQUIRE(adopted);
    CHECK_FALSE(arrives());
    counts = adopted->take_counts();
    CHECK(counts.denied == 0);
    CHECK(counts.not_allowed == 1);
    REQUIRE(adopted->update(allow));
    CHECK(arrives());
    REQUIRE(adopted->update(open_filter_entries()));
    CHECK(arrives());
}

TEST_CASE(
        "client filter: blocks that are kept out stay out whatever a list says of parts of "
        "them") {
    const std::vector<Network> out{
            *Network::parse("198.51.100.7/32"), *Network::parse("2001:db8:0:1::/64")};
    const auto at = [](const std::vector<FilterEntry>& entries, const char* address) {
        return look_up(entries, *IpAddress::parse(address));
    };
    const auto open = keep_out({}, out);
    CHECK(at(open, "198.51.100.7") == FilterVerdict::denied);
    CHECK(at(open, "198.51.100.8") == FilterVerdict::allow);
    CHECK(at(open, "2001:db8:0:1::9") == FilterVerdict::denied);
    CHECK(at(open, "2001:db8:0:2::9") == FilterVerdict::allow);
    const auto listed = keep_out(
            make_filter_entries(worker({rule(true, "198.51.100.0/24"),
                                        rule(true, "198.51.100.7"), rule(true, "2001:db8::/32"),
                                        rule(true, "2001:db8:0:1::9"), rule(true, "fd00::1")}),
                    {}),
            out);
    CHECK(at(listed, "198.51.100.7") == FilterVerdict::denied);
    CHECK(at(listed, "198.51.100.8") == FilterVerdict::allow);
    CHECK(at(listed, "192.0.2.1") == FilterVerdict::not_allowed);
    CHECK(at(listed, "2001:db8:0:1::9") == FilterVerdict::denied);
    CHECK(at(listed, "2001:db8:0:2::9") == FilterVerdict::allow);
    CHECK(keep_out(listed, {}) == listed);
    CHECK(filter_mark(listed) != filter_mark(open));
}
