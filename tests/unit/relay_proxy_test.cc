// SPDX-License-Identifier: MIT
// superd-relay and the header of the PROXY protocol: exactly its bytes, in bounded time.
#include "relay/proxy_header.h"
#include "support/catch.h"
#include "support/relay_bench.h"
#include "support/sockets.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

struct Bench : test::RelayBench {
    Fd client, kept;  // the client's end, and superd's copy of the other

    Bench() {
        test::make_pair_of(SOCK_STREAM, client, kept);
        give();
    }

    void give() {
        const int number = kept.get();
        const auto packet = encode_message(ToRelay{PrefaceMessage{name, proxy_any, 10s}});
        REQUIRE(send_relay_message(channel.get(), *packet, {&number, 1}));
        turn();
    }

    void say(std::string_view text) {
        REQUIRE(::send(client.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
                static_cast<ssize_t>(text.size()));
        turn();
    }

    [[nodiscard]] std::string left() const {
        char rest[4096];
        const ssize_t n = ::recv(kept.get(), rest, sizeof rest, MSG_DONTWAIT);
        return n > 0 ? std::string(rest, static_cast<std::size_t>(n)) : "";
    }

    ConnectionName name{17, 17};
};

const std::string line = "PROXY TCP4 198.51.100.7 192.0.2.1 51544 443\r\n";

}  // namespace

TEST_CASE("relay: a PROXY header is taken whole, and not a byte behind it") {
    Bench bench;
    bench.say(line.substr(0, 20));
    CHECK(bench.silent());
    bench.say(line.substr(20) + "PROXY is the first word");
    const auto said = bench.said<ProxiedMessage>();
    CHECK(said.name == bench.name);
    CHECK(said.facts.client == test::ip_endpoint("198.51.100.7", 51544));
    CHECK(bench.left() == "PROXY is the first word");
    // Nothing was shut down with the relay's copy, and nobody else has one.
    REQUIRE(::send(bench.kept.get(), "hello", 5, MSG_NOSIGNAL) == 5);
    CHECK(bench.read(bench.client, 5) == "hello");
    bench.kept.reset();
    CHECK(::recv(bench.client.get(), nullptr, 0, MSG_DONTWAIT) == 0);
}

TEST_CASE("relay: a connection that is given twice is read once") {
    Bench bench;
    bench.say(line + line);
    CHECK(bench.said<ProxiedMessage>().facts.version == 1);
    bench.give();
    CHECK(bench.silent());
    CHECK(bench.left() == line);
}

TEST_CASE("relay: what is no PROXY header stays where it is, and is told") {
    Bench bench;
    bench.say("GET / HTTP/1.0\r\n");
    CHECK(bench.said<UnproxiedMessage>() ==
            UnproxiedMessage{bench.name, ProxyFault::no_header, 0});
    CHECK(bench.left() == "GET / HTTP/1.0\r\n");
}

TEST_CASE("relay: a client that is done before its PROXY header is refused") {
    for (const std::string& part : {std::string(), line.substr(0, 30)}) {
        Bench bench;
        if (!part.empty()) bench.say(part);
        ::shutdown(bench.client.get(), SHUT_WR);
        bench.turn();
        CHECK(bench.said<UnproxiedMessage>().fault == ProxyFault::truncated);
    }
}

TEST_CASE("relay: the time is for the whole PROXY header, however it comes") {
    Bench bench;
    for (int i = 0; i < 9; ++i) {
        bench.clock.advance(1s);
        bench.say(line.substr(static_cast<std::size_t>(i), 1));
    }
    CHECK(bench.silent());
    bench.clock.advance(2s);
    bench.turn();
    CHECK(bench.said<UnproxiedMessage>().fault == ProxyFault::silent);
}
