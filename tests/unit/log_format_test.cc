// SPDX-License-Identifier: MIT
#include <csignal>
#include <string>

#include <arpa/inet.h>

#include "log/format.h"

#include "support/catch.h"

using namespace superd;

namespace {

// 2026-11-23T01:48:02.114Z
const Wall moment{std::chrono::seconds(1795398482) + std::chrono::milliseconds(114)};

Endpoint ip(const char* address, std::uint32_t port) {
    Endpoint endpoint;
    endpoint.family = Family::ip;
    endpoint.ip = IpAddress::parse(address).value();
    endpoint.port = port;
    return endpoint;
}

std::string text(const Event& event) {
    std::string out;
    format_text(out, event, moment);
    return out;
}

std::string json(const Event& event) {
    std::string out;
    format_json(out, event, moment);
    return out;
}

IdentEvent identity(std::string_view user, std::string_view error) {
    IdentEvent event;
    event.service = "ssh";
    event.connection = 0x18f2;
    event.peer = ip("198.51.100.7", 51544);
    event.user = user;
    event.error = error;
    return event;
}

RefuseEvent refusal() {
    RefuseEvent event;
    event.service = "ssh";
    event.connection = 0x18f2;
    event.peer = ip("198.51.100.7", 51544);
    event.local = ip("192.0.2.1", 22);
    event.reason = "max_per_source";
    event.rule = "/etc/superd.toml:31";
    return event;
}

ExitEvent an_exit(int status) {
    ExitEvent event;
    event.service = "ssh";
    event.connection = 0x18f2;
    event.pid = 812;
    event.status = status;
    event.duration = std::chrono::milliseconds(1204);
    event.peer = ip("198.51.100.7", 51544);
    return event;
}

}  // namespace

TEST_CASE("log format: what an ident server said is escaped, and silence is a word") {
    const std::string head =
            "2026-11-23T01:48:02.114Z ssh IDENT conn=18f2 from=198.51.100.7:51544 ";
    CHECK(text(identity("alice", "")) == head + "user=alice");
    CHECK(text(identity("a\nREFUSE x=1", "")) == head + "user=\"a\\nREFUSE x=1\"");
    CHECK(text(identity("", "HIDDEN-USER")) == head + "error=HIDDEN-USER");
    CHECK(text(identity("", "")) == head + "error=\"no answer\"");
    CHECK(json(identity("alice", "")) ==
            "{\"time\":\"2026-11-23T01:48:02.114Z\",\"service\":\"ssh\",\"event\":\"IDENT\","
            "\"level\":\"info\",\"conn\":\"18f2\",\"from\":\"198.51.100.7:51544\","
            "\"user\":\"alice\"}");
}

TEST_CASE("log format: a refusal reads exactly as documented") {
    CHECK(text(refusal()) ==
            "2026-11-23T01:48:02.114Z ssh REFUSE conn=18f2 from=198.51.100.7:51544 "
            "to=192.0.2.1:22 "
            "reason=max_per_source rule=/etc/superd.toml:31");
    CHECK(json(refusal()) ==
            "{\"time\":\"2026-11-23T01:48:02.114Z\",\"service\":\"ssh\",\"event\":\"REFUSE\","
            "\"level\":\"notice\",\"conn\":\"18f2\",\"from\":\"198.51.100.7:51544\","
            "\"to\":\"192.0.2.1:22\",\"reason\":\"max_per_source\","
            "\"rule\":\"/etc/superd.toml:31\"}");
}

TEST_CASE("log format: lines left out before a refusal are counted on it") {
    RefuseEvent event = refusal();
    event.suppressed = 12;
    CHECK_THAT(text(event), Catch::EndsWith(" rule=/etc/superd.toml:31 suppressed=12"));
    CHECK_THAT(json(event), Catch::EndsWith(",\"suppressed\":12}"));
}

TEST_CASE("log format: START names connection, process and both ends") {
    StartEvent event{"git", 0xa, 4711, ip("2001:db8::1", 40000), ip("2001:db8::2", 9418)};
    CHECK(text(event) ==
            "2026-11-23T01:48:02.114Z git START conn=a pid=4711 from=[2001:db8::1]:40000 "
            "to=[2001:db8::2]:9418");
    CHECK(json(event) ==
            "{\"time\":\"2026-11-23T01:48:02.114Z\",\"service\":\"git\",\"event\":\"START\","
            "\"level\":\"info\",\"conn\":\"a\",\"pid\":4711,\"from\":\"[2001:db8::1]:40000\","
            "\"to\":\"[2001:db8::2]:9418\"}");
}

TEST_CASE("log format: START of a worker has no connection and no ends") {
    CHECK(text(StartEvent{"tftp", 0, 7, {}, {}}) ==
            "2026-11-23T01:48:02.114Z tftp START pid=7");
}

