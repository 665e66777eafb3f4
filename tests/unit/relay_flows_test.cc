// SPDX-License-Identifier: MIT
// superd-relay and redirected datagrams: a conversation for each client, let in by superd.
#include "support/catch.h"
#include "support/relay_bench.h"
#include "support/sockets.h"
#include "support/wait_until.h"

using namespace superd;
using namespace std::chrono_literals;
using test::wait_until;

namespace {

constexpr WatchNumber watch = 4;

void send_to(const Fd& client, std::string_view datagram) {
    REQUIRE(::send(client.get(), datagram.data(), datagram.size(), MSG_DONTWAIT) ==
            static_cast<ssize_t>(datagram.size()));
}

// A socket that datagrams are redirected from, and superd's answers to who comes.
struct Bench : test::RelayBench {
    Fd server = test::open_or_fail(test::loopback_plan(ListenerKind::udp));

    Bench() {
        const int number = server.get();
        REQUIRE(send_relay_message(
                channel.get(), *encode_message(ToRelay{ForwardMessage{watch}}), {&number, 1}));
        turn();
    }

    [[nodiscard]] Fd client() const {
        return test::connect_v4(test::port_of(server.get()), SOCK_DGRAM);
    }

    FlowAskedMessage asked() {
        wait_until([&] { return hear(); });
        return said<FlowAskedMessage>();
    }

    EndedMessage ended() {
        wait_until([&] { return hear(); });
        return said<EndedMessage>();
    }

    // Lets a conversation in; the server's end.
    Fd admit(std::uint32_t flow, std::uint64_t id, Nanoseconds idle = 60s) {
        Fd mine, upstream;
        test::make_pair_of(SOCK_DGRAM, mine, upstream);
        const int number = upstream.get();
        const FlowMessage message{watch, flow, {static_cast<std::uint32_t>(id), id}, idle};
        REQUIRE(send_relay_message(
                channel.get(), *encode_message(ToRelay{message}), {&number, 1}));
        turn();
        return mine;
    }

    [[nodiscard]] bool is_empty(const Fd& socket) {
        turn();
        return ::recv(socket.get(), nullptr, 0, MSG_DONTWAIT | MSG_PEEK) < 0;
    }
};

}  // namespace

TEST_CASE("flows: a client is asked about once, then its datagrams go both ways") {
    Bench bench;
    const Fd client = bench.client();
    send_to(client, "one");
    const auto asked = bench.asked();
    CHECK(asked.watch == watch);
    CHECK(asked.peer.text() == "127.0.0.1:" + std::to_string(test::port_of(client.get())));
    send_to(client, "");
    send_to(client, "three");
    const Fd upstream = bench.admit(asked.flow, 21);
    for (const char* text : {"one", "", "three"})
        CHECK(bench.next(upstream) == text);
    send_to(upstream, "answer");
    CHECK(bench.next(client) == "answer");
    send_to(client, "four");
    CHECK(bench.next(upstream) == "four");
    bench.tell(EndMessage{{21, 21}, RelayEnd::asked, 0});
    CHECK(bench.ended() == EndedMessage{{21, 21}, RelayEnd::asked, 0, 12, 6});
}

TEST_CASE("flows: each client has a conversation of its own") {
    Bench bench;
    const Fd one = bench.client(), two = bench.client();
    send_to(one, "from one");
    const auto first = bench.asked();
    send_to(two, "from two");
    const auto second = bench.asked();
    CHECK(first.flow != second.flow);
    const Fd up_two = bench.admit(second.flow, 2), up_one = bench.admit(first.flow, 1);
    CHECK(bench.next(up_one) == "from one");
    CHECK(bench.next(up_two) == "from two");
    send_to(up_two, "to two");
    CHECK(bench.next(two) == "to two");
    CHECK(bench.is_empty(one));
}

