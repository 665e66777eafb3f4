// SPDX-License-Identifier: MIT
#include "sys/sock_diag.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "sys/client_queue.h"
#include "sys/socket_options.h"

namespace superd {

namespace {

// More parts than any host has sockets for: a kernel that never ends its list is not waited
// for.
constexpr int most_parts = 1 << 16;

constexpr std::uint32_t bit(unsigned state) {
    return 1U << state;
}

// Of those that are over, or not there yet, nobody holds a socket.
constexpr std::uint32_t open_states = ~(bit(TCP_LISTEN) | bit(TCP_TIME_WAIT) |
                                        bit(TCP_SYN_RECV) | bit(12U));  // TCP_NEW_SYN_RECV

template <class T>
std::optional<T> taken(std::string_view bytes) {
    if (bytes.size() < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

IpAddress address_of(const inet_diag_msg& message) {
    IpAddress ip;
    if (message.idiag_family == AF_INET) {
        ip.bytes[10] = ip.bytes[11] = 0xff;
        std::memcpy(ip.bytes.data() + 12, message.id.idiag_src, 4);
    } else {
        std::memcpy(ip.bytes.data(), message.id.idiag_src, 16);
    }
    return ip;
}

bool is_wanted_ip(std::string_view body, const SocketsWanted& wanted, std::uint64_t& inode) {
    const auto message = taken<inet_diag_msg>(body);
    if (message) inode = message->idiag_inode;
    if (!message || message->idiag_inode == 0) return false;  // 0: nobody holds it
    if ((bit(message->idiag_state & 31U) & open_states) == 0 ||
            ntohs(message->id.idiag_sport) != wanted.port)
        return false;
    const IpAddress ip = address_of(*message);
    if (ip == wanted.ip) return true;
    return wanted.ip.is_unspecified() && (wanted.any_family || ip.is_v4() == wanted.ip.is_v4());
}

// Whether a path ends with NUL there is the kernel's own affair; the names of abstract sockets
// may have any number of them.
std::string_view without_end(std::string_view name) {
    return name.empty() || name.front() == '\0' ? name : name.substr(0, name.find('\0'));
}

// An accepted socket has its listener's name.
bool is_wanted_local(std::string_view body, const SocketsWanted& wanted, std::uint64_t& inode) {
    const auto message = taken<unix_diag_msg>(body);
    if (message) inode = message->udiag_ino;
    if (!message || message->udiag_state == TCP_LISTEN || message->udiag_type != wanted.type)
        return false;
    for (std::size_t at = NLMSG_ALIGN(sizeof(unix_diag_msg)); at < body.size();) {
        const std::string_view rest = body.substr(at);
        const auto part = taken<rtattr>(rest);
        if (!part || part->rta_len < sizeof(rtattr) || part->rta_len > rest.size())
            return false;
        if (part->rta_type == UNIX_DIAG_NAME)
            return without_end(rest.substr(sizeof(rtattr), part->rta_len - sizeof(rtattr))) ==
                   wanted.name;
        at += RTA_ALIGN(part->rta_len);
    }
    return false;
}

void read_socket(std::string_view body, const SocketsWanted& wanted, DiagPart& part) {
    std::uint64_t inode = 0;
    const bool is_wanted = wanted.local ? is_wanted_local(body, wanted, inode)
                                        : is_wanted_ip(body, wanted, inode);
    if (!is_wanted) return;
    part.found = true;
    if (inode != 0) part.inodes.push_back(inode);
}

// errno of NLMSG_ERROR, or of an NLMSG_DONE that says why it is no whole list.
int error_in(std::string_view body) {
    const auto code = taken<std::int32_t>(body);
    return code && *code < 0 && *code > -4096 ? -*code : 0;
}

struct Question {
    nlmsghdr header;

    union {
        inet_diag_req_v2 ip;
        unix_diag_req local;
    } body;
};

Question make_question(const SocketsWanted& wanted, int family) {
    Question question{};
    question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    if (wanted.local) {
        question.header.nlmsg_len = NLMSG_LENGTH(sizeof(unix_diag_req));
        question.body.local.sdiag_family = AF_UNIX;
        question.body.local.udiag_states = ~bit(TCP_LISTEN);
        question.body.local.udiag_show = UDIAG_SHOW_NAME;
        return question;
    }
    question.header.nlmsg_len = NLMSG_LENGTH(sizeof(inet_diag_req_v2));
    question.body.ip.sdiag_family = static_cast<std::uint8_t>(family);
    question.body.ip.sdiag_protocol = IPPROTO_TCP;
    question.body.ip.idiag_states = open_states;
    question.body.ip.id.idiag_sport = htons(wanted.port);
    return question;
}

std::optional<SocketsWanted> accepted_at(int listener, int family) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    if (::getsockname(listener, reinterpret_cast<sockaddr*>(&name), &size) != 0)
        return std::nullopt;
    SocketsWanted wanted;
    if (family == AF_UNIX) {
        constexpr std::size_t path_at = offsetof(sockaddr_un, sun_path);
        wanted.local = true;
        wanted.type = option_of(listener, SOL_SOCKET, SO_TYPE);
        if (size > path_at && size <= sizeof name)
            wanted.name = without_end(
                    {reinterpret_cast<const char*>(&name) + path_at, size - path_at});
        return wanted;
    }
    if (family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &name, sizeof v4);
        wanted.port = ntohs(v4.sin_port);
        wanted.ip.bytes[10] = wanted.ip.bytes[11] = 0xff;
        std::memcpy(wanted.ip.bytes.data() + 12, &v4.sin_addr, 4);
        return wanted;
    }
    sockaddr_in6 v6{};
    std::memcpy(&v6, &name, sizeof v6);
    wanted.port = ntohs(v6.sin6_port);
    std::memcpy(wanted.ip.bytes.data(), &v6.sin6_addr, 16);
    wanted.any_family = option_of(listener, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
    return wanted;
}

}  // namespace

DiagPart read_diag_part(std::string_view datagram, const SocketsWanted& wanted) {
    DiagPart part;
    while (!datagram.empty()) {
        const auto header = taken<nlmsghdr>(datagram);
        if (!header || header->nlmsg_len < NLMSG_HDRLEN ||
                header->nlmsg_len > datagram.size()) {
            part.error = EBADMSG;
            return part;
        }
        const std::string_view body =
                datagram.substr(NLMSG_HDRLEN, header->nlmsg_len - NLMSG_HDRLEN);
        if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) {
            part.over = true;
            part.error = error_in(body);
            return part;
        }
        if (header->nlmsg_type == SOCK_DIAG_BY_FAMILY) read_socket(body, wanted, part);
        datagram.remove_prefix(
                std::min<std::size_t>(NLMSG_ALIGN(header->nlmsg_len), datagram.size()));
    }
    return part;
}

namespace {

enum class Next : std::uint8_t { go_on, enough };

// Each part of the kernel's list of connections at the listener, until visit has enough.
template <class Visit>
Result<void> list_connections(int listener, Visit visit) {
    const int family = option_of(listener, SOL_SOCKET, SO_DOMAIN);
    const auto wanted = accepted_at(listener, family);
    if (!wanted) return fail("getsockname", "listener");
    const Fd diag(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!diag) return fail("socket", "sock_diag");
    const Question question = make_question(*wanted, family);
    if (::send(diag.get(), &question, question.header.nlmsg_len, 0) < 0)
        return fail("send", "sock_diag");
    alignas(nlmsghdr) static std::array<char, 1U << 16> room;
    for (int i = 0; i < most_parts; ++i) {
        // Each part is there as soon as the one before was read.
        const ssize_t size =
                ::recv(diag.get(), room.data(), room.size(), MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0) return fail("recv", "sock_diag");
        if (static_cast<std::size_t>(size) > room.size())
            return fail(EMSGSIZE, "recv", "sock_diag");
        const DiagPart part =
                read_diag_part({room.data(), static_cast<std::size_t>(size)}, *wanted);
        if (visit(part) == Next::enough) return {};
        if (part.error != 0) return fail(part.error, "list sockets", "sock_diag");
        if (part.over) return {};
    }
    return fail(EOVERFLOW, "list sockets", "sock_diag");
}

}  // namespace

Result<bool> has_connections(int listener) {
    const auto queued = client_queue_of(listener);
    if (queued && queued->length > 0) return true;
    bool found = false;
    const auto listed = list_connections(listener, [&found](const DiagPart& part) {
        found = part.found;
        return found ? Next::enough : Next::go_on;
    });
    if (!listed) return tl::unexpected(listed.error());
    return found;
}

Result<std::vector<std::uint64_t>> connections_of(int listener) {
    std::vector<std::uint64_t> inodes;
    const auto listed = list_connections(listener, [&inodes](const DiagPart& part) {
        inodes.insert(inodes.end(), part.inodes.begin(), part.inodes.end());
        return Next::go_on;
    });
    if (!listed) return tl::unexpected(listed.error());
    return inodes;
}

}  // namespace superd
