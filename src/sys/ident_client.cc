// SPDX-License-Identifier: MIT
// Asking peers' ident servers.
#include "sys/ident_client.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace superd {

namespace {

SocketAddress make_address(const IpAddress& ip, std::uint16_t port, std::uint32_t scope) {
    SocketAddress address;
    if (ip.is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, ip.bytes.data() + 12, sizeof v4.sin_addr);
        std::memcpy(&address.storage, &v4, sizeof v4);
        address.length = sizeof v4;
        return address;
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_scope_id = scope;
    std::memcpy(&v6.sin6_addr, ip.bytes.data(), sizeof v6.sin6_addr);
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.length = sizeof v6;
    return address;
}

Fd open_connection(const IdentQuery& query, std::uint16_t port) {
    const SocketAddress from = make_address(query.local, 0, query.scope);
    const SocketAddress to = make_address(query.peer, port, query.scope);
    Fd fd(::socket(from.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::bind(fd.get(), from.get(), from.length) != 0) return Fd();
    if (::connect(fd.get(), to.get(), to.length) != 0 && errno != EINPROGRESS) return Fd();
    return fd;
}

}  // namespace

bool IdentClient::begin(const IdentQuery& query, Mono deadline) {
    if (conversations_.size() >= limit_ || query.local.is_v4() != query.peer.is_v4())
        return false;
    Fd socket = open_connection(query, port_);
    if (!socket) return false;
    conversations_.push_back({query, deadline, std::move(socket), false, {}});
    return true;
}

void IdentClient::add_to(std::vector<pollfd>& entries) const {
    for (const Conversation& one : conversations_)
        entries.push_back(
                {one.socket.get(), static_cast<short>(one.asked ? POLLIN : POLLOUT), 0});
}

bool IdentClient::advance(Conversation& one, short events, IdentReply& reply) {
    if (!one.asked && (events & (POLLOUT | POLLERR | POLLHUP)) != 0) {
        // Fits into the buffer of a new connection, or the connection has failed.
        const std::string question = ident_question(one.query.peer_port, one.query.local_port);
        const ssize_t sent =
                ::send(one.socket.get(), question.data(), question.size(), MSG_NOSIGNAL);
        if (sent != static_cast<ssize_t>(question.size())) return true;
        one.asked = true;
        return false;
    }
    if ((events & (POLLIN | POLLERR | POLLHUP)) == 0) return false;
    char block[ident_reply_limit];
    const ssize_t got = ::recv(one.socket.get(), block, sizeof block, 0);
    if (got < 0) return errno != EAGAIN && errno != EINTR;
    one.heard.append(block, static_cast<std::size_t>(got));
    const auto end = one.heard.find_first_of("\r\n");
    const bool complete = end != std::string::npos || got == 0;
    if (complete)
        reply = parse_ident_reply(std::string_view(one.heard).substr(0, end),
                one.query.peer_port, one.query.local_port);
    return complete || one.heard.size() >= ident_reply_limit;
}

void IdentClient::on_polled(const pollfd* entries, Mono now, std::vector<Answer>& out) {
    for (Conversation& one : conversations_) {
        IdentReply reply;
        const short events = (entries++)->revents;
        const bool over = (events != 0 && advance(one, events, reply)) || now >= one.deadline;
        if (!over) continue;
        out.emplace_back(IdentAnswer{one.query.id, std::move(reply)});
        one.socket.reset();
    }
    std::erase_if(conversations_, [](const Conversation& one) { return !one.socket; });
}

Mono IdentClient::next_deadline() const {
    Mono next = Mono::max();
    for (const Conversation& one : conversations_)
        next = std::min(next, one.deadline);
    return next;
}

}  // namespace superd
