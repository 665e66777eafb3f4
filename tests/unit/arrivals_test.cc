// SPDX-License-Identifier: MIT
#include "engine/arrivals.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "sys/accept.h"

#include "support/catch.h"
#include "support/sockets.h"

using namespace superd;
using namespace superd::test;

namespace {

void come_and_go(const Fd& listener, const Fd& client, ListenerKind kind) {
    Endpoint peer;
    CHECK(client.get() >= 0);
    CHECK(accept_connection(listener.get(), kind, peer).outcome == AcceptOutcome::accepted);
}

}  // namespace

TEST_CASE("arrivals: who came and went between two questions is known of") {
    Loop loop;
    Arrivals arrivals(loop);
    ListenerPlan plan = loopback_plan(ListenerKind::tcp);
    const Fd listener = open_on_free_port(plan);
    CHECK(arrivals.take(listener.get()));  // nobody knows who came before
    CHECK_FALSE(arrivals.take(listener.get()));
    for (int i = 0; i < 3; ++i)
        come_and_go(listener, connect_v4(plan.port), plan.kind);
    CHECK(arrivals.take(listener.get()));
    CHECK_FALSE(arrivals.take(listener.get()));
    come_and_go(listener, connect_v4(plan.port), plan.kind);
    loop.turn(true);  // the signal is one wake-up
    CHECK(arrivals.take(listener.get()));
    CHECK_FALSE(arrivals.take(listener.get()));
    arrivals.forget(listener.get());
    CHECK((::fcntl(listener.get(), F_GETFL) & O_ASYNC) == 0);
}

TEST_CASE("arrivals: at UNIX listeners too, and each of several is told apart") {
    const Scratch scratch;
    Loop loop;
    Arrivals arrivals(loop);
    const Fd stream = open_or_fail(path_plan(ListenerKind::unix_stream, scratch / "s"));
    const Fd packets = open_or_fail(path_plan(ListenerKind::unix_seqpacket, scratch / "p"));
    CHECK(arrivals.take(stream.get()));
    CHECK(arrivals.take(packets.get()));
    come_and_go(
            packets, connect_unix(scratch / "p", SOCK_SEQPACKET), ListenerKind::unix_seqpacket);
    CHECK_FALSE(arrivals.take(stream.get()));
    CHECK(arrivals.take(packets.get()));
    come_and_go(stream, connect_unix(scratch / "s"), ListenerKind::unix_stream);
    CHECK(arrivals.take(stream.get()));
    CHECK_FALSE(arrivals.take(packets.get()));
    arrivals.forget(stream.get());
    arrivals.forget(packets.get());
}

TEST_CASE("arrivals: a worker that sets its flags anew takes nothing unseen away") {
    Loop loop;
    Arrivals arrivals(loop);
    ListenerPlan plan = loopback_plan(ListenerKind::tcp);
    const Fd listener = open_on_free_port(plan);
    CHECK(arrivals.take(listener.get()));
    REQUIRE(::fcntl(listener.get(), F_SETFL, O_NONBLOCK) == 0);
    come_and_go(listener, connect_v4(plan.port), plan.kind);
    CHECK(arrivals.take(listener.get()));
    CHECK_FALSE(arrivals.take(listener.get()));
    // Superd's own switch leaves the worker's alone.
    CHECK((::fcntl(listener.get(), F_GETFL) & O_NONBLOCK) != 0);
    arrivals.forget(listener.get());
    CHECK((::fcntl(listener.get(), F_GETFL) & O_NONBLOCK) != 0);
}
