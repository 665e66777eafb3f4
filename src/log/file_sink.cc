// SPDX-License-Identifier: MIT
// stderr and files as sinks, with the bounds of a file's size.
#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/result.h"
#include "base/units.h"
#include "log/sinks.h"

namespace superd {

namespace {

std::uint64_t count_lines(std::string_view text) {
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

bool is_writable_now(int fd) {
    pollfd entry{fd, POLLOUT, 0};
    return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLOUT) != 0;
}

}  // namespace

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
    size_ = regular_ ? static_cast<std::uint64_t>(status.st_size) : 0;
    set_error(descriptor_ >= 0 ? 0 : EBADF);
}

void FileSink::replace(SinkPlan plan, Fd file, Mono now) {
    flush(now);
    if (torn_ && !buffer_.empty()) {  // the rest of a line whose beginning is in the old file
        if (!buffer_.starts_with('\n')) count_lost(1);
        buffer_.erase(0, buffer_.find('\n') + 1);
    }
    torn_ = false;
    if (plan.hard_size != this->plan().hard_size) full_at_ = 0;
    set_plan(std::move(plan));
    file_ = std::move(file);
    descriptor_ = file_.get();
    look();
    alerted_ = alerted_ && size_ > this->plan().soft_size.value_or(0);
    if (size_ >= full_at_) return;
    full_at_ = 0;
    note(Level::notice, name() + " is written again; " +
                                std::to_string(std::exchange(left_out_, 0)) +
                                " lines were left out");
}

void FileSink::write(const SinkLine& line) {
    if (line.xinetd == nullptr || plan().kind != SinkKind::file) return take(line.line);
    for (const XinetdForm& one : *line.xinetd)
        take(one.file);
}

void FileSink::take(std::string_view line) {
    if (descriptor_ >= 0 && !fits(line.size() + 1)) return;
    if (descriptor_ < 0 || buffer_.size() + line.size() >= bound) return count_lost(1);
    buffer_ += line;
    buffer_ += '\n';
}

// False: the file is full.
bool FileSink::fits(std::size_t size) {
    const std::uint64_t now = size_ + buffer_.size(), after = now + size;
    const auto soft = plan().soft_size, hard = plan().hard_size;
    if (hard && after > *hard && full_at_ == 0) {
        full_at_ = std::max<std::uint64_t>(now, 1);
        note(Level::critical, name() + " has reached its hard size, " + format_size(*hard) +
                                      ": nothing more is written to it until it is opened "
                                      "again and is smaller");
    }
    if (full_at_ != 0) {
        ++left_out_;
        return false;
    }
    if (soft && after > *soft && !std::exchange(alerted_, true))
        note(Level::critical, name() + " has reached its soft size, " + format_size(*soft));
    return true;
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
        size_ += static_cast<std::uint64_t>(n);
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

}  // namespace superd
