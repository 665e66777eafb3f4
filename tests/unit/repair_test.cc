// SPDX-License-Identifier: MIT
// What a worker can do to the socket that it shares.
#include "sys/repair.h"

#include <cerrno>

#include <fcntl.h>
#include <linux/filter.h>
#include <sys/time.h>

#include "sys/accept.h"

#include "support/catch.h"
#include "support/skip.h"
#include "support/sockets.h"

using namespace superd;
using namespace superd::test;

namespace {

RepairReport repair(const Fd& fd, const ListenerPlan& plan) {
    const auto report = repair_shared_listener(fd.get(), plan);
    INFO((report ? std::string() : report.error().text()));
    REQUIRE(report);
    return *report;
}

void send_datagram(const Fd& from, const std::string& text) {
    REQUIRE(::send(from.get(), text.data(), text.size(), 0) ==
            static_cast<ssize_t>(text.size()));
}

std::string receive(int fd) {
    char buffer[64];
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    return got < 0 ? "nothing" : std::string(buffer, static_cast<std::size_t>(got));
}

// Some kernels keep filters on TCP for the privileged.
bool attach_filter(int fd) {
    sock_filter drop_all[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
    const sock_fprog program{1, drop_all};
    if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0)
        return true;
    skip("no socket filter on this socket without privileges");
    return false;
}

std::uint32_t source_port(const DatagramIdentity& datagram) {
    return datagram.from.port;
}

}  // namespace

TEST_CASE("repair: an untouched listener needs nothing, whatever its kind") {
    const Scratch scratch;
    const ListenerPlan plans[] = {loopback_plan(ListenerKind::tcp),
            loopback_plan(ListenerKind::udp),
            path_plan(ListenerKind::unix_stream, scratch / "a"),
            path_plan(ListenerKind::unix_dgram, scratch / "b"),
            path_plan(ListenerKind::unix_seqpacket, scratch / "c"),
            path_plan(ListenerKind::fifo, scratch / "d")};
    for (const ListenerPlan& plan : plans) {
        CAPTURE(plan.address);
        const Fd fd = open_or_fail(plan);
        const RepairReport report = repair(fd, plan);
        CHECK(report.text() == "");
        CHECK_FALSE(report.any());
    }
}

TEST_CASE("repair: a TCP listener that a worker shut down listens again") {
    ListenerPlan plan = loopback_plan(ListenerKind::tcp);
    const Fd fd = open_on_free_port(plan);
    REQUIRE(::shutdown(fd.get(), SHUT_RDWR) == 0);
    CHECK_FALSE(connect_v4(plan.port));
    const RepairReport report = repair(fd, plan);
    CHECK(report.listening);
    CHECK_FALSE(report.must_reopen);
    CHECK(report.text() == "had been shut down: listens again");
    CHECK(connect_v4(plan.port));
    Endpoint peer;
    CHECK(accept_connection(fd.get(), plan.kind, peer).outcome == AcceptOutcome::accepted);
    CHECK_FALSE(repair(fd, plan).any());
}

TEST_CASE("repair: a UNIX listener that was shut down has to be opened anew, and can be") {
    const Scratch scratch;
    for (const ListenerKind kind : {ListenerKind::unix_stream, ListenerKind::unix_seqpacket,
                 ListenerKind::unix_dgram}) {
        const ListenerPlan plan =
                path_plan(kind, scratch / std::to_string(static_cast<int>(kind)));
        Fd fd = open_or_fail(plan);
        REQUIRE(::shutdown(fd.get(), SHUT_RDWR) == 0);
        CHECK(repair(fd, plan).must_reopen);
        fd.reset();
        fd = open_or_fail(plan);
        CHECK_FALSE(repair(fd, plan).any());
    }
}

