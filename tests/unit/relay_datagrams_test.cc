// SPDX-License-Identifier: MIT
// superd-relay and datagrams: who is answered and with what, and conversations of a redirect.
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include "relay/access_list.h"
#include "relay/builtins.h"
#include "support/catch.h"
#include "support/relay_bench.h"
#include "support/sockets.h"
#include "support/wait_until.h"

using namespace superd;
using namespace std::chrono_literals;
using test::wait_until;

namespace {

constexpr WatchNumber watch = 3;

Fd loopback_socket() {
    Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ask_for_destination(fd.get());  // as superd does before anything can come
    return fd;
}

void send_to(const Fd& client, std::string_view datagram) {
    REQUIRE(::send(client.get(), datagram.data(), datagram.size(), MSG_DONTWAIT) ==
            static_cast<ssize_t>(datagram.size()));
}

struct Bench : test::RelayBench {
    Fd server = loopback_socket();

    [[nodiscard]] Fd client() const { return test::connect_v4(port(), SOCK_DGRAM); }

    [[nodiscard]] std::uint32_t port() const { return test::port_of(server.get()); }

    void give(const ToRelay& message, std::initializer_list<int> descriptors) {
        REQUIRE(send_relay_message(channel.get(), *encode_message(message),
                {descriptors.begin(), descriptors.size()}));
        turn();
    }

    void serve_datagrams(WatchMessage message, const std::vector<AccessRule>& rules = {}) {
        message.watch = watch;
        const auto list = write_access_list(rules, {});
        REQUIRE(list);
        give(message, {server.get(), list->get()});
    }

    // What the relay says next, however long the datagram is on its way.
    template <class Message>
    Message next_said() {
        wait_until([&] { return hear(); });
        return said<Message>();
    }

    // The counts until so many datagrams have been received.
    CountsMessage counts(std::uint64_t received) {
        CountsMessage all{watch, 0, 0, 0};
        wait_until([&] {
            clock.advance(600ms);
            if (!hear()) return false;
            const auto some = said<CountsMessage>();
            all.received += some.received;
            all.answered += some.answered;
            all.refused += some.refused;
            return all.received >= received;
        });
        return all;
    }
};

WatchMessage small(Builtin builtin) {
    WatchMessage message;
    message.builtin = builtin;
    return message;
}

RatePlan a_day(std::uint32_t count) {
    return {{count, 24h}, count, 0s, {}};
}

}  // namespace

