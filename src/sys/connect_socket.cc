// SPDX-License-Identifier: MIT
#include "sys/connect_socket.h"

#include <cerrno>
#include <cstring>
#include <optional>

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/address.h"

namespace superd {

namespace {

SocketAddress ipv4_address(const TargetPlan& target) {
    SocketAddress address;
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(static_cast<std::uint16_t>(target.port));
    std::memcpy(&in.sin_addr, target.ip.bytes.data() + 12, sizeof in.sin_addr);
    std::memcpy(&address.storage, &in, sizeof in);
    address.length = sizeof in;
    return address;
}

SocketAddress ipv6_address(const TargetPlan& target) {
    SocketAddress address;
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(static_cast<std::uint16_t>(target.port));
    std::memcpy(&in.sin6_addr, target.ip.bytes.data(), sizeof in.sin6_addr);
    if (!target.zone.empty()) in.sin6_scope_id = ::if_nametoindex(target.zone.c_str());
    std::memcpy(&address.storage, &in, sizeof in);
    address.length = sizeof in;
    return address;
}

std::optional<SocketAddress> unix_address(const std::string& path) {
    SocketAddress address;
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    if (path.size() >= sizeof un.sun_path) return std::nullopt;
    std::memcpy(un.sun_path, path.data(), path.size());
    const bool abstract = path.starts_with('@');
    if (abstract) un.sun_path[0] = '\0';
    std::memcpy(&address.storage, &un, sizeof un);
    address.length = static_cast<socklen_t>(
            offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
    return address;
}

std::optional<SocketAddress> address_of(const TargetPlan& target) {
    if (target.kind == ListenerKind::unix_stream) return unix_address(target.path);
    if (target.ip.is_unspecified()) return std::nullopt;
    return target.ip.is_v4() ? ipv4_address(target) : ipv6_address(target);
}

}  // namespace

Result<Fd> open_connection(const TargetPlan& target) {
    const auto address = address_of(target);
    if (!address) return fail(EHOSTUNREACH, "connect", target.text);
    const int type = target.kind == ListenerKind::udp ? SOCK_DGRAM : SOCK_STREAM;
    Fd fd(::socket(address->storage.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail("socket", target.text);
    if (::connect(fd.get(), address->get(), address->length) != 0 && errno != EINPROGRESS)
        return fail("connect", target.text);
    return fd;
}

}  // namespace superd
