// SPDX-License-Identifier: MIT
#include "control/object.h"
#include "control/wait_for.h"

#include "support/catch.h"

using namespace superd;

TEST_CASE("explain: peers are read in every form people write") {
    const std::pair<const char*, const char*> forms[] = {{"198.51.100.7", "198.51.100.7:0"},
            {"198.51.100.7:51544", "198.51.100.7:51544"}, {"2001:db8::1", "[2001:db8::1]:0"},
            {"[2001:db8::1]", "[2001:db8::1]:0"}, {"[2001:db8::1]:80", "[2001:db8::1]:80"},
            {"uid:1000", "uid:1000"}, {"uid:1000,gid:100", "uid:1000"},
            {"vsock:3", "vsock:3:0"}, {"fe80::1%lo", "[fe80::1%lo]:0"},
            {"[fe80::1%lo]:80", "[fe80::1%lo]:80"}, {"fe80::1%4000000", "[fe80::1%4000000]:0"}};
    for (const auto& [text, shown] : forms) {
        INFO(text);
        const auto endpoint = parse_endpoint(text);
        REQUIRE(endpoint);
        CHECK(endpoint->text() == shown);
    }
    CHECK(parse_endpoint("uid:1000,gid:100")->gid == 100);
    CHECK(parse_endpoint("uid:1000")->gid == 0xffffffff);  // none, and not root's
}

TEST_CASE("explain: a user is asked about with all groups") {
    const auto asker = parse_asker("uid:1000,gid:100,groups:27+46");
    REQUIRE(asker);
    CHECK(asker->peer.uid == 1000);
    CHECK(asker->peer.gid == 100);
    CHECK(asker->groups == std::vector<std::uint32_t>{27, 46});
    REQUIRE(parse_asker("198.51.100.7"));
    for (const char* text : {"uid:1,gid:1,groups:", "uid:1,groups:1+", "uid:1,groups:x",
                 "198.51.100.7,groups:1", ",groups:1"}) {
        INFO(text);
        CHECK_FALSE(parse_asker(text));
    }
}

TEST_CASE("explain: what is no peer is refused") {
    for (const char* text : {"", "example.org", "10.0.0.0/8", "198.51.100.7:",
                 "198.51.100.7:99999", "[2001:db8::1", "[2001:db8::1]80", "uid:", "uid:-1",
                 "uid:1,gid:", "vsock:", "fe80::1%", "fe80::1%nosuch", "192.0.2.1%lo"}) {
        INFO(text);
        CHECK_FALSE(parse_endpoint(text));
    }
}

TEST_CASE("wait: every state is judged for everything one can wait for") {
    using enum ServiceState;
    using enum WaitState;

    struct Row {
        ServiceState state;
        WaitState running, ready, stopped, idle;
        bool process = false;
    };

    const Row rows[] = {{disabled, hopeless, hopeless, reached, reached},
            {stopped, hopeless, hopeless, reached, reached},
            {waiting, pending, pending, pending, reached},
            {listening, pending, reached, pending, reached},
            {starting, pending, pending, pending, pending, true},
            {running, reached, reached, pending, pending, true},
            {reloading, reached, pending, pending, pending, true},
            {draining, reached, pending, pending, pending, true},
            {paused, pending, pending, pending, reached},
            {backoff, pending, pending, pending, reached},
            {stopping, reached, pending, pending, pending, true},
            {failed, hopeless, hopeless, reached, reached}};
    CHECK(std::size(rows) == static_cast<std::size_t>(ServiceState::count));
    for (const auto& row : rows) {
        INFO(state_name(row.state));
        ServiceStatus service;
        service.state = row.state;
        if (row.process) service.processes.emplace_back();
        CHECK(check_wait(*parse_wait_for("running"), service) == row.running);
        CHECK(check_wait(*parse_wait_for("ready"), service) == row.ready);
        CHECK(check_wait(*parse_wait_for("stopped"), service) == row.stopped);
        CHECK(check_wait(*parse_wait_for("idle"), service) == row.idle);
        CHECK(check_wait(*parse_wait_for("paused"), service) ==
                (row.state == paused ? reached : pending));
    }
}

TEST_CASE("wait: every name of a state can be waited for, other words cannot") {
    for (int i = 0; i < static_cast<int>(ServiceState::count); ++i)
        CHECK(parse_wait_for(state_name(static_cast<ServiceState>(i))));
    for (const char* word : {"", "green", "Running", "running "})
        CHECK_FALSE(parse_wait_for(word));
}

TEST_CASE("wait: listening means that every listener is open") {
    ServiceStatus service;
    service.state = ServiceState::listening;
    CHECK(check_wait(*parse_wait_for("listening"), service) == WaitState::pending);
    service.listeners.resize(2);
    service.listeners[0].state = service.listeners[1].state = "listening";
    CHECK(check_wait(*parse_wait_for("listening"), service) == WaitState::reached);
    service.listeners[1].state = "waiting";
    CHECK(check_wait(*parse_wait_for("listening"), service) == WaitState::pending);
}