TEST_CASE("flows: eight datagrams wait for superd's answer, and 64 KiB of them") {
    Bench bench;
    const Fd many = bench.client(), large = bench.client();
    for (int i = 0; i < 12; ++i)
        send_to(many, std::string(1, static_cast<char>('a' + i)));
    const auto first = bench.asked();
    for (int i = 0; i < 3; ++i)
        send_to(large, std::string(30'000, static_cast<char>('a' + i)));
    const auto second = bench.asked();
    // The last of each is behind all others in the socket.
    const Fd marker = bench.client();
    send_to(marker, "all is read");
    (void)bench.asked();
    const Fd up_many = bench.admit(first.flow, 1), up_large = bench.admit(second.flow, 2);
    for (int i = 0; i < 8; ++i)
        CHECK(bench.next(up_many) == std::string(1, static_cast<char>('a' + i)));
    CHECK(bench.is_empty(up_many));
    CHECK(bench.next(up_large) == std::string(30'000, 'a'));
    CHECK(bench.next(up_large) == std::string(30'000, 'b'));
    CHECK(bench.is_empty(up_large));
}

TEST_CASE("flows: who is refused is not asked about again for a second") {
    Bench bench;
    const Fd client = bench.client(), other = bench.client();
    send_to(client, "one");
    const auto first = bench.asked();
    bench.tell(FlowRefusedMessage{watch, first.flow});
    bench.turn();
    send_to(client, "two");
    send_to(other, "x");
    CHECK(bench.asked().peer.port == test::port_of(other.get()));  // not the refused one
    bench.clock.advance(1100ms);
    bench.turn();
    send_to(client, "three");
    const auto again = bench.asked();
    CHECK(again.peer == first.peer);
    CHECK(again.flow != first.flow);
    const Fd upstream = bench.admit(again.flow, 3);
    CHECK(bench.next(upstream) == "three");
}

TEST_CASE("flows: a conversation ends when neither side has said anything for its time") {
    Bench bench;
    const Fd client = bench.client();
    send_to(client, "x");
    const Fd upstream = bench.admit(bench.asked().flow, 8, 10s);
    CHECK(bench.next(upstream) == "x");
    for (const bool from_client : {true, false}) {
        bench.clock.advance(6s);
        bench.turn();
        if (from_client) {
            send_to(client, "y");
            CHECK(bench.next(upstream) == "y");
        } else {
            send_to(upstream, "zz");
            CHECK(bench.next(client) == "zz");
        }
    }
    bench.clock.advance(9s);
    CHECK(bench.silent());
    bench.clock.advance(2s);
    CHECK(bench.ended() == EndedMessage{{8, 8}, RelayEnd::idle, 0, 2, 2});
    send_to(client, "new");  // begins another one
    CHECK(bench.asked().peer.port == test::port_of(client.get()));
}

TEST_CASE(
        "flows: what superd says of a conversation that is not there is answered or ignored") {
    Bench bench;
    const Fd client = bench.client();
    send_to(client, "x");
    const auto asked = bench.asked();
    const Fd none = bench.admit(asked.flow + 1, 31);
    CHECK(bench.ended() == EndedMessage{{31, 31}, RelayEnd::refused, 0, 0, 0});
    const Fd upstream = bench.admit(asked.flow, 32);
    CHECK(bench.next(upstream) == "x");
    const Fd twice = bench.admit(asked.flow, 33);
    CHECK(bench.ended() == EndedMessage{{33, 33}, RelayEnd::refused, 0, 0, 0});
    bench.tell(FlowRefusedMessage{watch, asked.flow});  // it is open: too late
    bench.tell(FlowRefusedMessage{watch + 1, asked.flow});
    bench.tell(EndMessage{{32, 99}, RelayEnd::asked, 0});  // another connection's number
    CHECK(bench.silent());
    send_to(client, "still here");
    CHECK(bench.next(upstream) == "still here");
}

TEST_CASE("flows: more than 256 clients that superd has not answered for are lost, not kept") {
    Bench bench;
    std::vector<Fd> clients;
    for (int i = 0; i < 257; ++i) {
        clients.push_back(bench.client());
        send_to(clients.back(), "x");
        if (i < 256) REQUIRE(bench.asked().flow == static_cast<std::uint32_t>(i + 1));
    }
    CHECK(bench.silent());
    bench.tell(FlowRefusedMessage{watch, 7});
    bench.turn();
    send_to(clients.back(), "y");
    const auto asked = bench.asked();
    CHECK(asked.peer.port == test::port_of(clients.back().get()));
    const Fd upstream = bench.admit(asked.flow, 1);
    CHECK(bench.next(upstream) == "y");  // the first one was not kept
}

TEST_CASE("flows: conversations end with the socket they came by, or with their superd") {
    Bench bench;
    const Fd client = bench.client(), waiting = bench.client();
    send_to(client, "x");
    const Fd upstream = bench.admit(bench.asked().flow, 5);
    CHECK(bench.next(upstream) == "x");
    send_to(waiting, "x");
    const auto asked = bench.asked();
    bench.tell(UnwatchMessage{watch});
    CHECK(bench.ended() == EndedMessage{{5, 5}, RelayEnd::asked, 0, 1, 0});
    const Fd late = bench.admit(asked.flow, 6);
    CHECK(bench.ended() == EndedMessage{{6, 6}, RelayEnd::refused, 0, 0, 0});
    bench.channel.reset();
    bench.turn();
    CHECK_FALSE(bench.going);
}
