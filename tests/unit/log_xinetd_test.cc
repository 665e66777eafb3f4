// SPDX-License-Identifier: MIT
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>

#include "log/format.h"

#include "support/catch.h"

using namespace superd;

namespace {

Endpoint ip(const char* address) {
    Endpoint endpoint;
    endpoint.family = Family::ip;
    endpoint.ip = IpAddress::parse(address).value();
    endpoint.port = 51544;
    return endpoint;
}

// Each line behind a '|'.
std::string xinetd(const Event& event) {
    std::string out;
    append_xinetd(out, event);
    for (char& c : out)
        if (c == xinetd_mark) c = '|';
    return out;
}

std::string text(const Event& event) {
    std::string out;
    format_text(out, event, Wall{});
    return out.substr(time_length + 1);
}

StartEvent start(unsigned facts = all_facts) {
    StartEvent event;
    event.service = "ssh";
    event.connection = 1;
    event.pid = 812;
    event.peer = ip("192.0.2.7");
    event.facts = static_cast<std::uint8_t>(facts);
    return event;
}

ExitEvent end(int status, unsigned facts = all_facts) {
    ExitEvent event;
    event.service = "ssh";
    event.connection = 1;
    event.pid = 812;
    event.status = status;
    event.duration = std::chrono::milliseconds(2900);
    event.peer = ip("192.0.2.7");
    event.facts = static_cast<std::uint8_t>(facts);
    return event;
}

RefuseEvent refuse(std::string_view reason, unsigned facts = all_facts) {
    RefuseEvent event;
    event.service = "ssh";
    event.connection = 1;
    event.peer = ip("2001:db8::1");
    event.reason = reason;
    event.facts = static_cast<std::uint8_t>(facts);
    return event;
}

}  // namespace

TEST_CASE("log xinetd: START has pid and from as far as they are chosen") {
    CHECK(xinetd(start()) == "|START: ssh pid=812 from=192.0.2.7");
    CHECK(xinetd(start(log_pid)) == "|START: ssh pid=812");
    CHECK(xinetd(start(log_host)) == "|START: ssh from=192.0.2.7");
    CHECK(xinetd(start(log_duration)) == "|START: ssh");
    StartEvent worker = start();
    worker.peer = {};
    CHECK(xinetd(worker) == "|START: ssh pid=812 from=<no address>");
}

TEST_CASE("log xinetd: EXIT has status or signal, pid and whole seconds") {
    CHECK(xinetd(end(0)) == "|EXIT: ssh status=0 pid=812 duration=2(sec)");
    CHECK(xinetd(end(3 << 8)) == "|EXIT: ssh status=3 pid=812 duration=2(sec)");
    CHECK(xinetd(end(SIGKILL)) == "|EXIT: ssh signal=9 pid=812 duration=2(sec)");
    CHECK(xinetd(end(-1)) == "|EXIT: ssh pid=812 duration=2(sec)");
    CHECK(xinetd(end(0, log_duration)) == "|EXIT: ssh duration=2(sec)");
    CHECK(xinetd(end(0, log_exit)) == "|EXIT: ssh status=0");
}

TEST_CASE("log xinetd: a relayed connection ends with TRAFFIC and a status of 0") {
    ExitEvent relayed = end(-1);
    relayed.pid = 0;
    relayed.end = "finished";
    relayed.received = 6;
    relayed.sent = 4096;
    CHECK(xinetd(relayed) ==
            "|TRAFFIC: ssh in=6(bytes) out=4096(bytes)"
            "|EXIT: ssh status=0 pid=0 duration=2(sec)");
    relayed.facts = log_traffic;
    CHECK(xinetd(relayed) == "|TRAFFIC: ssh in=6(bytes) out=4096(bytes)");
    relayed.facts = log_exit;
    CHECK(xinetd(relayed) == "|EXIT: ssh status=0");
    relayed.facts = all_facts;
    relayed.end = "connect";
    CHECK(xinetd(relayed) == "|EXIT: ssh status=0 pid=0 duration=2(sec)");
    relayed.end = "relay_lost";
    CHECK(xinetd(relayed) ==
            "|TRAFFIC: ssh in=6(bytes) out=4096(bytes)"
            "|EXIT: ssh pid=0 duration=2(sec)");
    // A process of its own has no traffic that superd knew of.
    CHECK(xinetd(end(0, log_traffic)) == "|EXIT: ssh");
}

