// SPDX-License-Identifier: MIT
// Who waits at a listener.
#include "sys/client_queue.h"

#include <string>

#include <sys/socket.h>
#include <sys/stat.h>

#include "sys/accept.h"

#include "support/catch.h"
#include "support/skip.h"
#include "support/sockets.h"

using namespace superd;
using namespace superd::test;

namespace {

std::uint32_t inode_of(const Fd& fd) {
    struct stat facts {};

    REQUIRE(::fstat(fd.get(), &facts) == 0);
    return static_cast<std::uint32_t>(facts.st_ino);
}

void accept_one(const Fd& fd, ListenerKind kind) {
    Endpoint peer;
    CHECK(accept_connection(fd.get(), kind, peer).outcome == AcceptOutcome::accepted);
}

}  // namespace

TEST_CASE("client queue: those who wait at a TCP listener are counted") {
    ListenerPlan plan = loopback_plan(ListenerKind::tcp);
    const Fd fd = open_on_free_port(plan);
    CHECK(client_queue_of(fd.get()) == ClientQueue{0});
    const Fd first = connect_v4(plan.port), second = connect_v4(plan.port);
    CHECK(client_queue_of(fd.get()) == ClientQueue{2});
    accept_one(fd, plan.kind);
    CHECK(client_queue_of(fd.get()) == ClientQueue{1});
    CHECK_FALSE(client_queue_of(first.get()));
}

TEST_CASE("client queue: at a UNIX listener it is known too who stands first") {
    const Scratch scratch;
    for (const ListenerKind kind : {ListenerKind::unix_stream, ListenerKind::unix_seqpacket}) {
        const int type = kind == ListenerKind::unix_stream ? SOCK_STREAM : SOCK_SEQPACKET;
        const std::string path = scratch / std::to_string(type);
        const Fd fd = open_or_fail(path_plan(kind, path));
        const auto empty = client_queue_of(fd.get());
        if (!empty) return skip("the kernel has no unix_diag");
        CHECK(empty == ClientQueue{});
        const Fd first = connect_unix(path, type), second = connect_unix(path, type);
        CHECK(client_queue_of(fd.get()) == ClientQueue{2, inode_of(first)});
        accept_one(fd, kind);
        CHECK(client_queue_of(fd.get()) == ClientQueue{1, inode_of(second)});
        const Fd third = connect_unix(path, type);
        CHECK(client_queue_of(fd.get()) == ClientQueue{2, inode_of(second)});
        CHECK_FALSE(client_queue_of(third.get()));
    }
}

TEST_CASE("client queue: of a long one the length alone is known, and so is of who has gone") {
    const Scratch scratch;
    const std::string path = scratch / "a";
    const Fd fd = open_or_fail(path_plan(ListenerKind::unix_stream, path));
    if (!client_queue_of(fd.get())) return skip("the kernel has no unix_diag");
    const auto come_and_go = [&](int count) {
        for (int i = 0; i < count; ++i)
            REQUIRE(connect_unix(path));
    };
    come_and_go(1);
    CHECK(client_queue_of(fd.get()) == ClientQueue{1, 0});
    come_and_go(1);
    const Fd client = connect_unix(path);
    come_and_go(799);
    CHECK(client_queue_of(fd.get()) == ClientQueue{802, 0});
    accept_one(fd, ListenerKind::unix_stream);
    CHECK(client_queue_of(fd.get()) == ClientQueue{801, 0});
    accept_one(fd, ListenerKind::unix_stream);
    CHECK(client_queue_of(fd.get()) == ClientQueue{800, inode_of(client)});
}
