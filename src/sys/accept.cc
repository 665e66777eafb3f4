// SPDX-License-Identifier: MIT
// accept4(2) and what it can answer.
#include "sys/accept.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace superd {

namespace {

bool is_unix(ListenerKind kind) {
    return kind == ListenerKind::unix_stream || kind == ListenerKind::unix_dgram ||
           kind == ListenerKind::unix_seqpacket;
}

Endpoint unix_peer(int fd) {
    Endpoint peer;
    peer.family = Family::unix;
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        // Never taken for root.
        peer.uid = peer.gid = ~std::uint32_t{0};
        return peer;
    }
    peer.uid = credentials.uid;
    peer.gid = credentials.gid;
    peer.pid = static_cast<std::uint32_t>(credentials.pid);
    return peer;
}

}  // namespace

AcceptOutcome classify_accept_error(int error) {
    switch (error) {
        case EAGAIN: return AcceptOutcome::empty;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: return AcceptOutcome::no_resources;
        case EBADF:
        case EINVAL:
        case ENOTSOCK:
        case EOPNOTSUPP:
        case EFAULT: return AcceptOutcome::broken;
        // EINTR, ECONNABORTED, EPERM of a packet filter, and the network errors pending on the
        // new connection that accept(2) of Linux hands over: ENETDOWN, EPROTO, ENOPROTOOPT,
        // EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH.
        default: return AcceptOutcome::gone;
    }
}

Accepted accept_connection(int listener, ListenerKind kind, Endpoint& peer, bool blocking) {
    SocketAddress address;
    address.length = sizeof address.storage;
    const int flags = SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK);
    const int fd = ::accept4(listener, address.get(), &address.length, flags);
    if (fd < 0) return {classify_accept_error(errno), errno, {}};
    peer = is_unix(kind) ? unix_peer(fd) : Endpoint::from(address.get(), address.length);
    return {AcceptOutcome::accepted, 0, Fd(fd)};
}

void set_blocking(int fd, bool blocking) {
    const int flags = ::fcntl(fd, F_GETFL);
    const int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    if (flags >= 0 && wanted != flags) ::fcntl(fd, F_SETFL, wanted);
}

bool mark_turned_away(int fd) {
    constexpr timeval bound{.tv_sec = 60, .tv_usec = 0};
    return ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound) == 0;
}

bool is_turned_away(int fd) {
    timeval bound{};
    socklen_t length = sizeof bound;
    return ::getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, &length) == 0 && bound.tv_sec != 0;
}

Endpoint local_endpoint(int fd) {
    SocketAddress address;
    address.length = sizeof address.storage;
    if (::getsockname(fd, address.get(), &address.length) != 0) return {};
    return Endpoint::from(address.get(), address.length);
}

std::string unix_peer_name(int fd) {
    sockaddr_un address{};
    socklen_t length = sizeof address;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
            address.sun_family != AF_UNIX || length <= offsetof(sockaddr_un, sun_path))
        return {};
    std::string name(
            address.sun_path, std::min(static_cast<std::size_t>(length), sizeof address) -
                                      offsetof(sockaddr_un, sun_path));
    const bool abstract = name[0] == '\0';
    if (abstract)
        name[0] = '@';
    else
        name.resize(std::strlen(name.c_str()));
    const bool fits = name.find('\0') == std::string::npos;
    return fits && (abstract || name.starts_with('/')) ? name : std::string();
}

std::uint64_t socket_cookie(int fd) {
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

Result<std::vector<std::uint32_t>> peer_groups(int fd) {
    std::vector<std::uint32_t> groups(64);
    auto size = static_cast<socklen_t>(groups.size() * sizeof groups[0]);
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) {
        // ERANGE: size now says how much there is.
        if (errno != ERANGE) return fail("getsockopt SO_PEERGROUPS");
        groups.resize(size / sizeof groups[0]);
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0)
            return fail("getsockopt SO_PEERGROUPS");
    }
    groups.resize(size / sizeof groups[0]);
    return groups;
}

}  // namespace superd