TEST_CASE("repair: a datagram socket that a worker connected hears everybody again") {
    ListenerPlan plan = loopback_plan(ListenerKind::udp);
    const Fd fd = open_on_free_port(plan);
    const Fd favourite = connect_v4(plan.port, SOCK_DGRAM),
             other = connect_v4(plan.port, SOCK_DGRAM);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    send_datagram(favourite, "one");
    REQUIRE(::getsockname(favourite.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    const RepairReport report = repair(fd, plan);
    CHECK(report.connected);
    CHECK(port_of(fd.get()) == plan.port);
    CHECK(receive(fd.get()) == "one");  // what waited is still there
    send_datagram(other, "two");
    CHECK(receive(fd.get()) == "two");
    CHECK_FALSE(repair(fd, plan).any());
}

TEST_CASE("repair: flags, timeouts and filters that a worker left are taken off") {
    for (const ListenerKind kind : {ListenerKind::tcp, ListenerKind::udp}) {
        ListenerPlan plan = loopback_plan(kind);
        const Fd fd = open_on_free_port(plan);
        REQUIRE(::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK) == 0);
        const timeval time{3, 0};
        REQUIRE(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
        const bool filtered = attach_filter(fd.get());
        const RepairReport report = repair(fd, plan);
        CHECK(report.blocking);
        CHECK(report.timeouts);
        CHECK(report.filter == filtered);
        const std::string mended = "made non-blocking again, timeouts cleared";
        CHECK(report.text() == mended + (filtered ? ", socket filter detached" : ""));
        CHECK_FALSE(repair(fd, plan).any());
        const Fd client =
                connect_v4(plan.port, kind == ListenerKind::tcp ? SOCK_STREAM : SOCK_DGRAM);
        REQUIRE(client);
        if (kind == ListenerKind::udp) send_datagram(client, "heard");
        CHECK(wait_readable(fd.get()));
    }
}

TEST_CASE("repair: a send timeout is found as well as a receive timeout") {
    ListenerPlan plan = loopback_plan(ListenerKind::udp);
    const Fd fd = open_or_fail(plan);
    const timeval time{0, 500'000};
    REQUIRE(::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) == 0);
    CHECK(repair(fd, plan).timeouts);
    CHECK_FALSE(repair(fd, plan).any());
}

TEST_CASE("repair: a locked filter cannot be taken off, and that is said") {
    const ListenerPlan plan = loopback_plan(ListenerKind::udp);
    const Fd fd = open_or_fail(plan);
    if (!attach_filter(fd.get())) return;
    const int one = 1;
    REQUIRE(::setsockopt(fd.get(), SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof one) == 0);
    const auto report = repair_shared_listener(fd.get(), plan);
    REQUIRE_FALSE(report);
    CHECK(report.error().operation == "detach filter");
}

TEST_CASE("repair: superd's own filter stays, and the rest is mended beside it") {
    const ListenerPlan plan = loopback_plan(ListenerKind::udp);
    const Fd fd = open_or_fail(plan);
    if (!attach_filter(fd.get())) return;
    const int one = 1;
    REQUIRE(::setsockopt(fd.get(), SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof one) == 0);
    REQUIRE(::fcntl(fd.get(), F_SETFL, 0) == 0);
    const auto report = repair_shared_listener(fd.get(), plan, true);
    REQUIRE(report);
    const RepairReport& done = *report;
    CHECK(done.blocking);
    CHECK_FALSE(done.filter);
    int filtered = 0;
    socklen_t size = sizeof filtered;
    CHECK(::getsockopt(fd.get(), SOL_SOCKET, SO_LOCK_FILTER, &filtered, &size) == 0);
    CHECK(filtered == 1);
}

TEST_CASE("repair: a pending error is cleared and named") {
    ListenerPlan plan = loopback_plan(ListenerKind::udp);
    const Fd fd = open_on_free_port(plan);
    // A worker that connected to a dead port leaves ECONNREFUSED behind.
    ListenerPlan dead = loopback_plan(ListenerKind::udp);
    open_on_free_port(dead).reset();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(dead.port));
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::send(fd.get(), "x", 1, 0) == 1);
    pollfd poll{fd.get(), 0, 0};
    REQUIRE(::poll(&poll, 1, 10000) == 1);
    const RepairReport report = repair(fd, plan);
    CHECK(report.connected);
    CHECK(report.error == ECONNREFUSED);
    CHECK(report.text() ==
            "had been connected: open for all again, pending error cleared: Connection "
            "refused");
    CHECK_FALSE(repair(fd, plan).any());
}

TEST_CASE("repair: a FIFO is made non-blocking again") {
    const Scratch scratch;
    const ListenerPlan plan = path_plan(ListenerKind::fifo, scratch / "pipe");
    const Fd fd = open_or_fail(plan);
    REQUIRE(::fcntl(fd.get(), F_SETFL, 0) == 0);
    CHECK(repair(fd, plan).blocking);
    CHECK((::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0);
}

TEST_CASE("unread datagrams: the first one is the same as long as nobody reads it") {
    const Fd fd = open_or_fail(loopback_plan(ListenerKind::udp));
    CHECK_FALSE(first_datagram(fd.get()));
    CHECK_FALSE(drop_first_datagram(fd.get()));
    const Fd client = connect_v4(port_of(fd.get()), SOCK_DGRAM);
    send_datagram(client, "one");
    send_datagram(client, "two");
    const auto first = first_datagram(fd.get());
    REQUIRE(first);
    CHECK(source_port(*first) == port_of(client.get()));
    CHECK(first->from.ip.text() == "127.0.0.1");
    CHECK(first->received != 0);
    CHECK(first_datagram(fd.get()) == first);
    // Workers did not ask for timestamps.
    CHECK(int_option(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS) == 0);
    CHECK(receive(fd.get()) == "one");  // looking took no byte
    const auto second = first_datagram(fd.get());
    REQUIRE(second);
    CHECK(second != first);
    CHECK(drop_first_datagram(fd.get()));
    CHECK(receive(fd.get()) == "nothing");
}

TEST_CASE("unread datagrams: only the first is dropped, an empty one too") {
    const Fd fd = open_or_fail(loopback_plan(ListenerKind::udp));
    const Fd client = connect_v4(port_of(fd.get()), SOCK_DGRAM);
    send_datagram(client, "");
    send_datagram(client, "second");
    CHECK(first_datagram(fd.get()));
    CHECK(drop_first_datagram(fd.get()));
    CHECK(receive(fd.get()) == "second");
}

TEST_CASE("unread datagrams: on UNIX sockets as well") {
    const Scratch scratch;
    const Fd fd = open_or_fail(path_plan(ListenerKind::unix_dgram, scratch / "x"));
    const Fd client = connect_unix(scratch / "x", SOCK_DGRAM);
    send_datagram(client, "one");
    send_datagram(client, "two");
    const auto first = first_datagram(fd.get());
    REQUIRE(first);
    CHECK(first->received != 0);
    CHECK(first_datagram(fd.get()) == first);
    CHECK(drop_first_datagram(fd.get()));
    CHECK(first_datagram(fd.get()) != first);
    CHECK(receive(fd.get()) == "two");
}

TEST_CASE("unread datagrams: what is no datagram socket is left alone") {
    const Scratch scratch;
    const Fd pipe = open_or_fail(path_plan(ListenerKind::fifo, scratch / "pipe"));
    CHECK_FALSE(first_datagram(pipe.get()));
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    const Fd left(pair[0]), right(pair[1]);
    REQUIRE(::send(left.get(), "keep", 4, 0) == 4);
    CHECK_FALSE(first_datagram(right.get()));
    CHECK_FALSE(drop_first_datagram(right.get()));
    CHECK(receive(right.get()) == "keep");
}
