// SPDX-License-Identifier: MIT
// superd-log's main object: streams in; sinks, ring and readers out.
#include "log/collector.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "log/format.h"

namespace superd {

namespace {

// A stream with more than this is served again on the next turn, after the others.
constexpr int reads_a_turn = 16;
constexpr std::size_t chunk_size = 64 * 1024;
// superd's own lines are bounded by what it formats; they are never cut before this.
constexpr std::size_t own_line_limit = 64 * 1024;
// How long stuck sinks are waited for at the end.
constexpr Nanoseconds leave_time = std::chrono::seconds(1);
// How long a former superd-log is waited for.
constexpr Nanoseconds former_time = std::chrono::seconds(3);

constexpr std::uint64_t tag(std::uint8_t kind, std::uint32_t id) {
    return std::uint64_t{kind} << 32 | id;
}

int earlier(int a, int b) {
    if (a < 0) return b;
    return b < 0 ? a : std::min(a, b);
}

bool is_same_socket(int a, int b) {
    struct stat one {
    }, two{};

    return ::fstat(a, &one) == 0 && ::fstat(b, &two) == 0 && one.st_ino == two.st_ino &&
           one.st_dev == two.st_dev;
}

bool is_pipe(int fd) {
    struct stat status {};

    return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

// The pid that the kernel says wrote these bytes; -1 where it does not say (0 is superd
// itself).
std::int32_t writer_of(msghdr& message) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS) continue;
        ucred credentials{};
        std::memcpy(&credentials, CMSG_DATA(c), sizeof credentials);
        return credentials.pid > 0 ? credentials.pid : -1;
    }
    return -1;
}

// The time at the front of one of superd's own lines, as text or JSON.
std::string_view time_of(std::string_view line) {
    constexpr std::string_view json = "{\"time\":\"";
    if (line.starts_with(json)) line.remove_prefix(json.size());
    return line.substr(0, time_length);
}

std::string_view without_time(std::string_view line) {
    const bool timed = line.size() > time_length + 1 && line[time_length] == ' ' &&
                       line[time_length - 1] == 'Z';
    return timed ? line.substr(time_length + 1) : line;
}

}  // namespace

struct Collector::Stream {
    Stream(std::string name, bool own, std::int32_t writer, Fd end, std::size_t limit,
            LogTally* counts)
            : service(std::move(name)),
              events(own),
              pid(writer),
              fd(std::move(end)),
              pipe(is_pipe(fd.get())),
              tally(counts),
              lines(limit) {}

    const std::string service;
    const bool events;  // superd's own
    const std::int32_t pid;
    const Fd fd;
    const bool pipe;
    LogTally* const tally;  // on the board; may be null
    LineSplitter lines;
};

Collector::Collector(Fd channel, const Clock& clock, const CollectorOptions& options)
        : clock_(clock),
          options_(options),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          channel_(std::move(channel)),
          ring_(options.ring_lines, options.ring_bytes),
          server_(ring_),
          sinks_(options.standard_error, {files_, clock}),
          chunk_(chunk_size) {
    watch(channel_.get(), Kind::channel, 0);
    watch(server_.descriptor(), Kind::server, 0);
    watch(files_.descriptor(), Kind::files, 0);
}

Collector::~Collector() = default;

void Collector::watch(int fd, Kind kind, std::uint32_t id) {
    epoll_event event{EPOLLIN, {nullptr}};
    event.data.u64 = tag(static_cast<std::uint8_t>(kind), id);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Collector::run(int stop_fd) {
    if (stop_fd >= 0) watch(stop_fd, Kind::stop, 0);
    while (turn(-1)) {
    }
}

bool Collector::turn(int wanted) {
    if (ended_) return false;
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_.get(), events, 64, timeout(wanted));
    bool asked = false;
    for (int i = 0; i < count; ++i) {
        const auto id = static_cast<std::uint32_t>(events[i].data.u64);
        switch (static_cast<Kind>(events[i].data.u64 >> 32)) {
            case Kind::channel: on_channel(); break;
            case Kind::stop: stop(); break;
            case Kind::server: asked = true; break;
            case Kind::files: files_.take_done(); break;
            case Kind::stream: on_stream(id); break;
        }
    }
    flush_partials();
    flush_out(asked);
    if ((leaving_ || draining_) && streams_.empty()) finish();
    return !ended_;
}

