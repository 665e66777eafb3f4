// SPDX-License-Identifier: MIT
// The last words to a client.
#include "sys/farewell.h"

#include <algorithm>
#include <cerrno>
#include <climits>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

namespace superd {

namespace {

// One turn of discarding: a client may send faster than this.
constexpr int most_rounds = 4;
constexpr std::size_t splice_size = 65536;

// Waits for events or an end; false when the deadline has come.
bool wait_for(int fd, short events, Mono deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return false;
        pollfd entry{.fd = fd, .events = events, .revents = 0};
        const int timeout = static_cast<int>(std::min<std::int64_t>(left.count(), INT_MAX));
        const int ready = ::poll(&entry, 1, timeout);
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
}

Discarded after_failure() {
    return errno == EAGAIN || errno == EINTR ? Discarded::all : Discarded::ended;
}

// MSG_TRUNC: TCP drops the bytes, a packet socket the packet; neither copies one.
Discarded discard_truncated(int fd) {
    for (int round = 0; round < most_rounds; ++round) {
        const ssize_t n = ::recv(fd, nullptr, INT_MAX, MSG_TRUNC | MSG_DONTWAIT);
        if (n == 0) return Discarded::ended;
        if (n < 0) return after_failure();
    }
    return Discarded::some;
}

Discarded discard_packets(int fd) {
    for (int round = 0; round < 64; ++round) {
        const ssize_t n = ::recv(fd, nullptr, 0, MSG_TRUNC | MSG_DONTWAIT);
        if (n == 0) return Discarded::ended;
        if (n < 0) return after_failure();
    }
    return Discarded::some;
}

// A UNIX stream has no such flag: its pages go to /dev/null by way of a pipe.
Discarded discard_spliced(int fd) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return Discarded::ended;
    const Fd reader(ends[0]), writer(ends[1]);
    const Fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (!null) return Discarded::ended;
    for (int round = 0; round < most_rounds; ++round) {
        const ssize_t n =
                ::splice(fd, nullptr, writer.get(), nullptr, splice_size, SPLICE_F_NONBLOCK);
        if (n == 0) return Discarded::ended;
        if (n < 0) return after_failure();
        if (::splice(reader.get(), nullptr, null.get(), nullptr, splice_size, 0) < 0)
            return Discarded::ended;
    }
    return Discarded::some;
}

}  // namespace

Result<std::size_t> send_some(int fd, std::string_view text) {
    std::size_t sent = 0;
    while (sent < text.size()) {
        const ssize_t n =
                ::send(fd, text.data() + sent, text.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            sent += static_cast<std::size_t>(n);
            continue;
        }
        if (errno == EAGAIN) break;
        if (errno != EINTR) return fail("send");
    }
    return sent;
}

Result<void> send_whole(int fd, std::string_view text, Mono deadline) {
    for (;;) {
        const auto sent = send_some(fd, text);
        if (!sent) return tl::unexpected(sent.error());
        text.remove_prefix(*sent);
        if (text.empty()) return {};
        if (!wait_for(fd, POLLOUT, deadline)) return fail(ETIMEDOUT, "send");
    }
}

Discarded discard_received(int fd, ListenerKind kind) {
    switch (kind) {
        case ListenerKind::tcp: return discard_truncated(fd);
        case ListenerKind::unix_stream: return discard_spliced(fd);
        case ListenerKind::unix_seqpacket: return discard_packets(fd);
        default: return Discarded::ended;
    }
}

void say_farewell(int fd, ListenerKind kind, Mono deadline) {
    ::shutdown(fd, SHUT_WR);
    while (discard_received(fd, kind) != Discarded::ended)
        if (!wait_for(fd, POLLIN, deadline)) return;
}

}  // namespace superd