TEST_CASE("datagrams: echo gives back each as it was, the empty and the large one too") {
    Bench bench;
    bench.serve_datagrams(small(Builtin::echo));
    const Fd client = bench.client();
    for (const std::string& text : {std::string("hello"), std::string(),
                 std::string("\0\xff\r\n", 4), std::string(60'000, 'x')}) {
        send_to(client, text);
        CHECK(bench.next(client) == text);
    }
    CHECK(bench.counts(4) == CountsMessage{watch, 4, 4, 0});
}

TEST_CASE("datagrams: chargen answers with one line, each begun one character later") {
    Bench bench;
    bench.serve_datagrams(small(Builtin::chargen));
    const Fd client = bench.client();
    for (std::size_t i = 0; i < 100; ++i) {
        send_to(client, "x");
        const std::string line = bench.next(client);
        REQUIRE(line ==
                chargen_text(i * chargen_line % chargen_period).substr(0, chargen_line));
    }
}

TEST_CASE("datagrams: time and daytime tell the clock's, discard and sensor nothing") {
    Bench bench;
    bench.clock.set_wall(Wall(1'800'000'000s));
    const Fd client = bench.client();
    bench.serve_datagrams(small(Builtin::time));
    send_to(client, "");
    CHECK(bench.next(client) == time_bytes(Wall(1'800'000'000s)));
    bench.serve_datagrams(small(Builtin::daytime));
    send_to(client, "");
    CHECK(bench.next(client) == daytime_text(Wall(1'800'000'000s)));
    bench.serve_datagrams(small(Builtin::discard));
    send_to(client, "x");
    CHECK(bench.counts(1) == CountsMessage{watch, 1, 0, 0});
    bench.serve_datagrams(small(Builtin::sensor));
    send_to(client, "x");
    const auto sensed = bench.next_said<SensedMessage>();
    CHECK(sensed.watch == watch);
    CHECK(sensed.peer.text() == "127.0.0.1:" + std::to_string(test::port_of(client.get())));
    CHECK(::recv(client.get(), nullptr, 0, MSG_DONTWAIT) < 0);
}

TEST_CASE("datagrams: no answer to a port of superd's own small services") {
    Bench bench;
    const Fd looping = bench.client(), other = bench.client();
    WatchMessage message = small(Builtin::echo);
    message.own_ports = {7, static_cast<std::uint16_t>(test::port_of(looping.get()))};
    bench.serve_datagrams(message);
    send_to(looping, "round and round");
    send_to(other, "hello");
    CHECK(bench.next(other) == "hello");
    CHECK(bench.counts(2) == CountsMessage{watch, 2, 1, 1});
    CHECK(::recv(looping.get(), nullptr, 0, MSG_DONTWAIT) < 0);
}

TEST_CASE("datagrams: who is denied has no answer, and nobody has where the list is broken") {
    AccessRule deny;
    deny.kind = MatchKind::network;
    deny.network = *Network::parse("127.0.0.0/8");
    Bench bench;
    bench.serve_datagrams(small(Builtin::echo), {deny});
    const Fd client = bench.client();
    send_to(client, "x");
    CHECK(bench.counts(1) == CountsMessage{watch, 1, 0, 1});
    bench.serve_datagrams(small(Builtin::echo));
    send_to(client, "y");
    CHECK(bench.next(client) == "y");
    CHECK(bench.counts(1) == CountsMessage{watch, 1, 1, 0});
    const Fd broken(::memfd_create("broken", MFD_CLOEXEC));
    WatchMessage message = small(Builtin::echo);
    message.watch = watch;
    bench.give(message, {bench.server.get(), broken.get()});
    send_to(client, "z");
    CHECK(bench.counts(1) == CountsMessage{watch, 1, 0, 1});
}

TEST_CASE("datagrams: a source's rate bounds its answers, the rate of all everybody's") {
    Bench bench;
    WatchMessage message = small(Builtin::echo);
    message.rate = a_day(3);
    bench.serve_datagrams(message);
    const Fd one = bench.client(), two = bench.client();
    for (int i = 0; i < 5; ++i)
        send_to(one, "x");
    send_to(two, "x");  // another port is the same source
    CHECK(bench.counts(6) == CountsMessage{watch, 6, 3, 3});
    bench.clock.advance(8h);  // a third of the day: one more
    send_to(one, "x");
    send_to(one, "x");
    CHECK(bench.counts(2) == CountsMessage{watch, 2, 1, 1});
    message.rate.reset();
    message.total = a_day(2);
    bench.serve_datagrams(message);
    for (int i = 0; i < 3; ++i)
        send_to(two, "x");
    CHECK(bench.counts(3) == CountsMessage{watch, 3, 2, 1});
}

TEST_CASE(
        "datagrams: a socket that is taken back is not read any more, and its counts are "
        "told") {
    Bench bench;
    bench.serve_datagrams(small(Builtin::echo));
    const Fd client = bench.client();
    send_to(client, "x");
    CHECK(bench.next(client) == "x");
    bench.tell(UnwatchMessage{watch});
    CHECK(bench.next_said<CountsMessage>() == CountsMessage{watch, 1, 1, 0});
    send_to(client, "y");
    bench.clock.advance(1s);
    CHECK(bench.silent());
    // The datagram is still the socket's: whoever watches it next answers it.
    bench.serve_datagrams(small(Builtin::echo));
    CHECK(bench.next(client) == "y");
    // A superd that took over says anew what it wants watched.
    bench.tell(GreetMessage{});
    bench.turn();
    send_to(client, "z");
    bench.clock.advance(1s);
    CHECK(bench.silent());
    CHECK(bench.going);
}

TEST_CASE("datagrams: what was sent to many is known by its address, in both families") {
    struct Control {
        alignas(cmsghdr) char bytes[128]{};
        msghdr message{};

        Control(int level, int type, const void* info, std::size_t size) {
            message.msg_control = bytes;
            message.msg_controllen = CMSG_SPACE(size);
            cmsghdr* c = CMSG_FIRSTHDR(&message);
            c->cmsg_len = CMSG_LEN(size);
            c->cmsg_level = level;
            c->cmsg_type = type;
            std::memcpy(CMSG_DATA(c), info, size);
        }
    };

    const auto four = [](const char* to, const char* own) {
        in_pktinfo info{};
        info.ipi_ifindex = 9;
        info.ipi_addr.s_addr = ::inet_addr(to);
        info.ipi_spec_dst.s_addr = ::inet_addr(own);
        return Control(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    };
    CHECK_FALSE(was_for_many(four("192.0.2.1", "192.0.2.1").message));
    CHECK(was_for_many(four("192.0.2.255", "192.0.2.1").message));
    CHECK(was_for_many(four("224.0.0.1", "192.0.2.1").message));
    in6_pktinfo six{};
    six.ipi6_ifindex = 9;
    REQUIRE(::inet_pton(AF_INET6, "ff02::1", &six.ipi6_addr) == 1);
    CHECK(was_for_many(Control(IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof six).message));
    REQUIRE(::inet_pton(AF_INET6, "2001:db8::1", &six.ipi6_addr) == 1);
    Control global(IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof six);
    CHECK_FALSE(was_for_many(global.message));
    CHECK_FALSE(was_for_many(msghdr{}));

    // The answer leaves by the address it came to; by the interface only where that is needed.
    const auto interface = [](Control& control) {
        answer_from_destination(control.message);
        in6_pktinfo info{};
        std::memcpy(&info, CMSG_DATA(CMSG_FIRSTHDR(&control.message)), sizeof info);
        return info.ipi6_ifindex;
    };
    CHECK(interface(global) == 0);
    REQUIRE(::inet_pton(AF_INET6, "fe80::1", &six.ipi6_addr) == 1);
    Control link(IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof six);
    CHECK(interface(link) == 9);
    Control v4 = four("192.0.2.7", "192.0.2.7");
    v4.message.msg_control = v4.bytes;
    answer_from_destination(v4.message);
    in_pktinfo info{};
    std::memcpy(&info, CMSG_DATA(CMSG_FIRSTHDR(&v4.message)), sizeof info);
    CHECK(info.ipi_spec_dst.s_addr == ::inet_addr("192.0.2.7"));
    CHECK(info.ipi_addr.s_addr == 0);
    CHECK(info.ipi_ifindex == 0);
    msghdr none{};
    answer_from_destination(none);
    CHECK(none.msg_control == nullptr);
}