// Never longer than something has to be done by itself.
int Collector::timeout(int wanted) const {
    const Mono now = clock_.now();
    int ms = earlier(wanted, earlier(sinks_.timeout(now), server_.timeout(now)));
    std::optional<Mono> due;
    for (const auto& [id, stream] : streams_) {
        const auto begun = stream->events ? std::nullopt : stream->lines.oldest();
        if (begun && (!due || *begun + options_.partial_after < *due))
            due = *begun + options_.partial_after;
    }
    if (!due) return ms;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*due - now).count();
    return earlier(ms, static_cast<int>(std::max<std::int64_t>(left, 0)));
}

// ---- what superd says over the channel

void Collector::on_channel() {
    // Bounded: superd's messages must not keep the streams waiting.
    for (int i = 0; i < 64; ++i) {
        auto received = receive_frame(channel_.get());
        if (received) {
            handle(std::move(*received));
            continue;
        }
        const int error = received.error().code;
        if (error == EAGAIN) return;
        if (error == EBADMSG) {
            say(Level::warning, "message from superd not understood");
            continue;
        }
        channel_.reset();
        if (!draining_) leave();
        return;
    }
}

void Collector::handle(ReceivedFrame received) {
    auto& fds = received.descriptors;
    if (const auto* config = std::get_if<ConfigFrame>(&received.frame)) {
        format_ = config->format;
        server_.set_access(config->owner, config->admin_gid);
        sinks_.configure(*config, std::move(fds), clock_.now());
    } else if (const auto* file = std::get_if<FileFrame>(&received.frame)) {
        sinks_.open(file->plan, std::move(fds[0]), clock_.now());
    } else if (const auto* route = std::get_if<RouteFrame>(&received.frame)) {
        sinks_.route(route->service, route->sinks);
    } else if (const auto* events = std::get_if<EventsFrame>(&received.frame)) {
        daemon_ = events->pid;
        add_stream({}, true, events->pid, std::move(fds[0]));
    } else if (const auto* service = std::get_if<ServiceFrame>(&received.frame)) {
        add_stream(service->service, false, 0, std::move(fds[0]), board_.at(service->place));
    } else if (std::holds_alternative<BoardFrame>(received.frame)) {
        if (board_file_) return;  // streams count in the one there is
        if (auto board = LogBoard::map(fds[0].get())) board_ = std::move(*board);
        board_file_ = std::move(fds[0]);
        await_former(board_file_.get());
    } else if (std::holds_alternative<ListenerFrame>(received.frame)) {
        server_.set_listener(std::move(fds[0]));
    } else {
        draining_ = true;
    }
}

// A former stream of that name is read to its end beside the new one; the same one is known.
void Collector::add_stream(
        std::string service, bool events, std::int32_t pid, Fd fd, LogTally* tally) {
    for (const auto& [id, stream] : streams_)
        if (stream->service == service && is_same_socket(stream->fd.get(), fd.get())) return;
    const std::uint32_t id = next_id_++;
    watch(fd.get(), Kind::stream, id);
    const std::size_t limit = events ? own_line_limit : options_.line_limit;
    streams_.emplace(id, std::make_unique<Stream>(
                                 std::move(service), events, pid, std::move(fd), limit, tally));
}

