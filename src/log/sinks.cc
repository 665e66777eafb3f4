// SPDX-License-Identifier: MIT
// Where superd-log writes: stderr, files, syslog; the journal is in journal.cc.
#include "log/sinks.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syslog.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/result.h"

namespace superd {

namespace {

constexpr Nanoseconds news_interval = std::chrono::seconds(10);
constexpr Nanoseconds first_retry = std::chrono::seconds(1),
                      last_retry = std::chrono::seconds(30);
constexpr int retry_timeout = 100;  // ms

constexpr std::string_view syslog_path = "/dev/log";
// Longer datagrams are cut: syslogd reads 8 KiB at most.
constexpr std::size_t syslog_limit = 8 * 1024;

std::uint64_t count_lines(std::string_view text) {
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

bool is_writable_now(int fd) {
    pollfd entry{fd, POLLOUT, 0};
    return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLOUT) != 0;
}

}  // namespace

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

std::optional<SinkNews> Sink::news(Mono now) {
    const std::uint64_t lines = error_ == 0 ? lost_ - told_ : 0;
    if (error_ == said_error_ && lines == 0) return std::nullopt;
    if (said_ && now - *said_ < news_interval) return std::nullopt;
    said_ = now;
    const bool again = std::exchange(said_error_, error_) != 0;
    if (error_ != 0) return SinkNews{Level::warning, describe(error_)};
    told_ = lost_;
    const std::string works = name() + (again ? " works again" : "");
    if (lines == 0) return SinkNews{Level::info, works};
    return SinkNews{Level::warning,
            works + (again ? ", " : ": ") + std::to_string(lines) + " lines were lost"};
}

// ---- FileSink

FileSink::FileSink(SinkPlan plan, int descriptor)
        : Sink(std::move(plan)), descriptor_(descriptor) {
    look();
}

FileSink::FileSink(SinkPlan plan, Fd file)
        : Sink(std::move(plan)), file_(std::move(file)), descriptor_(file_.get()) {
    look();
}

std::string FileSink::describe(int error) const {
    return name() + (error == EBADF ? " could not be opened" : ": " + errno_text(error));
}

void FileSink::look() {
    struct stat status {};

    regular_ =
            descriptor_ >= 0 && ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
    set_error(descriptor_ >= 0 ? 0 : EBADF);
}

void FileSink::replace(Fd file, Mono now) {
    flush(now);
    if (torn_ && !buffer_.empty()) {  // the rest of a line whose beginning is in the old file
        if (!buffer_.starts_with('\n')) count_lost(1);
        buffer_.erase(0, buffer_.find('\n') + 1);
    }
    torn_ = false;
    file_ = std::move(file);
    descriptor_ = file_.get();
    look();
}

void FileSink::write(const SinkLine& line) {
    if (descriptor_ < 0 || buffer_.size() + line.line.size() >= bound) return count_lost(1);
    buffer_ += line.line;
    buffer_ += '\n';
}

// A terminal or pipe that others share is not made non-blocking; up to PIPE_BUF bytes go into
// one that poll(2) calls writable without waiting.
long FileSink::write_some(std::string_view text) {
    if (regular_) return ::write(descriptor_, text.data(), text.size());
    if (!is_writable_now(descriptor_)) {
        errno = EAGAIN;
        return -1;
    }
    return ::write(descriptor_, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
}

void FileSink::flush(Mono) {
    std::size_t sent = 0;
    while (sent < buffer_.size()) {
        const long n = write_some(std::string_view(buffer_).substr(sent));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) return give_up(sent, n < 0 ? errno : ENOSPC);
        set_error(0);
        sent += static_cast<std::size_t>(n);
        torn_ = buffer_[sent - 1] != '\n';
    }
    buffer_.erase(0, sent);
}

// A full disk does not get better by waiting, and the lines after it are worth as much. The
// line that was cut gets its end with the next one that can be written.
void FileSink::give_up(std::size_t from, int error) {
    const bool end_of_torn = from == 0 && buffer_.starts_with('\n');
    count_lost(count_lines(std::string_view(buffer_).substr(from)) - (end_of_torn ? 1 : 0));
    set_error(error);
    buffer_.clear();
    if (torn_) buffer_ = "\n";
}

// ---- MessageSink

void MessageSink::write(const SinkLine& line) {
    const std::size_t cost = line.message.size() + line.service.size() + sizeof(Message);
    if (bytes_ + cost > bound) return count_lost(1);
    const bool own = line.pid == 0;
    queue_.push_back({line.priority, own ? line.daemon : line.pid, std::string(line.service),
            std::string(line.message), own});
    bytes_ += cost;
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
        bytes_ -= message.text.size() + message.service.size() + sizeof(Message);
        queue_.pop_front();
    }
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
    packet_ = '<' + std::to_string(LOG_DAEMON | message.priority) + '>' + time + ' ';
    packet_ += message.own ? std::string_view("superd") : std::string_view(message.service);
    packet_ += '[' + std::to_string(message.pid) + "]: " + message.text;
    if (packet_.size() > syslog_limit) packet_.resize(syslog_limit);
    for (;;) {
        const ssize_t n = ::send(socket_.get(), packet_.data(), packet_.size(), MSG_NOSIGNAL);
        if (n >= 0) return 0;
        if (errno == EINTR) continue;
        return errno == ENOBUFS ? EAGAIN : errno;
    }
}

