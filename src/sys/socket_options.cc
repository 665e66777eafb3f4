// SPDX-License-Identifier: MIT
// Socket options.
#include "sys/socket_options.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace superd {

namespace {

// Sets one after the other until one is refused; the first refusal stays.
class Setter {
public:
    Setter(int fd, const ListenerPlan& plan) : fd_(fd), address_(plan.address) {}

    void set(const char* key, int level, int option, const void* value, std::size_t size) {
        if (!result_) return;
        if (::setsockopt(fd_, level, option, value, static_cast<socklen_t>(size)) != 0)
            fail(key, errno);
    }

    void set(const char* key, int level, int option, int value) {
        set(key, level, option, &value, sizeof value);
    }

    // The unlimited form needs a capability; the other one is cut to the system's maximum.
    void set_buffer(const char* key, int force_option, int option, std::uint64_t bytes) {
        const int value = static_cast<int>(std::min<std::uint64_t>(bytes, INT_MAX / 2));
        if (::setsockopt(fd_, SOL_SOCKET, force_option, &value, sizeof value) != 0)
            set(key, SOL_SOCKET, option, value);
    }

    void fail(const char* key, int error) {
        if (result_) result_ = superd::fail(error, std::string("set ") + key, address_);
    }

    [[nodiscard]] Result<void> result() { return std::move(result_); }

private:
    int fd_;
    const std::string& address_;
    Result<void> result_;
};

int whole_seconds(Nanoseconds duration) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(duration).count();
    return static_cast<int>(std::clamp<std::int64_t>(seconds, 1, INT_MAX));
}

bool is_ip(const ListenerPlan& plan) {
    return plan.kind == ListenerKind::tcp || plan.kind == ListenerKind::udp;
}

int as_int(std::uint32_t value) {
    return static_cast<int>(value);
}