TEST_CASE("log format: a UNIX connection comes to the socket, not to superd's own user") {
    Endpoint peer;
    peer.family = Family::unix;
    peer.uid = 1000;
    Endpoint local;
    local.family = Family::unix;
    const StartEvent start{"x", 1, 7, peer, local, "unix:@odd name"};
    CHECK_THAT(text(start), Catch::EndsWith("from=uid:1000 to=\"unix:@odd name\""));
    CHECK_THAT(json(start), Catch::EndsWith(R"("from":"uid:1000","to":"unix:@odd name"})"));
    RefuseEvent refuse;
    refuse.service = "x";
    refuse.peer = peer;
    refuse.local = local;
    refuse.socket = "unix:/run/x";
    refuse.reason = "denied";
    CHECK_THAT(text(refuse), Catch::Contains("from=uid:1000 to=unix:/run/x reason=denied"));
}

TEST_CASE("log format: FAIL says how many lines like it were left out") {
    FailEvent event;
    event.service = "web";
    event.stage = "exec";
    event.subject = "/x";
    event.error = ENOENT;
    event.suppressed = 37;
    CHECK_THAT(text(event),
            Catch::EndsWith("web FAIL suppressed=37 exec /x: No such file or directory"));
}

TEST_CASE("log format: EXIT says status, signal or that neither is known") {
    struct Row {
        int status;
        std::string text, json;
    };

    const Row rows[] = {
            {0, "status=0", "\"status\":0"},
            {3 << 8, "status=3", "\"status\":3"},
            {SIGTERM, "signal=TERM", "\"signal\":\"TERM\""},
            {SIGSEGV | 0x80, "signal=SEGV core=yes", "\"signal\":\"SEGV\",\"core\":\"yes\""},
            {SIGRTMIN + 3, "signal=" + std::to_string(SIGRTMIN + 3),
                    "\"signal\":" + std::to_string(SIGRTMIN + 3)},
            {-1, "status=unknown", "\"status\":\"unknown\""},
    };
    for (const Row& row : rows) {
        CHECK(text(an_exit(row.status)) ==
                "2026-11-23T01:48:02.114Z ssh EXIT conn=18f2 pid=812 " + row.text +
                        " duration=1.204s from=198.51.100.7:51544");
        CHECK_THAT(json(an_exit(row.status)),
                Catch::Contains(
                        row.json + ",\"duration\":1.204,\"from\":\"198.51.100.7:51544\"}"));
    }
}

TEST_CASE("log format: FAIL reads as a sentence with stage, subject and errno") {
    FailEvent event;
    event.service = "web";
    event.connection = 1;
    event.stage = "exec";
    event.subject = "/usr/sbin/foo";
    event.error = ENOENT;
    CHECK(text(event) ==
            "2026-11-23T01:48:02.114Z web FAIL conn=1 exec /usr/sbin/foo: No such file or "
            "directory");
    CHECK_THAT(json(event),
            Catch::EndsWith("\"stage\":\"exec\",\"subject\":\"/usr/sbin/foo\",\"errno\":2,"
                            "\"error\":\"No such file or directory\"}"));
    event.detail = "attempt 2";
    CHECK_THAT(text(event), Catch::EndsWith(": No such file or directory (attempt 2)"));
    event.error = 0;
    CHECK_THAT(text(event), Catch::EndsWith(" exec /usr/sbin/foo: attempt 2"));
    event.error = 4095;
    event.detail = {};
    CHECK_THAT(text(event), Catch::EndsWith(" exec /usr/sbin/foo: error 4095"));
}

TEST_CASE("log format: STATE names the old state, the new one and why") {
    const StateEvent event{"git", "running", "backoff", "exit status 1, 3 times"};
    CHECK(text(event) ==
            "2026-11-23T01:48:02.114Z git STATE old=running new=backoff "
            "reason=\"exit status 1, 3 times\"");
    CHECK(level_of(event) == Level::warning);
    CHECK(level_of(StateEvent{"git", "backoff", "failed", ""}) == Level::error);
    CHECK(level_of(StateEvent{"git", "listening", "paused", ""}) == Level::info);
}

TEST_CASE("log format: a notice carries a word only above its ordinary levels") {
    const std::string time = "2026-11-23T01:48:02.114Z ";
    CHECK(text(NoticeEvent{Level::info, "", "ready"}) == time + "superd ready");
    CHECK(text(NoticeEvent{Level::debug, "git", "hm"}) == time + "git hm");
    CHECK(text(NoticeEvent{Level::notice, "git", "hm"}) == time + "git hm");
    CHECK(text(NoticeEvent{Level::warning, "git", "slow"}) == time + "git WARNING slow");
    CHECK(text(NoticeEvent{Level::error, "git", "bad"}) == time + "git ERROR bad");
    CHECK(text(NoticeEvent{Level::critical, "", "worse"}) == time + "superd CRIT worse");
    CHECK(json(NoticeEvent{Level::critical, "", "worse"}) ==
            "{\"time\":\"2026-11-23T01:48:02.114Z\",\"event\":\"NOTICE\",\"level\":"
            "\"critical\","
            "\"text\":\"worse\"}");
}

