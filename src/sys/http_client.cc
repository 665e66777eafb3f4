// SPDX-License-Identifier: MIT
#include "sys/http_client.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

#include "sys/http_reply.h"

namespace superd {

namespace {

// -1: errno says why.
int connect_to(int socket, const HttpQuery& query) {
    if (query.address.is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(query.port);
        std::memcpy(&v4.sin_addr, query.address.bytes.data() + 12, sizeof v4.sin_addr);
        return ::connect(socket, reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(query.port);
    std::memcpy(&v6.sin6_addr, query.address.bytes.data(), sizeof v6.sin6_addr);
    return ::connect(socket, reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
}

std::uint16_t error_number(int error) {
    return static_cast<std::uint16_t>(std::clamp(error, 1, 4095));
}

}  // namespace

void HttpClient::begin(const HttpQuery& query, Mono deadline) {
    Visit visit{query, deadline, Fd(), HttpAnswer{.id = query.id},
            http_question(query.host, query.target), {}};
    if (visits_.size() < limit_)
        visit.socket.reset(::socket(query.address.is_v4() ? AF_INET : AF_INET6,
                SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    else
        errno = EMFILE;
    const bool begun = visit.socket &&
                       (connect_to(visit.socket.get(), query) == 0 || errno == EINPROGRESS);
    if (!begun) {
        visit.answer.error = error_number(errno);
        visit.over = true;
        visit.deadline = Mono{};
    }
    visits_.push_back(std::move(visit));
}

void HttpClient::add_to(std::vector<pollfd>& entries) const {
    for (const Visit& visit : visits_)
        entries.push_back({visit.socket.get(),
                static_cast<short>(visit.unsent.empty() ? POLLIN : POLLOUT), 0});
}

void HttpClient::send(Visit& visit) {
    const ssize_t sent =
            ::send(visit.socket.get(), visit.unsent.data(), visit.unsent.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
        visit.unsent.erase(0, static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN && errno != EINTR) {
        visit.answer.error = error_number(errno);
        visit.over = true;
    }
}

void HttpClient::receive(Visit& visit) {
    char block[http_reply_limit];
    const std::size_t room = http_reply_limit - visit.heard.size();
    const ssize_t got = ::recv(visit.socket.get(), block, room, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) {
        visit.answer.error = error_number(errno);
        visit.over = true;
        return;
    }
    visit.heard.append(block, static_cast<std::size_t>(got));
    const HttpReply reply = read_http_reply(visit.heard, got == 0);
    if (!reply.complete) return;
    visit.over = true;
    visit.answer.status = reply.status;
    if (reply.status == 0) visit.answer.error = error_number(EPROTO);
}

void HttpClient::advance(Visit& visit, short events) {
    if (events == 0 || visit.over) return;
    if (!visit.unsent.empty())
        send(visit);
    else
        receive(visit);
}

void HttpClient::on_polled(const pollfd* entries, Mono now, std::vector<Answer>& out) {
    for (Visit& visit : visits_) {
        advance(visit, (entries++)->revents);
        if (!visit.over && now < visit.deadline) continue;
        if (!visit.over) visit.answer.error = error_number(ETIMEDOUT);
        visit.over = true;
        out.emplace_back(visit.answer);
    }
    std::erase_if(visits_, [](const Visit& visit) { return visit.over; });
}

Mono HttpClient::next_deadline() const {
    Mono next = Mono::max();
    for (const Visit& visit : visits_)
        next = std::min(next, visit.deadline);
    return next;
}

}  // namespace superd
