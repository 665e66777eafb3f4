// SPDX-License-Identifier: MIT
// What every sink has, and syslog; files are in file_sink.cc, the journal is in journal.cc.
#include "log/sinks.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/result.h"

namespace superd {

namespace {

constexpr Nanoseconds news_interval = std::chrono::seconds(10);
constexpr Nanoseconds first_retry = std::chrono::seconds(1),
                      last_retry = std::chrono::seconds(30);

constexpr int full_timeout = 100;  // ms until a socket that is full is tried again

constexpr std::string_view syslog_path = "/dev/log";
// Longer datagrams are cut: syslogd reads 8 KiB at most.
constexpr std::size_t syslog_limit = 8 * 1024;

}  // namespace

int until(Mono then, Mono now) {
    if (then <= now) return 0;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(then - now).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

// ---- Sink

std::string Sink::name() const {
    switch (plan_.kind) {
        case SinkKind::stderr_text: return "stderr";
        case SinkKind::file: return "file " + plan_.path;
        case SinkKind::syslog: return "syslog";
        case SinkKind::journal: return "journal";
    }
    return "log";
}

std::optional<Mono> Sink::news_due() const {
    if (!notes_.empty()) return Mono::min();
    if (error_ == said_error_ && (error_ != 0 || lost_ == told_)) return std::nullopt;
    return said_ ? *said_ + news_interval : Mono::min();
}

std::optional<SinkNews> Sink::news(Mono now) {
    if (!notes_.empty()) {
        SinkNews note = std::move(notes_.front());
        notes_.pop_front();
        return note;
    }
    const auto due = news_due();
    if (!due || now < *due) return std::nullopt;
    const std::uint64_t lines = error_ == 0 ? lost_ - told_ : 0;
    said_ = now;
    const bool again = std::exchange(said_error_, error_) != 0;
    if (error_ != 0) return SinkNews{Level::warning, describe(error_)};
    told_ = lost_;
    const std::string works = name() + (again ? " works again" : "");
    if (lines == 0) return SinkNews{Level::info, works};
    return SinkNews{Level::warning,
            works + (again ? ", " : ": ") + std::to_string(lines) + " lines were lost"};
}

// ---- MessageSink

void MessageSink::write(const SinkLine& line) {
    if (line.xinetd == nullptr || plan().kind != SinkKind::syslog)
        return take(line, line.message, "superd");
    for (const XinetdForm& one : *line.xinetd)
        take(line, one.message, "xinetd");
}

void MessageSink::take(const SinkLine& line, std::string_view text, const char* daemon) {
    const bool own = line.pid == 0;
    Message message{line.priority, own ? line.daemon : line.pid, std::string(line.service),
            std::string(text), own ? daemon : nullptr, line.tally};
    bytes_ += cost_of(message);
    queue_.push_back(std::move(message));
    while (bytes_ > bound) {
        count_lost(queue_.front().tally);
        drop_front();
    }
}

std::string MessageSink::describe(int error) const {
    return name() + " is not there: " + errno_text(error);
}

bool MessageSink::try_connect(Mono now) {
    if (tried_ && now - *tried_ < retry_) return false;
    const int error = connect();
    set_error(error);
    available_ = error == 0;
    retry_ = available_ ? Nanoseconds(0) : std::clamp(retry_ * 2, first_retry, last_retry);
    tried_ = now;
    return available_;
}

void MessageSink::flush(Mono now) {
    if (!available_ && !try_connect(now)) return;
    while (!queue_.empty()) {
        const Message& message = queue_.front();
        const int error = send(message);
        if (error == EAGAIN) return;
        if (error != 0) {
            // Gone since: once again at once, for a syslogd that was only started anew.
            available_ = false;
            if (!try_connect(now)) return;
            continue;
        }
        drop_front();
    }
}

std::size_t MessageSink::cost_of(const Message& message) {
    return message.text.size() + message.service.size() + sizeof(Message);
}

void MessageSink::drop_front() {
    bytes_ -= cost_of(queue_.front());
    queue_.pop_front();
}

int MessageSink::timeout(Mono now) const {
    if (queue_.empty()) return -1;
    if (available_) return full_timeout;
    return until(*tried_ + retry_, now);
}

// ---- SyslogSink

int SyslogSink::connect() {
    const std::string path = plan().path.empty() ? std::string(syslog_path) : plan().path;
    sockaddr_un address{};
    if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_) return errno;
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0)
        return errno;
    return 0;
}

// "<30>Nov 23 01:48:02 ssh[812]: text", as syslog(3) writes it.
int SyslogSink::send(const Message& message) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::localtime_r(&now, &parts);
    char time[32] = "";
    std::strftime(time, sizeof time, "%b %e %T", &parts);
    const int priority = plan().severity.value_or(static_cast<std::uint8_t>(message.priority));
    packet_ = '<' + std::to_string(plan().facility << 3 | priority) + '>' + time + ' ';
    packet_ += message.own != nullptr ? std::string_view(message.own) : message.service;
    if (message.pid > 0) packet_ += '[' + std::to_string(message.pid) + ']';
    packet_ += ": " + message.text;
    if (packet_.size() > syslog_limit) packet_.resize(syslog_limit);
    for (;;) {
        const ssize_t n = ::send(socket_.get(), packet_.data(), packet_.size(), MSG_NOSIGNAL);
        if (n >= 0) return 0;
        if (errno == EINTR) continue;
        return errno == ENOBUFS ? EAGAIN : errno;
    }
}

}  // namespace superd