void set_address_options(Setter& socket, const ListenerPlan& plan, bool ipv6) {
    // On a datagram socket it would let a second one bind the same port and take the packets;
    // with multicast that is what everybody expects (each gets a copy).
    if (plan.kind == ListenerKind::tcp || !plan.join.empty())
        socket.set("reuse_address", SOL_SOCKET, SO_REUSEADDR, 1);
    if (plan.reuse_port) socket.set("reuse_port", SOL_SOCKET, SO_REUSEPORT, 1);
    if (ipv6)
        socket.set(
                "v6only", IPPROTO_IPV6, IPV6_V6ONLY, plan.v6only.value_or(plan.ip_family == 6));
    if (!plan.interface.empty())
        socket.set("interface", SOL_SOCKET, SO_BINDTODEVICE, plan.interface.data(),
                plan.interface.size());
    // These two at the IPv4 level work on IPv6 sockets as well.
    if (plan.free_bind) socket.set("free_bind", IPPROTO_IP, IP_FREEBIND, 1);
    if (plan.transparent) {
        if (ipv6) socket.set("transparent", IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
        if (!ipv6 || plan.ip_family == 0)
            socket.set("transparent", IPPROTO_IP, IP_TRANSPARENT, 1);
    }
}

void set_ip_options(Setter& socket, const ListenerPlan& plan, bool ipv6) {
    if (plan.tos) {
        // A dual-stack socket sends both kinds.
        if (ipv6) socket.set("tos", IPPROTO_IPV6, IPV6_TCLASS, as_int(*plan.tos));
        if (!ipv6 || plan.ip_family == 0)
            socket.set("tos", IPPROTO_IP, IP_TOS, as_int(*plan.tos));
    }
    if (plan.broadcast) socket.set("broadcast", SOL_SOCKET, SO_BROADCAST, 1);
}

void set_tcp_options(Setter& socket, const ListenerPlan& plan) {
    if (plan.keepalive) socket.set("keepalive", SOL_SOCKET, SO_KEEPALIVE, 1);
    if (plan.keepalive_time)
        socket.set("keepalive_time", IPPROTO_TCP, TCP_KEEPIDLE,
                whole_seconds(*plan.keepalive_time));
    if (plan.keepalive_interval)
        socket.set("keepalive_interval", IPPROTO_TCP, TCP_KEEPINTVL,
                whole_seconds(*plan.keepalive_interval));
    if (plan.keepalive_probes)
        socket.set(
                "keepalive_probes", IPPROTO_TCP, TCP_KEEPCNT, as_int(*plan.keepalive_probes));
    if (plan.no_delay) socket.set("no_delay", IPPROTO_TCP, TCP_NODELAY, 1);
    if (!plan.congestion.empty())
        socket.set("congestion", IPPROTO_TCP, TCP_CONGESTION, plan.congestion.data(),
                plan.congestion.size());
}

void join_v4(Setter& socket, const in_addr& group, unsigned interface) {
    ip_mreqn request{};
    request.imr_multiaddr = group;
    request.imr_ifindex = static_cast<int>(interface);
    socket.set("join", IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
}

void join_v6(Setter& socket, const in6_addr& group, unsigned interface) {
    ipv6_mreq request{};
    request.ipv6mr_multiaddr = group;
    request.ipv6mr_interface = interface;
    socket.set("join", IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, sizeof request);
}

// "239.1.2.3", "ff02::1%eth0"; without a zone on the listener's interface, or the kernel's
// choice.
void join_group(Setter& socket, const ListenerPlan& plan, std::string_view text) {
    const std::size_t percent = text.find('%');
    const std::string group(text.substr(0, percent));
    const std::string zone(percent == std::string_view::npos ? std::string_view(plan.interface)
                                                             : text.substr(percent + 1));
    const unsigned interface = zone.empty() ? 0 : ::if_nametoindex(zone.c_str());
    if (!zone.empty() && interface == 0) return socket.fail("join", ENODEV);
    in_addr v4{};
    in6_addr v6{};
    if (::inet_pton(AF_INET, group.c_str(), &v4) == 1) return join_v4(socket, v4, interface);
    if (::inet_pton(AF_INET6, group.c_str(), &v6) == 1) return join_v6(socket, v6, interface);
    socket.fail("join", EINVAL);
}

}  // namespace

Result<void> set_options_before_bind(int fd, const ListenerPlan& plan, bool ipv6) {
    Setter socket(fd, plan);
    if (is_ip(plan)) {
        set_address_options(socket, plan, ipv6);
        set_ip_options(socket, plan, ipv6);
    }
    if (plan.kind == ListenerKind::tcp) set_tcp_options(socket, plan);
    // After tos, which sets a priority of its own.
    if (plan.priority) socket.set("priority", SOL_SOCKET, SO_PRIORITY, as_int(*plan.priority));
    if (plan.mark) socket.set("mark", SOL_SOCKET, SO_MARK, as_int(*plan.mark));
    // Before listen(2): the window that TCP offers is fixed by the handshake.
    if (plan.send_buffer)
        socket.set_buffer("send_buffer", SO_SNDBUFFORCE, SO_SNDBUF, *plan.send_buffer);
    if (plan.receive_buffer)
        socket.set_buffer("receive_buffer", SO_RCVBUFFORCE, SO_RCVBUF, *plan.receive_buffer);
    if (plan.pass_credentials) socket.set("pass_credentials", SOL_SOCKET, SO_PASSCRED, 1);
    return socket.result();
}

Result<void> set_options_after_bind(int fd, const ListenerPlan& plan, bool ipv6) {
    Setter socket(fd, plan);
    if (plan.kind == ListenerKind::tcp && plan.defer_accept)
        socket.set("defer_accept", IPPROTO_TCP, TCP_DEFER_ACCEPT,
                whole_seconds(*plan.defer_accept));
    if (plan.kind == ListenerKind::tcp && plan.fast_open)
        socket.set("fast_open", IPPROTO_TCP, TCP_FASTOPEN, as_int(*plan.fast_open));
    if (!ipv6 && std::ranges::any_of(plan.join,
                         [](const auto& g) { return g.find(':') != std::string::npos; }))
        socket.fail("join", EAFNOSUPPORT);
    for (const std::string& group : plan.join)
        join_group(socket, plan, group);
    return socket.result();
}

int option_of(int fd, int level, int option, int otherwise) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, level, option, &value, &size) == 0 ? value : otherwise;
}

}  // namespace superd
