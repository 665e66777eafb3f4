// SPDX-License-Identifier: MIT
#include "sys/closer.h"

#include <chrono>
#include <csignal>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/launcher.h"

#include "support/catch.h"

using namespace superd;

namespace {

// A connection with more to send than its peer takes, whose owner wants to wait for that.
struct Lingering {
    int client = -1, server = -1;

    Lingering() {
        const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        socklen_t length = sizeof address;
        client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::bind(listener, generic, length) != 0 || ::listen(listener, 1) != 0 ||
                ::getsockname(listener, generic, &length) != 0 ||
                ::connect(client, generic, length) != 0)
            std::abort();
        server = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        ::close(listener);
        static char block[65536];
        while (::send(server, block, sizeof block, MSG_DONTWAIT) > 0) {
        }
        set_linger(60);
    }

    ~Lingering() { ::close(client); }

    void set_linger(int seconds) const {
        const linger time{.l_onoff = 1, .l_linger = seconds};
        ::setsockopt(server, SOL_SOCKET, SO_LINGER, &time, sizeof time);
    }

    [[nodiscard]] linger current() const {
        linger time{};
        socklen_t length = sizeof time;
        ::getsockopt(server, SOL_SOCKET, SO_LINGER, &time, &length);
        return time;
    }
};

}  // namespace

TEST_CASE(
        "closer: a linger time that a handler has set holds up neither the loop nor the "
        "closer") {
    const Lingering connection;
    const auto before = std::chrono::steady_clock::now();
    {
        Closer closer;
        closer.close_later(connection.server);
    }
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(50));
    CHECK(::fcntl(connection.server, F_GETFD) == -1);
}

TEST_CASE("closer: a reset on close, which does not wait, stays what the handler wanted") {
    const Lingering connection;
    forget_linger(connection.server);
    CHECK(connection.current().l_onoff == 0);
    connection.set_linger(0);
    forget_linger(connection.server);
    CHECK(connection.current().l_onoff == 1);
    ::close(connection.server);
}

TEST_CASE("closer: everything that was handed over is closed before it goes") {
    int ends[2];
    std::vector<int> all;
    {
        Closer closer;
        for (int i = 0; i < 50; ++i) {
            REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
            for (const int fd : ends) {
                all.push_back(fd);
                closer.close_later(fd);
            }
        }
    }
    // Numbers were used again meanwhile: what counts is that none is open now.
    for (const int fd : all)
        CHECK(::fcntl(fd, F_GETFD) == -1);
}