// ---- SinkSet

SinkSet::SinkSet(int standard_error)
        : stderr_(standard_error),
          fallback_(SinkPlan{SinkKind::stderr_text, {}}, standard_error) {}

std::unique_ptr<Sink> SinkSet::take(const SinkPlan& plan) {
    for (auto& sink : sinks_)
        if (sink && sink->plan() == plan) return std::move(sink);
    return nullptr;
}

void SinkSet::configure(const ConfigFrame& config, std::vector<Fd> files, Mono now) {
    std::vector<std::unique_ptr<Sink>> sinks;
    auto file = files.begin();
    for (const SinkFrame& wanted : config.sinks) {
        Fd opened = wanted.opened && file != files.end() ? std::move(*file++) : Fd();
        std::unique_ptr<Sink> sink = take(wanted.plan);
        if (wanted.plan.kind == SinkKind::file) {
            if (auto* old = static_cast<FileSink*>(sink.get()); old != nullptr && opened)
                old->replace(std::move(opened), now);
            else if (old == nullptr)
                sink = std::make_unique<FileSink>(wanted.plan, std::move(opened));
        } else if (!sink && wanted.plan.kind == SinkKind::syslog) {
            sink = std::make_unique<SyslogSink>(wanted.plan);
        } else if (!sink && wanted.plan.kind == SinkKind::journal) {
            sink = make_journal_sink(wanted.plan);
        } else if (!sink) {
            sink = std::make_unique<FileSink>(wanted.plan, stderr_);
        }
        sinks.push_back(std::move(sink));
    }
    for (auto& old : sinks_)
        if (old) old->flush(now);
    sinks_ = std::move(sinks);
    for (auto& sink : sinks_)
        sink->flush(now);  // finds out who is there before the first line
}

void SinkSet::write(const SinkLine& line) {
    bool taken = false;
    for (auto& sink : sinks_) {
        sink->write(line);
        taken = taken || sink->available();
    }
    if (!taken) fallback_.write(line);
}

void SinkSet::flush(Mono now, std::vector<SinkNews>& news) {
    for (auto& sink : sinks_) {
        sink->flush(now);
        if (auto said = sink->news(now)) news.push_back(std::move(*said));
    }
    fallback_.flush(now);
}

bool SinkSet::pending() const {
    return fallback_.pending() || std::any_of(sinks_.begin(), sinks_.end(),
                                          [](const auto& sink) { return sink->pending(); });
}

int SinkSet::timeout() const {
    if (pending()) return retry_timeout;
    std::int64_t timeout = -1;
    for (const auto& sink : sinks_) {
        const std::int64_t own = sink->retry_after().count() / 1'000'000;
        if (own > 0 && (timeout < 0 || own < timeout)) timeout = own;
    }
    return static_cast<int>(timeout);
}

}  // namespace superd
