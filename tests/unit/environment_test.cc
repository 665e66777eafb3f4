// SPDX-License-Identifier: MIT
// The variables that one connection adds to a handler's environment.
#include <map>

#include "policy/spawn_plan.h"

#include "support/catch.h"
#include "support/sockets.h"

using namespace superd;

namespace {

using Variables = std::map<std::string, std::string>;

Variables variables_of(const ConnectionFacts& facts) {
    std::string text;
    append_connection_environment(text, facts);
    Variables variables;
    for (std::size_t at = 0; at < text.size();) {
        const std::string one = text.c_str() + at;
        const std::size_t sign = one.find('=');
        REQUIRE(sign != std::string::npos);
        REQUIRE(variables.emplace(one.substr(0, sign), one.substr(sign + 1)).second);
        at += one.size() + 1;
    }
    return variables;
}

ConnectionFacts facts_of(
        ListenerKind kind, const Endpoint& peer = {}, const Endpoint& local = {}) {
    ConnectionFacts facts;
    facts.kind = kind;
    facts.peer = peer;
    facts.local = local;
    return facts;
}

}  // namespace

TEST_CASE("environment: a TCP connection has UCSPI's, systemd's and xinetd's variables") {
    const Variables expected{{"PROTO", "TCP"}, {"TCPREMOTEIP", "198.51.100.7"},
            {"TCPREMOTEPORT", "51544"}, {"TCPLOCALIP", "192.0.2.1"}, {"TCPLOCALPORT", "22"},
            {"REMOTE_ADDR", "198.51.100.7"}, {"REMOTE_PORT", "51544"},
            {"REMOTE_HOST", "198.51.100.7"}};
    CHECK(variables_of(facts_of(ListenerKind::tcp, test::ip_endpoint("198.51.100.7", 51544),
                  test::ip_endpoint("192.0.2.1", 22))) == expected);
}

TEST_CASE("environment: a confirmed name and an ident server's user are handed on") {
    ConnectionFacts facts = facts_of(ListenerKind::tcp,
            test::ip_endpoint("198.51.100.7", 51544), test::ip_endpoint("192.0.2.1", 22));
    facts.peer_name = "db.example.org";
    facts.peer_user = "alice";
    auto variables = variables_of(facts);
    CHECK(variables["REMOTE_HOST"] == "db.example.org");
    CHECK(variables["TCPREMOTEHOST"] == "db.example.org");
    CHECK(variables["TCPREMOTEINFO"] == "alice");
    CHECK(variables["TCPREMOTEIP"] == "198.51.100.7");
}

TEST_CASE("environment: an IPv4 client of a socket for both families is shown as IPv4") {
    CHECK(variables_of(facts_of(ListenerKind::tcp, test::ip_endpoint("::ffff:198.51.100.7", 1),
                  test::ip_endpoint("::ffff:192.0.2.1", 2)))["TCPREMOTEIP"] == "198.51.100.7");
}

TEST_CASE("environment: an IPv6 address is in its shortest form, without brackets") {
    auto variables = variables_of(facts_of(ListenerKind::tcp,
            test::ip_endpoint("2001:db8:0:0:0:0:0:1", 65535), test::ip_endpoint("::1", 22)));
    CHECK(variables["TCPREMOTEIP"] == "2001:db8::1");
    CHECK(variables["REMOTE_ADDR"] == "2001:db8::1");
    CHECK(variables["TCPLOCALIP"] == "::1");
    CHECK(variables["REMOTE_PORT"] == "65535");
}

TEST_CASE("environment: a UNIX connection says who its client is, and has no address") {
    ConnectionFacts facts = facts_of(ListenerKind::unix_stream);
    facts.local_path = "/run/x.sock";
    facts.peer.family = Family::unix;
    facts.peer.uid = 1000;
    facts.peer.gid = 100;
    facts.peer.pid = 4711;
    const Variables expected{{"PROTO", "UNIX"}, {"UNIXLOCALPATH", "/run/x.sock"},
            {"UNIXREMOTEEUID", "1000"}, {"UNIXREMOTEEGID", "100"}, {"UNIXREMOTEPID", "4711"}};
    CHECK(variables_of(facts) == expected);
    facts.remote_path = "@client";
    CHECK(variables_of(facts)["REMOTE_ADDR"] == "@client");
}

TEST_CASE("environment: a connection that the kernel has numbered has its cookie") {
    ConnectionFacts facts = facts_of(ListenerKind::tcp, test::ip_endpoint("198.51.100.7", 1),
            test::ip_endpoint("192.0.2.1", 2));
    CHECK(variables_of(facts).count("SO_COOKIE") == 0);
    facts.cookie = 18'446'744'073'709'551'615U;
    CHECK(variables_of(facts)["SO_COOKIE"] == "18446744073709551615");
}

TEST_CASE("environment: a vsock connection has its CID and port") {
    ConnectionFacts facts = facts_of(ListenerKind::vsock);
    facts.peer.family = Family::vsock;
    facts.peer.scope = 3;
    facts.peer.port = 5000;
    const Variables expected{
            {"PROTO", "VSOCK"}, {"REMOTE_ADDR", "vsock:3"}, {"REMOTE_PORT", "5000"}};
    CHECK(variables_of(facts) == expected);
}

TEST_CASE("environment: without a peer there is nothing to say, and what was there stays") {
    std::string text = "BEFORE";
    append_connection_environment(text, {});
    CHECK(text == "BEFORE");
}
