// SPDX-License-Identifier: MIT
#include "engine/farewells.h"

#include <string>

#include <fcntl.h>
#include <sys/socket.h>

#include "sys/accept.h"

#include "support/catch.h"
#include "support/sockets.h"

using namespace superd;
using namespace superd::test;

namespace {

struct Conversation {
    explicit Conversation(ListenerKind kind = ListenerKind::tcp)
            : listener(kind == ListenerKind::tcp
                               ? open_or_fail(loopback_plan(kind))
                               : open_or_fail(path_plan(kind, scratch / "x"))),
              client(kind == ListenerKind::tcp
                              ? connect_v4(port_of(listener.get()))
                              : connect_unix(scratch / "x", kind == ListenerKind::unix_stream
                                                                    ? SOCK_STREAM
                                                                    : SOCK_SEQPACKET)) {
        REQUIRE(client);
        Endpoint peer;
        Accepted got = accept_connection(listener.get(), kind, peer);
        REQUIRE(got.outcome == AcceptOutcome::accepted);
        server = std::move(got.connection);
    }

    Scratch scratch;
    Fd listener, client, server;
};

// What the client reads while the loop turns; "ERROR n" where it ends badly.
std::string read_while_turning(Loop& loop, int fd) {
    std::string text;
    char block[65536];
    for (int i = 0; i < 100'000; ++i) {
        const ssize_t n = ::recv(fd, block, sizeof block, MSG_DONTWAIT);
        if (n == 0) return text;
        if (n < 0 && errno != EAGAIN) return "ERROR " + std::to_string(errno);
        if (n > 0) text.append(block, static_cast<std::size_t>(n));
        loop.turn(false);
    }
    return text + " and no end";
}

void turn_until_empty(Loop& loop, const Farewells& farewells) {
    for (int i = 0; i < 100'000 && farewells.size() > 0; ++i)
        loop.turn(false);
    CHECK(farewells.size() == 0);
}

}  // namespace

TEST_CASE(
        "farewells: the text and a plain end, though the client sent much and goes on "
        "sending") {
    Loop loop;
    Farewells farewells(loop);
    Conversation talk;
    const std::string noise(200'000, 'x');
    REQUIRE(::send(talk.client.get(), noise.data(), noise.size(), MSG_DONTWAIT) > 0);
    REQUIRE(wait_readable(talk.server.get()));
    farewells.take(std::move(talk.server), ListenerKind::tcp, "come back later\n");
    CHECK(farewells.size() == 1);
    CHECK(::send(talk.client.get(), noise.data(), noise.size(), MSG_DONTWAIT) > 0);
    CHECK(read_while_turning(loop, talk.client.get()) == "come back later\n");
    talk.client.reset();
    turn_until_empty(loop, farewells);
}

TEST_CASE("farewells: a text larger than the socket's buffer arrives whole") {
    Loop loop;
    Farewells farewells(loop);
    Conversation talk;
    const std::string text(16 << 20, 'b');
    farewells.take(std::move(talk.server), ListenerKind::tcp, text);
    CHECK(farewells.size() == 1);
    CHECK(read_while_turning(loop, talk.client.get()) == text);
}

TEST_CASE("farewells: a client that has closed its half still gets all of a large text") {
    Loop loop;
    Farewells farewells(loop);
    Conversation talk;
    const std::string text(16 << 20, 'b');
    ::shutdown(talk.client.get(), SHUT_WR);
    farewells.take(std::move(talk.server), ListenerKind::tcp, text);
    CHECK(read_while_turning(loop, talk.client.get()) == text);
    turn_until_empty(loop, farewells);
}

TEST_CASE("farewells: on UNIX sockets what the client sent is no reset either") {
    for (const ListenerKind kind : {ListenerKind::unix_stream, ListenerKind::unix_seqpacket}) {
        Loop loop;
        Farewells farewells(loop);
        Conversation talk(kind);
        REQUIRE(::send(talk.client.get(), "hello", 5, 0) == 5);
        farewells.take(std::move(talk.server), kind, "no\n");
        ::shutdown(talk.client.get(), SHUT_WR);
        CHECK(read_while_turning(loop, talk.client.get()) == "no\n");
        turn_until_empty(loop, farewells);
    }
}

TEST_CASE("farewells: a client that closed first is let go at once") {
    Loop loop;
    Farewells farewells(loop);
    Conversation talk;
    talk.client.reset();
    REQUIRE(wait_readable(talk.server.get()));
    farewells.take(std::move(talk.server), ListenerKind::tcp, "late\n");
    CHECK(farewells.size() == 0);
}

TEST_CASE("farewells: one more than there is room for takes the place of the oldest") {
    Loop loop;
    Farewells farewells(loop);
    const Fd listener = open_or_fail(loopback_plan(ListenerKind::tcp));
    std::vector<Fd> clients;
    for (std::size_t i = 0; i <= Farewells::most; ++i) {
        clients.push_back(connect_v4(port_of(listener.get())));
        Endpoint peer;
        Accepted got = accept_connection(listener.get(), ListenerKind::tcp, peer);
        REQUIRE(got.outcome == AcceptOutcome::accepted);
        farewells.take(std::move(got.connection), ListenerKind::tcp, "no\n");
    }
    CHECK(farewells.size() == Farewells::most);
    CHECK(read_while_turning(loop, clients.front().get()) == "no\n");
    CHECK(read_while_turning(loop, clients.back().get()) == "no\n");
}