TEST_CASE("log format: what came from outside stays on one line and in its field") {
    FailEvent event;
    event.service = "web";
    event.stage = "exec";
    event.subject = "/x\n2026 evil START \x1b[31m\\";
    const std::string line = text(event);
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.find('\x1b') == std::string::npos);
    CHECK_THAT(line, Catch::EndsWith("exec /x\\n2026 evil START \\x1b[31m\\\\"));
    RefuseEvent of_user = refusal();
    of_user.user = "alice";
    CHECK_THAT(text(of_user), Catch::EndsWith(" user=alice"));
    of_user.facts = log_host;
    CHECK(text(of_user).find("alice") == std::string::npos);
    RefuseEvent refuse = refusal();
    refuse.rule = "/etc/my files/a=b\":1";
    CHECK_THAT(text(refuse), Catch::EndsWith("rule=\"/etc/my files/a=b\\\":1\""));
    CHECK_THAT(json(refuse), Catch::EndsWith("\"rule\":\"/etc/my files/a=b\\\":1\"}"));
}

TEST_CASE("log format: ends of every family agree with Endpoint::text()") {
    Endpoint local;
    local.family = Family::unix;
    local.uid = 1000;
    Endpoint vsock;
    vsock.family = Family::vsock;
    vsock.scope = 3;
    vsock.port = 5000;
    Endpoint linked = ip("fe80::1", 22);
    linked.scope = 1;
    for (const Endpoint& peer :
            {local, vsock, linked, ip("0.0.0.0", 0), ip("255.255.255.255", 65535), ip("::", 1),
                    ip("::1", 80), ip("2001:db8:0:0:1::1", 443)}) {
        const std::string line = text(StartEvent{"s", 0, 1, peer, {}});
        CHECK_THAT(line, Catch::EndsWith(" from=" + peer.text()));
    }
}

TEST_CASE("log format: the time has its fixed length and follows every change of second") {
    struct Row {
        std::int64_t ms;
        const char* text;
    };

    const Row rows[] = {
            {0, "1970-01-01T00:00:00.000Z"},
            {999, "1970-01-01T00:00:00.999Z"},
            {1000, "1970-01-01T00:00:01.000Z"},
            {-5, "1970-01-01T00:00:00.000Z"},
            {1795398482114, "2026-11-23T01:48:02.114Z"},
            {1795398481999, "2026-11-23T01:48:01.999Z"},  // the clock was set back
            {951782399001, "2000-02-28T23:59:59.001Z"},
            {951782400000, "2000-02-29T00:00:00.000Z"},
    };
    for (const Row& row : rows) {
        std::string out;
        append_time(out, Wall{std::chrono::milliseconds(row.ms)});
        CHECK(out == row.text);
        CHECK(out.size() == time_length);
    }
}

TEST_CASE("log format: a line without room to grow into allocates nothing") {
    std::string out;
    out.reserve(4096);
    const char* data = out.data();
    for (int i = 0; i < 8; ++i)
        format_text(out, refusal(), moment);
    CHECK(out.data() == data);
}

TEST_CASE("log format: the head of a line names priority and service and comes off again") {
    std::string line;
    append_head(line, refusal());
    CHECK(line == "<5>ssh ");
    const Head head = parse_head("<5>ssh 2026 rest");
    CHECK(head.priority == 5);
    CHECK(head.service == "ssh");
    CHECK(head.length == 7);
    line.clear();
    append_head(line, NoticeEvent{Level::critical, "", "x"});
    CHECK(line == "<2> ");
    CHECK(parse_head("<2> text").service.empty());
    CHECK(parse_head("<2> text").length == 4);
    for (const char* odd : {"", "<", "<9>a b", "<5>ab", "5>a b", "<5 a b", "plain text"}) {
        CHECK(parse_head(odd).length == 0);
        CHECK(parse_head(odd).priority == 6);
    }
}

TEST_CASE("log format: levels have names and syslog's numbers") {
    CHECK(level_name(Level::debug) == "debug");
    CHECK(level_name(Level::critical) == "critical");
    CHECK(syslog_priority(Level::debug) == 7);
    CHECK(syslog_priority(Level::info) == 6);
    CHECK(syslog_priority(Level::notice) == 5);
    CHECK(syslog_priority(Level::warning) == 4);
    CHECK(syslog_priority(Level::error) == 3);
    CHECK(syslog_priority(Level::critical) == 2);
}
