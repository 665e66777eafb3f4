// SPDX-License-Identifier: MIT
// superd-relay without its process: a Relay turned by hand, superd's end of its channel here.
#include "relay/relay.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "relay/builtins.h"
#include "support/catch.h"
#include "support/relay_bench.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

using Bench = test::RelayBench;

bool at_end(const Fd& client) {
    char byte = 0;
    return ::recv(client.get(), &byte, 1, MSG_DONTWAIT) == 0;
}

}  // namespace

TEST_CASE("relay: echo gives back, and answers the end of file with its own") {
    Bench bench;
    const Fd client = bench.serve(Builtin::echo, 7);
    REQUIRE(::send(client.get(), "hello", 5, 0) == 5);
    CHECK(bench.read(client, 5) == "hello");
    CHECK(bench.relay->conversations() == 1);
    REQUIRE(::send(client.get(), "world", 5, 0) == 5);
    ::shutdown(client.get(), SHUT_WR);
    CHECK(bench.read(client, 100) == "world");
    CHECK(bench.said<EndedMessage>() == EndedMessage{{7, 7}, RelayEnd::finished, 0, 10, 10});
    CHECK(bench.relay->conversations() == 0);
}

TEST_CASE("relay: echo keeps what a client does not read, and gives all of it later") {
    Bench bench;
    const Fd client = bench.serve(Builtin::echo, 1);
    std::string sent;
    for (int i = 0; i < 200; ++i) {
        const std::string part(5000, static_cast<char>('a' + i % 26));
        const ssize_t n = ::send(client.get(), part.data(), part.size(), MSG_DONTWAIT);
        if (n > 0) sent.append(part, 0, static_cast<std::size_t>(n));
        bench.turn(1);
    }
    REQUIRE(sent.size() > 100'000);
    ::shutdown(client.get(), SHUT_WR);
    CHECK(bench.read(client, sent.size() + 1) == sent);
    CHECK(bench.said<EndedMessage>().sent == sent.size());
}

TEST_CASE("relay: discard reads everything and says nothing") {
    Bench bench;
    const Fd client = bench.serve(Builtin::discard, 2);
    const std::string part(100'000, 'x');
    std::size_t sent = 0;
    for (int i = 0; i < 50; ++i) {
        const ssize_t n = ::send(client.get(), part.data(), part.size(), MSG_DONTWAIT);
        if (n > 0) sent += static_cast<std::size_t>(n);
        bench.turn(2);
    }
    char byte = 0;
    CHECK(::recv(client.get(), &byte, 1, MSG_DONTWAIT) == -1);
    ::shutdown(client.get(), SHUT_WR);
    CHECK(bench.said<EndedMessage>() == EndedMessage{{2, 2}, RelayEnd::finished, 0, sent, 0});
    CHECK(at_end(client));
}

TEST_CASE("relay: chargen never ends until its client goes") {
    Bench bench;
    Fd client = bench.serve(Builtin::chargen, 3);
    const std::string text = bench.read(client, 3 * chargen_period);
    std::string wanted;
    while (wanted.size() < text.size())
        wanted += chargen_text(wanted.size());
    CHECK(text == wanted.substr(0, text.size()));
    CHECK(text.size() == 3 * chargen_period);
    ::shutdown(client.get(), SHUT_WR);
    CHECK(bench.silent());
    client.reset();
    CHECK(bench.said<EndedMessage>().end == RelayEnd::finished);
}

TEST_CASE("relay: daytime and time answer once and end") {
    Bench bench;
    const Fd day = bench.serve(Builtin::daytime, 4), time = bench.serve(Builtin::time, 5);
    CHECK(bench.read(day, 100) == daytime_text(bench.clock.wall()));
    CHECK(bench.read(time, 100) == time_bytes(bench.clock.wall()));
    CHECK(at_end(time));
    ::shutdown(day.get(), SHUT_WR);
    CHECK(bench.said<EndedMessage>() == EndedMessage{{4, 4}, RelayEnd::finished, 0, 0, 26});
}

TEST_CASE(
        "relay: a connection without traffic ends after its idle time, counted anew by each "
        "byte") {
    Bench bench;
    const Fd client = bench.serve(Builtin::echo, 6, 10s);
    bench.turn();
    bench.clock.advance(9s);
    REQUIRE(::send(client.get(), "x", 1, 0) == 1);
    CHECK(bench.read(client, 1) == "x");
    bench.clock.advance(9s);
    CHECK(bench.silent());
    bench.clock.advance(2s);
    CHECK(bench.said<EndedMessage>() == EndedMessage{{6, 6}, RelayEnd::idle, 0, 1, 1});
    CHECK(at_end(client));
}

TEST_CASE("relay: superd ends a connection by its name, and a wrong number ends none") {
    Bench bench;
    const Fd client = bench.serve(Builtin::echo, 8);
    bench.turn();
    bench.tell(EndMessage{{8, 9}});
    bench.tell(EndMessage{{9, 8}});
    CHECK(bench.silent());
    bench.tell(EndMessage{{8, 8}});
    CHECK(bench.said<EndedMessage>().end == RelayEnd::asked);
    CHECK(at_end(client));
}

TEST_CASE("relay: a connection that is given twice is served once") {
    Bench bench;
    const Fd client = bench.serve(Builtin::echo, 10);
    bench.turn();
    const Fd again = bench.serve(Builtin::echo, 10);
    bench.turn();
    CHECK(at_end(again));
    REQUIRE(::send(client.get(), "x", 1, 0) == 1);
    CHECK(bench.read(client, 1) == "x");
    CHECK(bench.relay->conversations() == 1);
}

TEST_CASE("relay: without superd it serves what it has to the end, then stops") {
    Bench bench;
    Fd client = bench.serve(Builtin::echo, 11);
    bench.turn();
    bench.channel.reset();
    bench.turn();
    CHECK(bench.going);
    REQUIRE(::send(client.get(), "x", 1, 0) == 1);
    CHECK(bench.read(client, 1) == "x");
    client.reset();
    bench.turn();
    CHECK_FALSE(bench.going);
}

TEST_CASE("relay: a redirect carries both ways and closes each half by itself") {
    Bench bench;
    const auto ends = bench.pump(20);
    REQUIRE(::send(ends.client.get(), "question", 8, 0) == 8);
    CHECK(bench.read(ends.server, 8) == "question");
    ::shutdown(ends.client.get(), SHUT_WR);
    bench.turn();
    CHECK(at_end(ends.server));
    REQUIRE(::send(ends.server.get(), "answer", 6, 0) == 6);
    CHECK(bench.read(ends.client, 6) == "answer");
    ::shutdown(ends.server.get(), SHUT_WR);
    CHECK(bench.said<EndedMessage>() == EndedMessage{{20, 20}, RelayEnd::finished, 0, 8, 6});
    CHECK(at_end(ends.client));
}

TEST_CASE("relay: a slow reader of a redirect loses nothing") {
    Bench bench;
    const auto ends = bench.pump(21);
    std::string sent;
    for (int i = 0; i < 400; ++i) {
        const std::string part(7000, static_cast<char>('a' + i % 26));
        const ssize_t n = ::send(ends.client.get(), part.data(), part.size(), MSG_DONTWAIT);
        if (n > 0) sent.append(part, 0, static_cast<std::size_t>(n));
        bench.turn(1);
    }
    REQUIRE(sent.size() > 200'000);
    ::shutdown(ends.client.get(), SHUT_WR);
    CHECK(bench.read(ends.server, sent.size() + 1) == sent);
    ::shutdown(ends.server.get(), SHUT_WR);
    CHECK(bench.said<EndedMessage>().received == sent.size());
}

TEST_CASE("relay: a redirect's header goes first and is not counted") {
    Bench bench;
    PumpMessage message;
    message.header = "PROXY UNKNOWN\r\n";
    const auto ends = bench.pump(22, message);
    REQUIRE(::send(ends.client.get(), "x", 1, 0) == 1);
    CHECK(bench.read(ends.server, 16) == "PROXY UNKNOWN\r\nx");
    bench.tell(EndMessage{{22, 22}, RelayEnd::asked, 0});
    CHECK(bench.said<EndedMessage>().received == 1);
}

TEST_CASE("relay: what one side has said reaches the other although that one reads no more") {
    Bench bench;
    auto ends = bench.pump(23);
    REQUIRE(::send(ends.server.get(), "last words", 10, 0) == 10);
    bench.turn();
    ends.server.reset();
    bench.turn();
    REQUIRE(::send(ends.client.get(), "too late", 8, 0) == 8);
    CHECK(bench.read(ends.client, 100) == "last words");
}

TEST_CASE("relay: an upstream that cannot be reached is told, and the next one taken") {
    Bench bench;
    // A port that is bound and not listened at refuses.
    Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in nobody{};
    nobody.sin_family = AF_INET;
    nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof nobody;
    REQUIRE(::bind(probe.get(), reinterpret_cast<sockaddr*>(&nobody), size) == 0);
    REQUIRE(::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&nobody), &size) == 0);
    Fd refused(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)::connect(refused.get(), reinterpret_cast<sockaddr*>(&nobody), size);
    Fd client, theirs, server, upstream;
    test::make_pair_of(SOCK_STREAM, client, theirs);
    const int numbers[] = {theirs.get(), refused.get()};
    REQUIRE(send_relay_message(bench.channel.get(),
            *encode_message(ToRelay{PumpMessage{{24, 24}, 0ns, 1s, ""}}), numbers));
    CHECK(bench.said<UnreachedMessage>() == UnreachedMessage{{24, 24}, ECONNREFUSED});
    theirs.reset();
    test::make_pair_of(SOCK_STREAM, server, upstream);
    const int number = upstream.get();
    REQUIRE(send_relay_message(bench.channel.get(),
            *encode_message(ToRelay{UpstreamMessage{{24, 24}, {.tell_reached = true}}}),
            {&number, 1}));
    CHECK(bench.said<ReachedMessage>() == ReachedMessage{{24, 24}});
    REQUIRE(::send(client.get(), "x", 1, 0) == 1);
    CHECK(bench.read(server, 1) == "x");
}

TEST_CASE("builtins: the texts of RFC 864, 867 and 868") {
    CHECK(chargen_text(0).substr(0, 74) ==
            " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n");
    CHECK(chargen_text(74).substr(0, 3) == "!\"#");
    CHECK(chargen_text(chargen_period) == chargen_text(0));
    // RFC 868 gives 2208988800 for 1 Jan 1970 and 2398291200 for 1 Jan 1976.
    CHECK(time_bytes(Wall{}) == std::string("\x83\xaa\x7e\x80", 4));
    CHECK(time_bytes(Wall{std::chrono::seconds(189'302'400)}) ==
            std::string("\x8e\xf3\x05\x00", 4));
    const std::string day = daytime_text(Wall{});
    CHECK(day.size() == 26);
    CHECK(day.ends_with(" 1970\r\n"));
}
