// SPDX-License-Identifier: MIT
// superd-log's side of `superctl logs`.
#include "log/server.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace superd {

namespace {

constexpr Nanoseconds question_time = std::chrono::seconds(2);

bool in_group(int socket, gid_t group) {
    gid_t groups[1024];
    socklen_t size = sizeof groups;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0) return false;
    return std::find(groups, groups + size / sizeof(gid_t), group) !=
           groups + size / sizeof(gid_t);
}

}  // namespace

struct LogServer::Reader {
    Fd socket;
    Mono accepted;
    std::string in, out;
    std::size_t sent = 0;           // of out
    std::optional<LogQuery> query;  // empty: has not asked yet
    std::uint64_t lost = 0;         // lines it does not know of
    bool finished = false;          // close when out is sent
    bool closed = false;
    std::uint32_t watched = EPOLLIN;

    [[nodiscard]] std::size_t waiting() const { return out.size() - sent; }
};

LogServer::LogServer(const LogRing& ring)
        : ring_(ring), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

LogServer::~LogServer() = default;

void LogServer::set_listener(Fd listener) {
    // superd has a copy: closing ours would not take it out of the set.
    if (listener_) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
    listener_ = std::move(listener);
    epoll_event event{EPOLLIN, {nullptr}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &event);
}

void LogServer::set_access(std::uint32_t owner, std::optional<std::uint32_t> admin_gid) {
    owner_ = owner;
    admin_gid_ = admin_gid;
}

void LogServer::on_ready(Mono now) {
    epoll_event events[reader_bound + 1];
    const int count = ::epoll_wait(epoll_.get(), events, reader_bound + 1, 0);
    bool arrivals = false;
    for (int i = 0; i < count; ++i) {
        auto* reader = static_cast<Reader*>(events[i].data.ptr);
        arrivals = arrivals || reader == nullptr;
        if (reader == nullptr) continue;
        if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0)
            on_question(*reader);
        if (!reader->closed) send_some(*reader);
    }
    remove_closed();
    if (arrivals) accept_all(now);  // after those who went have made room
}

void LogServer::accept_all(Mono now) {
    for (;;) {
        Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket) return;
        const char* refusal = nullptr;
        if (!may_read(socket.get()))
            refusal = "{\"error\":\"not permitted\"}\n";
        else if (readers_.size() >= reader_bound)
            refusal = "{\"error\":\"too many readers\"}\n";
        if (refusal != nullptr) {
            ::send(socket.get(), refusal, std::strlen(refusal), MSG_NOSIGNAL);
            continue;
        }
        auto reader = std::make_unique<Reader>();
        reader->socket = std::move(socket);
        reader->accepted = now;
        epoll_event event{EPOLLIN, {reader.get()}};
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, reader->socket.get(), &event);
        readers_.push_back(std::move(reader));
    }
}

bool LogServer::may_read(int socket) const {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
    if (peer.uid == 0 || peer.uid == owner_) return true;
    return admin_gid_ && (peer.gid == *admin_gid_ || in_group(socket, *admin_gid_));
}

void LogServer::on_question(Reader& reader) {
    char chunk[question_bound];
    const ssize_t n = ::recv(reader.socket.get(), chunk, sizeof chunk, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0 || reader.query) {  // it has gone, or says more than one question
        reader.closed = true;
        return;
    }
    reader.in.append(chunk, static_cast<std::size_t>(n));
    const std::size_t end = reader.in.find('\n');
    if (end != std::string::npos)
        answer(reader, std::string_view(reader.in).substr(0, end));
    else if (reader.in.size() > question_bound)
        reader.closed = true;
}

void LogServer::answer(Reader& reader, std::string_view question) {
    reader.query = parse_query(question);
    if (!reader.query) {
        reader.query = LogQuery{};
        reader.finished = true;
        append(reader, "{\"error\":\"not a question\"}\n");
        return;
    }
    send_history(reader);
    reader.finished = !reader.query->follow;
}

// The newest lines that fit; what is left out at the front is said there.
void LogServer::send_history(Reader& reader) {
    const auto lines = ring_.select(reader.query->services, reader.query->lines);
    std::vector<std::string> forms;
    std::size_t size = 0;
    for (auto line = lines.rbegin(); line != lines.rend() && size < history_bound; ++line) {
        std::string& form = forms.emplace_back();
        format_line(form, **line);
        form += '\n';
        size += form.size();
    }
    reader.lost += lines.size() - forms.size();
    for (auto form = forms.rbegin(); form != forms.rend(); ++form)
        append(reader, *form);
}

void LogServer::append(Reader& reader, std::string_view text) {
    if (reader.waiting() + text.size() > output_bound) {
        ++reader.lost;
        return;
    }
    if (reader.lost > 0) tell_lost(reader);
    reader.out += text;
}

void LogServer::tell_lost(Reader& reader) {
    LogLine lost;
    lost.lost = std::exchange(reader.lost, 0);
    format_line(reader.out, lost);
    reader.out += '\n';
}

void LogServer::publish(const LogLine& line) {
    std::string form;
    for (auto& reader : readers_) {
        if (!reader->query || !reader->query->follow || reader->finished) continue;
        const auto& services = reader->query->services;
        if (!services.empty() &&
                std::find(services.begin(), services.end(), line.service) == services.end())
            continue;
        if (form.empty()) {
            format_line(form, line);
            form += '\n';
        }
        append(*reader, form);
    }
}

void LogServer::send_some(Reader& reader) {
    while (reader.waiting() > 0) {
        const ssize_t n = ::send(reader.socket.get(), reader.out.data() + reader.sent,
                reader.waiting(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) {
            reader.closed = true;
            return;
        }
        reader.sent += static_cast<std::size_t>(n);
        if (reader.waiting() == 0 && reader.lost > 0) tell_lost(reader);
    }
    if (reader.waiting() == 0) {
        reader.out.clear();
        reader.sent = 0;
        reader.closed = reader.finished;
    } else if (reader.sent > reader.out.size() / 2) {
        reader.out.erase(0, std::exchange(reader.sent, 0));
    }
    if (!reader.closed) watch(reader);
}

void LogServer::watch(Reader& reader) {
    const std::uint32_t wanted = EPOLLIN | (reader.waiting() > 0 ? std::uint32_t{EPOLLOUT} : 0);
    if (wanted == reader.watched) return;
    reader.watched = wanted;
    epoll_event event{wanted, {&reader}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, reader.socket.get(), &event);
}

void LogServer::flush(Mono now) {
    for (auto& reader : readers_) {
        if (!reader->query && now - reader->accepted >= question_time) reader->closed = true;
        // One that waits for room is called by epoll.
        if ((reader->watched & EPOLLOUT) == 0 && reader->waiting() > 0) send_some(*reader);
    }
    remove_closed();
}

int LogServer::timeout(Mono now) const {
    int timeout = -1;
    for (const auto& reader : readers_) {
        if (reader->query) continue;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                reader->accepted + question_time - now);
        const int ms = std::max(static_cast<int>(left.count()), 0);
        timeout = timeout < 0 ? ms : std::min(timeout, ms);
    }
    return timeout;
}

void LogServer::remove_closed() {
    std::erase_if(readers_, [](const auto& reader) { return reader->closed; });
}

}  // namespace superd