TEST_CASE("log xinetd: FAIL has xinetd's word for the reason, and superd's where it has none") {
    struct Row {
        std::string_view superd, xinetd;
    };

    const Row rows[] = {{"not_allowed", "address"}, {"denied", "address"}, {"hours", "time"},
            {"max_connections", "service_limit"}, {"max_per_source", "per_source_limit"},
            {"rate", "connections per second"}, {"rate_per_source", "connections per second"},
            {"load", "load"}, {"max_processes", "process_limit"}, {"tcp_wrappers", "libwrap"},
            {"no_descriptors", "fork"}, {"stopping", "stopping"}};
    for (const Row& row : rows)
        CHECK(xinetd(refuse(row.superd)) ==
                "|FAIL: ssh " + std::string(row.xinetd) + " from=2001:db8::1");
    CHECK(xinetd(refuse("load", log_attempt)) == "|FAIL: ssh load");
}

TEST_CASE("log xinetd: what ident said is USERID, and that it did not is NOID") {
    IdentEvent event;
    event.service = "ssh";
    event.peer = ip("192.0.2.7");
    CHECK(xinetd(event) == "|NOID: ssh 192.0.2.7 no server");
    event.error = "HIDDEN-USER";
    CHECK(xinetd(event) == "|NOID: ssh 192.0.2.7 bad response");
    event.user = "root\n";
    CHECK(xinetd(event) == "|USERID: ssh OTHER :root\\n");
    event.system = "UNIX";
    CHECK(xinetd(event) == "|USERID: ssh UNIX :root\\n");
}

TEST_CASE("log xinetd: other facts are left to the line itself") {
    CHECK(xinetd(NoticeEvent{Level::warning, "ssh", "hm"}).empty());
    CHECK(xinetd(StateEvent{"ssh", "a", "b", ""}).empty());
    CHECK(xinetd(FailEvent{}).empty());
}

TEST_CASE(
        "log xinetd: the chosen facts shape lines of every form, and none of them is no line") {
    CHECK(text(start(log_pid)) == "ssh START conn=1 pid=812");
    CHECK(text(start(log_host)) == "ssh START conn=1 from=192.0.2.7:51544");
    CHECK(text(end(0, log_exit)) == "ssh EXIT conn=1 status=0");
    CHECK(text(end(0, log_duration | log_pid)) == "ssh EXIT conn=1 pid=812 duration=2.900s");
    CHECK(text(refuse("load", log_attempt)) == "ssh REFUSE conn=1 reason=load");
    CHECK(is_wanted(start(log_traffic)));
    CHECK_FALSE(is_wanted(start(0)));
    CHECK_FALSE(is_wanted(end(0, log_pid | log_host)));
    CHECK(is_wanted(end(0, log_traffic)));
    CHECK_FALSE(is_wanted(refuse("load", 0)));
    CHECK(is_wanted(NoticeEvent{}));
}

TEST_CASE("log xinetd: files have the local time as xinetd writes it") {
    ::setenv("TZ", "UTC-2", 1);
    ::tzset();
    std::string out;
    append_xinetd_time(out, Wall(std::chrono::seconds(1795398482)));
    ::unsetenv("TZ");
    ::tzset();
    CHECK(out == "26/11/23@03:48:02: ");
    CHECK(xinetd_level(4) == "WARNING");
    CHECK(xinetd_level(2) == "CRIT");
}
