// SPDX-License-Identifier: MIT
// superd's own log: formats events into a batch and hands it on without ever blocking.
#include "log/writer.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/format.h"

namespace superd {

namespace {

bool is_writable_now(int fd) {
    pollfd entry{fd, POLLOUT, 0};
    return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLOUT) != 0;
}

bool is_regular(int fd) {
    struct stat status {};

    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

LogWriter::LogWriter(const Clock& clock, std::size_t bound) : clock_(clock), bound_(bound) {
    batch_.reserve(std::min<std::size_t>(bound, 64 * 1024));
}

LogWriter::~LogWriter() {
    flush();
}

void LogWriter::to_stream(Fd stream) {
    stream_ = std::move(stream);
}

void LogWriter::to_plain(int descriptor) {
    stream_.reset();
    plain_ = descriptor;
}

// A line of which the stream took only the beginning is whole again here.
void LogWriter::put_back(std::string_view lines) {
    const std::string all = std::string(lines) + batch_.substr(sent_);
    batch_.clear();
    sent_ = 0;
    for (std::string_view rest = all; !rest.empty();) {
        const std::size_t size = std::min(rest.find('\n'), rest.size() - 1) + 1;
        std::string_view line = rest.substr(0, size);
        rest.remove_prefix(size);
        line.remove_prefix(parse_head(line).length);
        batch_ += line.substr(0, line.find(xinetd_mark));
        if (!batch_.ends_with('\n')) batch_ += '\n';
    }
}

int LogWriter::descriptor() const {
    return stream_ ? stream_.get() : plain_;
}

void LogWriter::log(const Event& event) {
    if (level_of(event) < level_ || !is_wanted(event)) return;
    if (!make_room()) {
        ++lost_;
        return;
    }
    if (lost_ != told_) tell_lost();
    append(event);
}

// A full buffer is tried once more before a line is given up, so that a burst within one turn
// of the loop costs nothing but system calls.
bool LogWriter::make_room() {
    if (batch_.size() - sent_ < bound_) return true;
    flush();
    return batch_.size() - sent_ < bound_;
}

void LogWriter::append(const Event& event) {
    if (stream_) append_head(batch_, event);
    if (format_ == LogFormat::json)
        format_json(batch_, event, clock_.wall());
    else
        format_text(batch_, event, clock_.wall());
    if (stream_ && format_ == LogFormat::xinetd) append_xinetd(batch_, event);
    batch_ += '\n';
}

void LogWriter::tell_lost() {
    const std::string text = std::to_string(lost_ - told_) + " lines of this log were lost";
    append(NoticeEvent{Level::warning, {}, text});
    told_ = lost_;
}

void LogWriter::flush() {
    while (pending()) {
        const long n = write_some(batch_.data() + sent_, batch_.size() - sent_);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) break;
            discard();
            break;
        }
        sent_ += static_cast<std::size_t>(n);
    }
    if (pending()) {
        // Moved to the front only when half of it is behind us: linear over all calls.
        if (sent_ > batch_.size() / 2) batch_.erase(0, std::exchange(sent_, 0));
        return;
    }
    batch_.clear();
    sent_ = 0;
}

// Nobody will ever take it (the stream's other ends are closed, the disk is full): counted.
void LogWriter::discard() {
    const auto begin = batch_.begin() + static_cast<std::ptrdiff_t>(sent_);
    lost_ += static_cast<std::uint64_t>(std::count(begin, batch_.end(), '\n'));
    sent_ = batch_.size();
}

// -1 with EAGAIN where it would block. O_NONBLOCK is not set on a descriptor that others share
// (a terminal); up to PIPE_BUF bytes go into a pipe that poll(2) calls writable without
// waiting.
long LogWriter::write_some(const char* data, std::size_t size) {
    if (stream_) return ::send(stream_.get(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (is_regular(plain_)) return ::write(plain_, data, size);
    if (!is_writable_now(plain_)) {
        errno = EAGAIN;
        return -1;
    }
    return ::write(plain_, data, std::min<std::size_t>(size, PIPE_BUF));
}

}  // namespace superd
