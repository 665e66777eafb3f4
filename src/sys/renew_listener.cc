// SPDX-License-Identifier: MIT
#include "sys/renew_listener.h"

#include <algorithm>
#include <array>
#include <climits>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/message_queue.h"
#include "sys/node.h"
#include "sys/socket_options.h"

namespace superd {

namespace {

// Keeps the first failure.
class Renewal {
public:
    // model: a socket of the same kind that has the options of the new plan, and the kernel's
    // defaults where it says nothing.
    Renewal(int fd, int model, const ListenerPlan& to) : fd_(fd), model_(model), to_(to) {}

    void copy(bool differs, const char* key, int level, int option) {
        std::array<char, 64> value{};
        auto size = static_cast<socklen_t>(value.size());
        if (!differs) return;
        if (::getsockopt(model_, level, option, value.data(), &size) != 0 ||
                ::setsockopt(fd_, level, option, value.data(), size) != 0)
            take(fail(std::string("set ") + key, to_.address));
    }

    // The kernel doubles what it is given.
    void copy_buffer(bool differs, const char* key, int read, int force, int write) {
        if (!differs) return;
        const int value = option_of(model_, SOL_SOCKET, read) / 2;
        if (::setsockopt(fd_, SOL_SOCKET, force, &value, sizeof value) != 0 &&
                ::setsockopt(fd_, SOL_SOCKET, write, &value, sizeof value) != 0)
            take(fail(std::string("set ") + key, to_.address));
    }

    void take(Result<void> done) {
        if (result_ && !done) result_ = std::move(done);
    }

    [[nodiscard]] Result<void> result() { return std::move(result_); }

private:
    int fd_, model_;
    const ListenerPlan& to_;
    Result<void> result_;
};

void copy_tcp_options(Renewal& renewal, const ListenerPlan& from, const ListenerPlan& to) {
    renewal.copy(from.keepalive_time != to.keepalive_time, "keepalive_time", IPPROTO_TCP,
            TCP_KEEPIDLE);
    renewal.copy(from.keepalive_interval != to.keepalive_interval, "keepalive_interval",
            IPPROTO_TCP, TCP_KEEPINTVL);
    renewal.copy(from.keepalive_probes != to.keepalive_probes, "keepalive_probes", IPPROTO_TCP,
            TCP_KEEPCNT);
    renewal.copy(from.no_delay != to.no_delay, "no_delay", IPPROTO_TCP, TCP_NODELAY);
    renewal.copy(from.congestion != to.congestion, "congestion", IPPROTO_TCP, TCP_CONGESTION);
    renewal.copy(from.defer_accept != to.defer_accept, "defer_accept", IPPROTO_TCP,
            TCP_DEFER_ACCEPT);
    renewal.copy(from.fast_open != to.fast_open, "fast_open", IPPROTO_TCP, TCP_FASTOPEN);
}

void copy_options(
        Renewal& renewal, const ListenerPlan& from, const ListenerPlan& to, bool ipv6) {
    if (ipv6) renewal.copy(from.tos != to.tos, "tos", IPPROTO_IPV6, IPV6_TCLASS);
    if (to.kind == ListenerKind::tcp || to.kind == ListenerKind::udp)
        renewal.copy(from.tos != to.tos, "tos", IPPROTO_IP, IP_TOS);
    renewal.copy(from.keepalive != to.keepalive, "keepalive", SOL_SOCKET, SO_KEEPALIVE);
    renewal.copy(from.broadcast != to.broadcast, "broadcast", SOL_SOCKET, SO_BROADCAST);
    // tos sets a priority of its own.
    renewal.copy(from.priority != to.priority || from.tos != to.tos, "priority", SOL_SOCKET,
            SO_PRIORITY);
    renewal.copy(from.mark != to.mark, "mark", SOL_SOCKET, SO_MARK);
    renewal.copy(from.pass_credentials != to.pass_credentials, "pass_credentials", SOL_SOCKET,
            SO_PASSCRED);
    renewal.copy_buffer(from.send_buffer != to.send_buffer, "send_buffer", SO_SNDBUF,
            SO_SNDBUFFORCE, SO_SNDBUF);
    renewal.copy_buffer(from.receive_buffer != to.receive_buffer, "receive_buffer", SO_RCVBUF,
            SO_RCVBUFFORCE, SO_RCVBUF);
    if (to.kind == ListenerKind::tcp) copy_tcp_options(renewal, from, to);
}

Result<void> renew_socket(int fd, const ListenerPlan& from, const ListenerPlan& to) {
    const int domain = option_of(fd, SOL_SOCKET, SO_DOMAIN);
    const Fd model(::socket(domain, option_of(fd, SOL_SOCKET, SO_TYPE) | SOCK_CLOEXEC,
            option_of(fd, SOL_SOCKET, SO_PROTOCOL)));
    if (!model) return fail("socket", to.address);
    ListenerPlan wanted = to;
    wanted.join.clear();  // the kept socket is in its groups
    const bool ipv6 = domain == AF_INET6;
    Renewal renewal(fd, model.get(), to);
    renewal.take(set_options_before_bind(model.get(), wanted, ipv6));
    renewal.take(set_options_after_bind(model.get(), wanted, ipv6));
    copy_options(renewal, from, to, ipv6);
    const auto backlog = static_cast<int>(std::min<std::uint32_t>(to.backlog, INT_MAX));
    if (from.backlog != to.backlog && is_connection_kind(to.kind) && ::listen(fd, backlog) != 0)
        renewal.take(fail("listen", to.address));
    return renewal.result();
}

// Whose it is that no one is named for.
Result<void> renew_node(int fd, const ListenerPlan& from, const ListenerPlan& to) {
    ListenerPlan wanted = to;
    if (from.owner && !to.owner) wanted.owner = ::geteuid();
    if (from.group && !to.group) wanted.group = ::getegid();
    if (to.kind == ListenerKind::mqueue) return own_message_queue(fd, wanted);
    return own_node(wanted);
}

}  // namespace

Result<void> renew_listener(int fd, const ListenerPlan& from, const ListenerPlan& to) {
    ListenerPlan like = from;
    like.name = to.name;
    like.origin = to.origin;
    if (like == to) return {};
    Result<void> done;
    if (is_socket_kind(to.kind)) done = renew_socket(fd, from, to);
    const bool node = from.mode != to.mode || from.owner != to.owner || from.group != to.group;
    const bool queue = to.kind == ListenerKind::mqueue;
    if (!node || (!queue && !has_node(to))) return done;
    auto owned = renew_node(fd, from, to);
    return done ? std::move(owned) : std::move(done);
}

}  // namespace superd
