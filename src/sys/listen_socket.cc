// SPDX-License-Identifier: MIT
// Opening listeners.
#include "sys/listen_socket.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>
#include <optional>

#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/message_queue.h"
#include "sys/node.h"
#include "sys/socket_options.h"

namespace superd {

namespace {

int socket_type(ListenerKind kind) {
    switch (kind) {
        case ListenerKind::udp:
        case ListenerKind::unix_dgram: return SOCK_DGRAM;
        case ListenerKind::unix_seqpacket: return SOCK_SEQPACKET;
        case ListenerKind::tcp:
        case ListenerKind::unix_stream:
        case ListenerKind::fifo:
        case ListenerKind::mqueue:
        case ListenerKind::netlink:
        case ListenerKind::vsock: break;
    }
    return SOCK_STREAM;
}

SocketAddress ipv4_address(const ListenerPlan& plan) {
    SocketAddress out;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(plan.port));
    if (!plan.ip.is_unspecified()) std::memcpy(&address.sin_addr, plan.ip.bytes.data() + 12, 4);
    std::memcpy(&out.storage, &address, sizeof address);
    out.length = sizeof address;
    return out;
}

Result<SocketAddress> ipv6_address(const ListenerPlan& plan) {
    SocketAddress out;
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(static_cast<std::uint16_t>(plan.port));
    std::memcpy(&address.sin6_addr, plan.ip.bytes.data(), 16);
    if (!plan.interface_zone.empty()) {
        address.sin6_scope_id = ::if_nametoindex(plan.interface_zone.c_str());
        if (address.sin6_scope_id == 0) return fail(ENODEV, "bind", plan.address);
    }
    std::memcpy(&out.storage, &address, sizeof address);
    out.length = sizeof address;
    return out;
}

Result<SocketAddress> unix_address(const ListenerPlan& plan) {
    SocketAddress out;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const bool abstract = plan.path.starts_with('@');
    // An abstract name has no end but the address's length; a path needs its NUL.
    const std::size_t size = plan.path.size() + (abstract ? 0 : 1);
    if (size > sizeof address.sun_path) return fail(ENAMETOOLONG, "bind", plan.address);
    std::memcpy(address.sun_path, plan.path.data(), plan.path.size());
    if (abstract) address.sun_path[0] = '\0';
    std::memcpy(&out.storage, &address, sizeof address);
    out.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
    return out;
}

SocketAddress vsock_address(const ListenerPlan& plan) {
    SocketAddress out;
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = plan.cid;
    address.svm_port = plan.port == 0 ? VMADDR_PORT_ANY : plan.port;
    std::memcpy(&out.storage, &address, sizeof address);
    out.length = sizeof address;
    return out;
}

Result<Fd> make_socket(int family, const ListenerPlan& plan) {
    const int protocol = plan.mptcp ? IPPROTO_MPTCP : 0;
    Fd fd(::socket(family, socket_type(plan.kind) | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    if (!fd) return fail(plan.mptcp ? "set mptcp" : "socket", plan.address);
    return fd;
}

Result<void> start_listening(int fd, const ListenerPlan& plan) {
    if (!is_connection_kind(plan.kind)) return {};
    const auto backlog = static_cast<int>(std::min<std::uint32_t>(plan.backlog, INT_MAX));
    if (::listen(fd, backlog) != 0) return fail("listen", plan.address);
    return {};
}

Result<Fd> open_ip(const ListenerPlan& plan, bool ipv6, const BeforeBind& before_bind) {
    auto fd = make_socket(ipv6 ? AF_INET6 : AF_INET, plan);
    if (!fd) return fd;
    if (auto set = set_options_before_bind(fd->get(), plan, ipv6); !set)
        return tl::unexpected(set.error());
    if (before_bind) {
        if (auto done = before_bind(fd->get()); !done) return tl::unexpected(done.error());
    }
    const Result<SocketAddress> address = ipv6 ? ipv6_address(plan) : ipv4_address(plan);
    if (!address) return tl::unexpected(address.error());
    if (::bind(fd->get(), address->get(), address->length) != 0)
        return fail("bind", plan.address);
    if (auto set = set_options_after_bind(fd->get(), plan, ipv6); !set)
        return tl::unexpected(set.error());
    if (auto listening = start_listening(fd->get(), plan); !listening)
        return tl::unexpected(listening.error());
    return fd;
}

// Both families on one socket, or IPv4 alone on a host without IPv6: built without it
// (EAFNOSUPPORT), or switched off (EADDRNOTAVAIL for [::]).
Result<Fd> open_both_families(const ListenerPlan& plan, const BeforeBind& before_bind) {
    auto fd = open_ip(plan, true, before_bind);
    if (fd || plan.v6only.value_or(false)) return fd;
    const int code = fd.error().code;
    if (code != EAFNOSUPPORT && code != EADDRNOTAVAIL) return fd;
    return open_ip(plan, false, before_bind);
}

Result<Fd> open_inet(const ListenerPlan& plan, const BeforeBind& before_bind) {
    if (plan.ip_family == 4 || plan.ip.is_v4()) return open_ip(plan, false, before_bind);
    if (plan.ip_family == 0 && plan.ip.is_unspecified())
        return open_both_families(plan, before_bind);
    return open_ip(plan, true, before_bind);
}

// Binds, in the place of a node that nobody answers any more if there is one.
Result<void> bind_unix(int fd, const ListenerPlan& plan) {
    const auto address = unix_address(plan);
    if (!address) return tl::unexpected(address.error());
    if (::bind(fd, address->get(), address->length) == 0) return {};
    if (errno != EADDRINUSE || !has_node(plan)) return fail("bind", plan.address);
    if (auto removed = remove_stale_socket(plan); !removed) return removed;
    if (::bind(fd, address->get(), address->length) != 0) return fail("bind", plan.address);
    return {};
}

// What follows bind(2) for a socket with a node; when it fails the node goes away again.
Result<void> publish_unix(int fd, const ListenerPlan& plan) {
    Result<void> done = has_node(plan) ? own_node(plan) : Result<void>{};
    if (done) done = start_listening(fd, plan);
    if (!done && has_node(plan)) ::unlink(plan.path.c_str());
    return done;
}

Result<Fd> open_unix(const ListenerPlan& plan) {
    auto fd = make_socket(AF_UNIX, plan);
    if (!fd) return fd;
    auto done = set_options_before_bind(fd->get(), plan, false);
    if (done && has_node(plan)) {
        done = make_directories(plan);
        // The node is born with the mode of the socket's inode: nobody's until it has its
        // owner.
        if (done && ::fchmod(fd->get(), 0) != 0) done = fail("set mode", plan.address);
    }
    if (done) done = bind_unix(fd->get(), plan);
    if (done) done = publish_unix(fd->get(), plan);
    if (!done) return tl::unexpected(done.error());
    return fd;
}

Result<Fd> open_vsock(const ListenerPlan& plan) {
    auto fd = make_socket(AF_VSOCK, plan);
    if (!fd) return fd;
    if (auto set = set_options_before_bind(fd->get(), plan, false); !set)
        return tl::unexpected(set.error());
    const SocketAddress address = vsock_address(plan);
    if (::bind(fd->get(), address.get(), address.length) != 0)
        return fail("bind", plan.address);
    if (auto listening = start_listening(fd->get(), plan); !listening)
        return tl::unexpected(listening.error());
    return fd;
}

std::string unix_text(ListenerKind kind, const sockaddr_un& address, socklen_t length) {
    const std::string prefix = kind == ListenerKind::unix_dgram       ? "unixgram:"
                               : kind == ListenerKind::unix_seqpacket ? "seqpacket:"
                                                                      : "unix:";
    const std::size_t size = length - offsetof(sockaddr_un, sun_path);
    if (size > 0 && address.sun_path[0] == '\0')
        return prefix + '@' + std::string(address.sun_path + 1, size - 1);
    return prefix + std::string(address.sun_path, ::strnlen(address.sun_path, size));
}

}  // namespace

Result<Fd> open_listener(const ListenerPlan& plan, const BeforeBind& before_bind) {
    switch (plan.kind) {
        case ListenerKind::tcp:
        case ListenerKind::udp: return open_inet(plan, before_bind);
        case ListenerKind::unix_stream:
        case ListenerKind::unix_dgram:
        case ListenerKind::unix_seqpacket: return open_unix(plan);
        case ListenerKind::fifo: return open_fifo(plan);
        case ListenerKind::mqueue: return open_message_queue(plan);
        case ListenerKind::netlink: return open_netlink(plan);
        case ListenerKind::vsock: break;
    }
    return open_vsock(plan);
}

bool is_not_there_yet(const Error& error) {
    return error.code == EADDRNOTAVAIL || error.code == ENODEV;
}

std::string bound_text(int fd, ListenerKind kind) {
    SocketAddress local;
    local.length = sizeof local.storage;
    if (::getsockname(fd, local.get(), &local.length) != 0) return {};
    if (local.storage.ss_family == AF_UNIX) {
        sockaddr_un address{};
        std::memcpy(&address, &local.storage, sizeof address);
        return unix_text(kind, address, local.length);
    }
    const Endpoint end = Endpoint::from(local.get(), local.length);
    if (end.family == Family::vsock) return end.text();
    if (end.family != Family::ip) return {};
    return (kind == ListenerKind::udp ? "udp:" : "tcp:") + end.text();
}

}  // namespace superd
