// SPDX-License-Identifier: MIT
// Options of a listener that stays.
#include "sys/renew_listener.h"

#include <chrono>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "support/catch.h"
#include "support/sockets.h"

using namespace superd;
using namespace superd::test;

namespace {

void renew(const Fd& fd, const ListenerPlan& from, const ListenerPlan& to) {
    const auto done = renew_listener(fd.get(), from, to);
    INFO((done ? std::string() : done.error().text()));
    CHECK(done);
}

}  // namespace

TEST_CASE("renew: a TCP listener gets options and loses them again") {
    ListenerPlan plain = loopback_plan(ListenerKind::tcp);
    const Fd fd = open_on_free_port(plain);

    struct Row {
        int level, option, wanted;
    };

    const Row rows[] = {{SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 77},
            {IPPROTO_TCP, TCP_KEEPINTVL, 11}, {IPPROTO_TCP, TCP_KEEPCNT, 3},
            {IPPROTO_TCP, TCP_NODELAY, 1}, {IPPROTO_IP, IP_TOS, 16},
            {SOL_SOCKET, SO_PRIORITY, 5}};
    std::vector<int> before;
    for (const Row& row : rows)
        before.push_back(int_option(fd.get(), row.level, row.option));
    ListenerPlan rich = plain;
    rich.keepalive = rich.no_delay = true;
    rich.keepalive_time = std::chrono::seconds(77);
    rich.keepalive_interval = std::chrono::seconds(11);
    rich.keepalive_probes = 3;
    rich.tos = 16;
    rich.priority = 5;
    rich.receive_buffer = 40'000;
    rich.backlog = 7;
    const std::size_t open = open_descriptors();
    renew(fd, plain, rich);
    CHECK(open_descriptors() == open);
    for (const Row& row : rows)
        CHECK(int_option(fd.get(), row.level, row.option) == row.wanted);
    CHECK(int_option(fd.get(), SOL_SOCKET, SO_RCVBUF) == 80'000);
    CHECK(connect_v4(plain.port));
    renew(fd, rich, plain);
    for (std::size_t i = 0; i < before.size(); ++i)
        CHECK(int_option(fd.get(), rows[i].level, rows[i].option) == before[i]);
}

TEST_CASE("renew: what has not changed is not touched, and a place in the file is no change") {
    ListenerPlan plan = loopback_plan(ListenerKind::tcp);
    const Fd fd = open_on_free_port(plan);
    const int on = 1;
    REQUIRE(::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0);
    ListenerPlan moved = plan;
    moved.origin.line = 99;
    renew(fd, plan, moved);
    moved.no_delay = true;
    renew(fd, plan, moved);
    CHECK(int_option(fd.get(), SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(int_option(fd.get(), IPPROTO_TCP, TCP_NODELAY) == 1);
}
