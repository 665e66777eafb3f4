// SPDX-License-Identifier: MIT
#include "config/import_hosts_access.h"

#include <random>
#include <string>
#include <vector>

#include "base/text.h"

#include "support/catch.h"
#include "support/import_host.h"

using namespace superd;
using superd::test::FakeImportHost;

namespace {

HostsVerdict verdict(const std::string& allow, const std::string& deny, bool names = false) {
    FakeImportHost host;
    if (!allow.empty()) host.files["/etc/hosts.allow"] = allow;
    if (!deny.empty()) host.files["/etc/hosts.deny"] = deny;
    return HostsAccess(host).about("in.ftpd", names);
}

std::string text(const AccessLists& lists) {
    return "allow " + join(lists.allow, " ") + " deny " + join(lists.deny, " ");
}

bool matches(const std::string& entry, const IpAddress& address, int& bits) {
    if (entry == "all") {
        bits = 0;
        return true;
    }
    const auto block = Network::parse(entry);
    REQUIRE(block);
    bits = block->bits;
    return block->contains(address);
}

// superd's rule, the plain way.
bool lets_in(const AccessLists& lists, const IpAddress& address) {
    int allowed = -1, denied = -1;
    for (const auto* list : {&lists.allow, &lists.deny})
        for (const std::string& entry : *list) {
            int bits = 0;
            int& best = list == &lists.allow ? allowed : denied;
            if (matches(entry, address, bits)) best = std::max(best, bits);
        }
    if (denied >= 0 && denied >= allowed) return false;
    return allowed >= 0 || lists.allow.empty();
}

}  // namespace

TEST_CASE("hosts.allow: what the usual files come to") {
    struct Case {
        const char* allow;
        const char* deny;
        const char* lists;
    };

    const Case cases[] = {{"", "ALL: ALL\n", "allow  deny all"},
            {"in.ftpd: 10.0.0.0/255.0.0.0, 192.0.2.7\n", "ALL: ALL\n",
                    "allow 10.0.0.0/8 192.0.2.7 deny "},
            {"ALL: localhost 192.168.\n", "ALL:ALL",
                    "allow 127.0.0.1 ::1 192.168.0.0/16 deny "},
            {"sshd: ALL\n", "ALL EXCEPT sshd: ALL\n", "allow  deny all"},
            {"", "ALL EXCEPT in.ftpd: ALL\n", "allow  deny "},
            {"", "in.ftpd: 198.51.100.0/24\n", "allow  deny 198.51.100.0/24"},
            {"in.ftpd: 198.51.100.9\n", "in.*: 198.51.100.\n",
                    "allow all 198.51.100.9 deny 198.51.100.0/24"},
            {"", "ALL: ALL EXCEPT 192.0.2.0/24\n", "allow 192.0.2.0/24 deny "},
            {"ALL: 192.0.2. EXCEPT 192.0.2.6\n", "ALL: ALL\n",
                    "allow 192.0.2.0/24 deny 192.0.2.6"},
            {"# rules\nALL: [2001:db8::]/32, [2001:db9::1] : allow\nALL: ALL: severity info: "
             "DENY\n",
                    "", "allow 2001:db8::/32 2001:db9::1 deny "},
            {"in.ftpd: 10.0.0.0/8\nin.ftpd: 10.1.1.1\n", "in.ftpd: 10.2.0.0/16\n",
                    "allow  deny "},
            {"in.ftpd, \\\n  in.telnetd: 192.0.2.1\n", "ALL: ALL\n", "allow 192.0.2.1 deny "},
            {"in.telnetd: ALL\n", "in.telnetd: ALL\n", "allow  deny "}};
    for (const Case& one : cases) {
        INFO(one.allow << "/ " << one.deny);
        const HostsVerdict got = verdict(one.allow, one.deny);
        CHECK(got.why_not.empty());
        CHECK(text(got.lists) == one.lists);
    }
}

TEST_CASE("hosts.allow: names stand where superd asks for names") {
    const HostsVerdict got = verdict("ALL: .example.org, db.example.net\n", "ALL: ALL\n", true);
    CHECK(text(got.lists) == "allow domain:example.org host:db.example.net deny ");
    CHECK(verdict("ALL: .example.org\n", "ALL: ALL\n").why_not ==
            "/etc/hosts.allow:1: \"ALL: .example.org\" goes by more than addresses");
    CHECK_FALSE(verdict("ALL: .example.org\n", "ALL: 10.0.0.0/8\n", true).why_not.empty());
}