// A superd-log whose superd was killed still writes what it has read; two at once would mix the
// lines of a service. Whoever counts holds the board's lock, which the kernel drops with the
// process, and no service waits meanwhile: its lines stay in the stream.
void Collector::await_former(int board) const {
    struct flock lock {};

    lock.l_type = F_WRLCK;
    const Mono until = clock_.now() + former_time;
    while (::fcntl(board, F_SETLK, &lock) != 0 && (errno == EAGAIN || errno == EACCES) &&
            clock_.now() < until)
        ::poll(nullptr, 0, 5);
}

void Collector::stop() {
    channel_.reset();
    draining_ = false;
    leave();
}

// What a superd that has died said is all in its stream by now. One that lives has the other
// end still, and the next superd-log reads on.
void Collector::leave() {
    leaving_ = true;
    sinks_.leave();
    while (!streams_.empty()) {
        const auto& [id, stream] = *streams_.begin();
        if (stream->events) {
            while (read_some(*stream) == Progress::more) {
            }
        }
        end_stream(id);
    }
}

// ---- streams

void Collector::on_stream(std::uint32_t id) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;  // ended earlier in this turn
    Progress progress = Progress::more;
    for (int i = 0; i < reads_a_turn && progress == Progress::more; ++i)
        progress = read_some(*found->second);
    if (progress == Progress::end) end_stream(id);
}

