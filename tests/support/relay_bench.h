// SPDX-License-Identifier: MIT
// superd-relay without its process: a Relay turned by hand, superd's end of its channel here.
#pragma once

#include <csignal>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>

#include <sys/socket.h>

#include "relay/relay.h"
#include "support/catch.h"
#include "support/relay_channel.h"
#include "support/wait_until.h"

namespace superd::test {

inline void make_pair_of(int type, Fd& one, Fd& other) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    one.reset(ends[0]);
    other.reset(ends[1]);
}

struct RelayBench {
    RelayBench() {
        ::signal(SIGPIPE, SIG_IGN);  // as the program does: splice(2) has no MSG_NOSIGNAL
        Fd theirs;
        make_pair_of(SOCK_SEQPACKET, channel, theirs);
        relay = std::make_unique<Relay>(std::move(theirs), clock, 5);
        CHECK(said<ReadyMessage>() == ReadyMessage{relay_protocol_version, 5});
    }

    // The client's end; the relay has the other.
    Fd serve(Builtin builtin, std::uint64_t id, Nanoseconds idle = Nanoseconds{0}) {
        Fd client, server;
        make_pair_of(SOCK_STREAM, client, server);
        const int number = server.get();
        const auto packet = encode_message(
                ToRelay{ServeMessage{{static_cast<std::uint32_t>(id), id}, builtin, idle}});
        REQUIRE(send_relay_message(channel.get(), *packet, {&number, 1}));
        return client;
    }

    struct Ends {
        Fd client, server;  // the test's ends: the relay stands between
    };

    Ends pump(std::uint64_t id, PumpMessage message = {}) {
        Ends ends;
        Fd client, upstream;
        make_pair_of(SOCK_STREAM, ends.client, client);
        make_pair_of(SOCK_STREAM, ends.server, upstream);
        message.name = {static_cast<std::uint32_t>(id), id};
        const int numbers[] = {client.get(), upstream.get()};
        REQUIRE(send_relay_message(channel.get(), *encode_message(ToRelay{message}), numbers));
        return ends;
    }

    void tell(const ToRelay& message) {
        REQUIRE(send_relay_message(channel.get(), *encode_message(message)));
    }

    void turn(int times = 4) {
        for (int i = 0; i < times; ++i)
            going = relay->turn(0);
    }

    template <class Message>
    Message said() {
        for (int i = 0; i < 100; ++i) {
            if (!hear()) continue;
            const FromRelay message = std::move(heard.front());
            heard.pop_front();
            REQUIRE(std::holds_alternative<Message>(message));
            return std::get<Message>(message);
        }
        FAIL("the relay said nothing");
        throw std::logic_error("unreachable");
    }

    [[nodiscard]] bool silent() {
        turn();
        return !hear();
    }

    // A turn, where nothing has been heard yet.
    bool hear() {
        if (!heard.empty()) return true;
        going = relay->turn(0);
        if (auto messages = receive_from_relay(channel.get()))
            heard.insert(heard.end(), messages->begin(), messages->end());
        return !heard.empty();
    }

    // The next datagram there; the relay turns meanwhile.
    std::string next(const Fd& socket) {
        std::string text(70'000, '\0');
        ssize_t got = -1;
        if (!wait_until([&] {
                turn(1);
                got = ::recv(socket.get(), text.data(), text.size(), MSG_DONTWAIT);
                return got >= 0;
            }))
            return "(none)";
        text.resize(static_cast<std::size_t>(got));
        return text;
    }

    // Up to `size` bytes, or the end of file.
    std::string read(const Fd& client, std::size_t size) {
        std::string text;
        char part[4096];
        for (int i = 0; i < 10'000 && text.size() < size; ++i) {
            turn(1);
            const ssize_t n = ::recv(client.get(), part,
                    std::min(sizeof part, size - text.size()), MSG_DONTWAIT);
            if (n == 0) break;
            if (n > 0) text.append(part, static_cast<std::size_t>(n));
        }
        return text;
    }

    FakeClock clock;
    Fd channel;
    std::unique_ptr<Relay> relay;
    std::deque<FromRelay> heard;
    bool going = true;
};

}  // namespace superd::test