TEST_CASE("hosts.allow: what lists cannot say is said with its place") {
    for (const char* rule : {"ALL: ALL: spawn /bin/true", "ALL: ALL: twist /bin/echo no",
                 "ALL: /etc/lists", "ALL: @netgroup", "ALL: LOCAL", "ALL: PARANOID",
                 "ALL: user@192.0.2.1", "ALL: 10.0.0.0/255.0.255.0", "ALL: 10.0.0.0/33",
                 "ALL: ALL EXCEPT 10.0.0.0/8 EXCEPT 10.0.0.1", "ALL", "ALL: 1.2.3.4.5.",
                 "ALL: [2001:db8::", "ALL: 192.0.2.?"}) {
        INFO(rule);
        const HostsVerdict got = verdict("", std::string("\n") + rule + "\n", true);
        CHECK(got.why_not.starts_with("/etc/hosts.deny:2: "));
    }
    CHECK_FALSE(
            verdict("ALL: 10.0.0.0/8 EXCEPT 10.0.0.1\n", "ALL: 10.0.0.0/16\n").why_not.empty());
}

TEST_CASE("hosts.allow: a daemon at one address of the host is more than lists can say") {
    for (const char* rule :
            {"ALL@192.0.2.1: ALL", "in.ftpd@192.0.2.1: 10.0.0.0/8", "in.*@[2001:db8::1]: ALL",
                    "sshd, all@gate.example.org: ALL", "ALL EXCEPT in.ftpd@192.0.2.1: ALL"}) {
        INFO(rule);
        for (const bool deny : {false, true}) {
            const HostsVerdict got = deny ? verdict("", std::string(rule) + "\n")
                                          : verdict(std::string(rule) + "\n", "ALL: ALL\n");
            CHECK(got.why_not.find(": " + quote_value(rule) + " goes by the address") !=
                    std::string::npos);
        }
    }
    CHECK(text(verdict("", "sshd@192.0.2.1: ALL\nALL: 10.0.0.0/8\n").lists) ==
            "allow  deny 10.0.0.0/8");
    CHECK(text(verdict("", "ALL@192.0.2.1 EXCEPT in.ftpd: ALL\n").lists) == "allow  deny ");
}

TEST_CASE("hosts.allow: the first rule that matches decides, in superd's order too") {
    std::mt19937 random(7);
    const auto below = [&](unsigned bound) {
        return static_cast<unsigned>(random() % bound);
    };
    const char* const places[] = {"10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.1.1.1",
            "10.1.1.2", "10.2.0.0/16", "10.2.0.1", "192.0.2.0/24", "192.0.2.1", "ALL"};
    const char* const clients[] = {"10.1.1.1", "10.1.1.2", "10.1.1.3", "10.1.2.1", "10.2.0.1",
            "10.2.0.2", "10.9.9.9", "192.0.2.1", "192.0.2.2", "198.51.100.1"};
    for (int round = 0; round < 3000; ++round) {
        std::vector<std::pair<std::string, bool>> rules;
        std::string files[2];
        for (const bool deny : {false, true})
            for (unsigned i = below(4); i > 0; --i) {
                const std::string place = places[below(10)];
                files[deny] += "in.ftpd: " + place + "\n";
                rules.emplace_back(place == "ALL" ? "all" : place, !deny);
            }
        INFO(files[0] << "/ " << files[1]);
        const HostsVerdict got = verdict(files[0], files[1]);
        REQUIRE(got.why_not.empty());
        for (const char* client : clients) {
            const auto address = IpAddress::parse(client);
            REQUIRE(address);
            bool expected = true;
            for (const auto& [entry, allow] : rules) {
                int bits = 0;
                if (!matches(entry, *address, bits)) continue;
                expected = allow;
                break;
            }
            INFO(client << ": " << text(got.lists));
            CHECK(lets_in(got.lists, *address) == expected);
        }
    }
}

TEST_CASE("hosts.allow: lists over lists let in what both let in, or are refused") {
    std::mt19937 random(11);
    const auto below = [&](unsigned bound) {
        return static_cast<unsigned>(random() % bound);
    };
    const char* const places[] = {"10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.1.1.1",
            "10.2.0.0/16", "192.0.2.0/24", "192.0.2.1"};
    const char* const clients[] = {"10.1.1.1", "10.1.1.3", "10.1.2.1", "10.2.0.2", "10.9.9.9",
            "192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1"};
    int combined = 0;
    for (int round = 0; round < 3000; ++round) {
        AccessLists lists[2];
        for (AccessLists& one : lists) {
            for (unsigned i = below(3); i > 0; --i)
                one.allow.emplace_back(places[below(7)]);
            for (unsigned i = below(3); i > 0; --i)
                one.deny.emplace_back(places[below(7)]);
        }
        AccessLists both = lists[0];
        if (!restrict_access(both, lists[1])) {
            CHECK(text(both) == text(lists[0]));
            continue;
        }
        ++combined;
        for (const char* client : clients) {
            const auto address = IpAddress::parse(client);
            REQUIRE(address);
            INFO(client << ": " << text(lists[0]) << " and " << text(lists[1]) << " -> "
                        << text(both));
            CHECK(lets_in(both, *address) ==
                    (lets_in(lists[0], *address) && lets_in(lists[1], *address)));
        }
    }
    CHECK(combined > 1000);
    AccessLists named{{"host:db.example.org"}, {}};
    CHECK_FALSE(restrict_access(named, {{"10.0.0.0/8"}, {}}));
}