Collector::Progress Collector::read_some(Stream& stream) {
    if (stream.pipe) return read_pipe(stream);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
    iovec part{chunk_.data(), chunk_.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t n = ::recvmsg(stream.fd.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) return Progress::more;
    if (n < 0 && errno == EAGAIN) return Progress::nothing;
    if (n <= 0) return Progress::end;
    return take(stream, stream.events ? stream.pid : writer_of(message),
            static_cast<std::size_t>(n));
}

// A service that asked for one; superd has made this end non-blocking.
Collector::Progress Collector::read_pipe(Stream& stream) {
    const ssize_t n = ::read(stream.fd.get(), chunk_.data(), chunk_.size());
    if (n < 0 && errno == EINTR) return Progress::more;
    if (n < 0 && errno == EAGAIN) return Progress::nothing;
    if (n <= 0) return Progress::end;
    return take(stream, -1, static_cast<std::size_t>(n));
}

Collector::Progress Collector::take(Stream& stream, std::int32_t pid, std::size_t size) {
    if (stream.tally != nullptr) stream.tally->bytes.fetch_add(size, std::memory_order_relaxed);
    stream.lines.feed(pid, {chunk_.data(), size}, clock_.now(), emit_for(stream));
    return Progress::more;
}

LineSplitter::Emit Collector::emit_for(const Stream& stream) {
    if (stream.events)
        return [this, &stream](const LineSplitter::Line& line) {
            said(stream.pid, line.text);
        };
    return [this, &stream](const LineSplitter::Line& line) {
        printed(stream, line);
    };
}

void Collector::end_stream(std::uint32_t id) {
    const auto found = streams_.find(id);
    found->second->lines.flush_all(emit_for(*found->second));
    // superd may have a copy: closing ours would not take it out of the set.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second->fd.get(), nullptr);
    streams_.erase(found);
}

void Collector::flush_partials() {
    const Mono begun = clock_.now() - options_.partial_after;
    for (auto& [id, stream] : streams_) {
        if (!stream->events) stream->lines.flush(begun, emit_for(*stream));
    }
}

// ---- lines

void Collector::printed(const Stream& stream, const LineSplitter::Line& line) {
    const std::string& service = stream.service;
    if (stream.tally != nullptr) stream.tally->lines.fetch_add(1, std::memory_order_relaxed);
    line_.time.clear();
    append_time(line_.time, clock_.wall());
    line_.service = service;
    line_.pid = line.pid;
    line_.text = line.text;
    line_.continued = line.continued;
    ring_.append(line_);
    server_.publish(line_);
    form_.clear();
    format_line_text(form_, line_);
    // Behind "ssh[812]: ", or "ssh: " where the pid is not known.
    const std::size_t head = form_.find(": ", line_.time.size() + 1 + line_.service.size()) + 2;
    const std::string_view message =
            std::string_view(form_).substr(std::min(head, form_.size()));
    if (format_ == LogFormat::json) {
        std::string json;
        format_line(json, line_);
        sinks_.write({6, service, line.pid, daemon_, json, message, nullptr, stream.tally});
        return;
    }
    const bool xinetd = format_ == LogFormat::xinetd;
    xinetd_.clear();
    if (xinetd) add_xinetd(std::string_view(form_).substr(line_.time.size() + 1), message);
    sinks_.write({6, service, line.pid, daemon_, form_, message, xinetd ? &xinetd_ : nullptr,
            stream.tally});
}

// One line, in the file behind the time and to syslog alone.
void Collector::add_xinetd(std::string_view in_file, std::string_view message) {
    XinetdForm& line = xinetd_.emplace_back();
    append_xinetd_time(line.file, clock_.wall());
    line.file += in_file;
    line.message = message;
}

// superd's own line with what xinetd would have written of it, each behind a mark; where that
// is nothing, as a message of the daemon.
void Collector::said_as_xinetd(
        const Head& head, std::string_view line, std::string_view marked) {
    xinetd_.clear();
    std::string_view message = without_time(line);
    if (marked.empty()) {
        const std::string name(head.service.empty() ? "superd" : head.service);
        std::string in_file = std::string(xinetd_level(head.priority)) + ": " +
                              std::to_string(daemon_) + " {" + name + "} ";
        in_file += message.substr(message.starts_with(name + ' ') ? name.size() + 1 : 0);
        add_xinetd(in_file, message);
    }
    while (!marked.empty()) {
        marked.remove_prefix(1);
        const std::string_view one = marked.substr(0, marked.find(xinetd_mark));
        add_xinetd(one, one);
        marked.remove_prefix(one.size());
    }
}

void Collector::said(std::int32_t pid, std::string_view line) {
    const Head head = parse_head(line);
    line.remove_prefix(head.length);
    const std::size_t end = std::min(line.find(xinetd_mark), line.size());
    const std::string_view marked = line.substr(end);
    line = line.substr(0, end);
    const std::string_view message = without_time(line);
    line_.time = time_of(line);
    line_.service = head.service;
    line_.pid = 0;
    line_.text = message;
    line_.continued = false;
    ring_.append(line_);
    server_.publish(line_);
    const bool xinetd = format_ == LogFormat::xinetd;
    if (xinetd) said_as_xinetd(head, line, marked);
    sinks_.write({head.priority, head.service, 0, pid, line, message,
            xinetd ? &xinetd_ : nullptr, board_.own()});
}

// superd-log's own word, in the form of superd's.
void Collector::say(Level level, std::string_view text) {
    const NoticeEvent event{level, {}, text};
    std::string line;
    append_head(line, event);
    if (format_ == LogFormat::json)
        format_json(line, event, clock_.wall());
    else
        format_text(line, event, clock_.wall());
    said(daemon_, line);
}

// Sinks first: what a reader sees stands in the files already.
void Collector::flush_out(bool asked) {
    const Mono now = clock_.now();
    sinks_.flush(now, news_);
    if (!news_.empty()) {
        for (const SinkNews& news : news_)
            say(news.level, news.text);
        news_.clear();
        sinks_.flush(now, news_);
    }
    if (asked) server_.on_ready(now);
    server_.flush(now);
}

// Everything read is written, or given up after a second.
void Collector::finish() {
    const Mono until = clock_.now() + leave_time;
    while (sinks_.pending() && clock_.now() < until) {
        pollfd done{files_.descriptor(), POLLIN, 0};
        ::poll(&done, 1, 10);
        files_.take_done();
        flush_out(false);
    }
    streams_.clear();
    ended_ = true;
}

}  // namespace superd
