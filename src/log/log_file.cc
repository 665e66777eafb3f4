// SPDX-License-Identifier: MIT
// One log file as its thread sees it.
#include "log/log_file.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"

namespace superd {

namespace {

std::uint64_t count_lines(std::string_view text) {
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

// The most whole lines that have at most so many bytes.
std::size_t lines_within(std::string_view text, std::uint64_t room) {
    if (text.size() <= room) return text.size();
    if (room == 0) return 0;
    const std::size_t end = text.rfind('\n', static_cast<std::size_t>(room) - 1);
    return end == std::string_view::npos ? 0 : end + 1;
}

std::size_t first_line(std::string_view text) {
    return std::min(text.find('\n'), text.size() - 1) + 1;
}

// A terminal or pipe that others share is not made non-blocking; up to PIPE_BUF bytes go into
// one that poll(2) calls writable without waiting.
ssize_t write_some(int fd, bool regular, std::string_view text) {
    if (regular) return ::write(fd, text.data(), text.size());
    pollfd entry{fd, POLLOUT, 0};
    if (::poll(&entry, 1, 0) != 1 || (entry.revents & POLLOUT) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return ::write(fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
}

Wall wall_of(const statx_timestamp& time) {
    return Wall(std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec));
}

// A line that a killed superd-log has left without its end.
bool ends_in_line(int fd, std::uint64_t size) {
    char last = '\n';
    return size == 0 || ::pread(fd, &last, 1, static_cast<off_t>(size) - 1) != 1 ||
           last == '\n';
}

}  // namespace

LogFile::LogFile(SinkPlan plan, int descriptor, const Clock& clock)
        : plan_(std::move(plan)), clock_(clock), descriptor_(descriptor) {}

LogFile::LogFile(SinkPlan plan, Fd file, const Clock& clock)
        : plan_(std::move(plan)), clock_(clock) {
    if (plan_.rotation) {
        base_ = plan_.path.substr(plan_.path.rfind('/') + 1);
        directory_ = std::make_shared<const Fd>(std::move(file));
    } else {
        file_ = std::move(file);
        descriptor_ = file_.get();
    }
}

void LogFile::succeed(const LogFile& former) {
    alerted_ = former.alerted_;
    left_out_ = former.left_out_;
    full_at_ = former.plan_.hard_size == plan_.hard_size ? former.full_at_ : 0;
    last_stamp_ = former.last_stamp_;
}

// ---- is it there, and the one that it was?

// False: outcome.error says why not.
bool LogFile::ready(FileOutcome& outcome) {
    const bool first = !std::exchange(looked_, true);
    if (directory_ && (descriptor_ < 0 || is_replaced())) {
        outcome.error = open_current();
        if (outcome.error != 0) return false;
        keep_within_bounds(outcome);
    }

    struct stat status {};

    if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) {
        outcome.error = EBADF;
        return false;
    }
    regular_ = S_ISREG(status.st_mode);
    size_ = regular_ ? static_cast<std::uint64_t>(status.st_size) : 0;
    if (first || full_at_ != 0) note_sizes(outcome);
    // Written to a file without a name, the lines would be gone without a word.
    if (regular_ && file_ && status.st_nlink == 0) outcome.error = ENOENT;
    return outcome.error == 0;
}

// Another file may have got its name, by a rotation of somebody else's.
bool LogFile::is_replaced() const {
    struct stat named {
    }, ours{};

    return ::fstatat(directory_->get(), base_.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
           ::fstat(descriptor_, &ours) != 0 || named.st_ino != ours.st_ino ||
           named.st_dev != ours.st_dev;
}

// errno; 0: open.
int LogFile::open_current() {
    constexpr int flags =
            O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK;
    descriptor_ = -1;
    file_.reset(::openat(directory_->get(), base_.c_str(), flags, 0640));

    struct statx status {};

    if (!file_) return errno;
    if (::statx(file_.get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status) != 0)
        return errno;
    if (!S_ISREG(status.stx_mode) || status.stx_nlink != 1) return EPERM;
    // Shared: two superd-logs may have it, one about to leave; but none compresses it
    // meanwhile.
    ::flock(file_.get(), LOCK_SH | LOCK_NB);
    descriptor_ = file_.get();
    torn_ = !ends_in_line(descriptor_, status.stx_size);
    std::optional<Wall> begun;
    if ((status.stx_mask & STATX_BTIME) != 0) begun = wall_of(status.stx_btime);
    look_at_age(status.stx_size, begun);
    return 0;
}

// The wall clock tells only how old the file is already; from then on it may jump.
void LogFile::look_at_age(std::uint64_t size, std::optional<Wall> begun) {
    if (!plan_.rotation->age) return;
    const Nanoseconds age = size > 0 && begun ? clock_.wall() - *begun : Nanoseconds(0);
    too_old_ = clock_.now() +
               std::clamp(*plan_.rotation->age - age, Nanoseconds(0), *plan_.rotation->age);
}

// ---- writing

FileOutcome LogFile::write(std::string_view text, bool continues) {
    FileOutcome outcome;
    if (!ready(outcome)) return finished(std::move(outcome));
    if (continues && !torn_) {  // its beginning is in a file that is gone
        outcome.consumed = first_line(text);
        outcome.lost = 1;
    } else if (!continues && torn_ && !write_piece("\n", outcome)) {
        outcome.consumed = 0;
        return finished(std::move(outcome));
    }
    if (!continues) outcome.consumed = 0;  // of the text, not of what was added
    while (outcome.consumed < text.size() && outcome.error == 0) {
        const std::string_view rest = text.substr(outcome.consumed);
        const std::size_t room = torn_ ? first_line(rest) : room_for(rest, outcome);
        if (room > 0 && !write_piece(rest.substr(0, room), outcome)) break;
    }
    return finished(std::move(outcome));
}

// False: not all of it; outcome.error is set.
bool LogFile::write_piece(std::string_view text, FileOutcome& outcome) {
    while (!text.empty()) {
        const ssize_t n = write_some(descriptor_, regular_, text);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            outcome.error = n < 0 ? errno : ENOSPC;
            return false;
        }
        const auto size = static_cast<std::size_t>(n);
        torn_ = text[size - 1] != '\n';
        text.remove_prefix(size);
        outcome.consumed += size;
        size_ += size;
    }
    return true;
}

// How much of the text goes into the file now; nothing where a new file has been begun, the
// text was left out, or an error came.
std::size_t LogFile::room_for(std::string_view text, FileOutcome& outcome) {
    if (!plan_.rotation) return room_until_full(text, outcome);
    const std::uint64_t size = plan_.rotation->size;
    if (is_too_old() && size_ == 0) too_old_ = clock_.now() + *plan_.rotation->age;
    const std::size_t room =
            is_too_old() ? 0 : lines_within(text, size - std::min(size, size_));
    if (room > 0) return room;
    if (size_ == 0 || leaving_) return first_line(text);  // longer than a file
    static_cast<void>(rotate(outcome));
    return 0;
}

// soft and hard.
std::size_t LogFile::room_until_full(std::string_view text, FileOutcome& outcome) {
    const auto soft = plan_.soft_size, hard = plan_.hard_size;
    const std::size_t room =
            full_at_ != 0 ? 0
                          : lines_within(text, hard ? *hard - std::min(*hard, size_) : ~0ull);
    if (soft && size_ + room > *soft && !std::exchange(alerted_, true))
        outcome.notes.push_back({Level::critical,
                name() + " has reached its soft size, " + format_size(*soft)});
    if (room > 0) return room;
    if (full_at_ == 0) {
        full_at_ = std::max<std::uint64_t>(size_, 1);
        outcome.notes.push_back({Level::critical,
                name() + " has reached its hard size, " + format_size(*hard) +
                        ": nothing more is written to it until it is opened again and is "
                        "smaller"});
    }
    left_out_ += count_lines(text);
    outcome.consumed += text.size();
    return 0;
}

// A file that is there (again): what of its bounds still holds.
void LogFile::note_sizes(FileOutcome& outcome) {
    alerted_ = alerted_ && size_ > plan_.soft_size.value_or(0);
    if (full_at_ == 0 || size_ >= full_at_) return;
    full_at_ = 0;
    outcome.notes.push_back({Level::notice,
            name() + " is written again; " + std::to_string(std::exchange(left_out_, 0)) +
                    " lines were left out"});
}

// ---- ending a file, and what is kept

FileOutcome LogFile::tend() {
    FileOutcome outcome;
    if (!ready(outcome)) return finished(std::move(outcome));
    if (is_too_old()) {
        if (size_ == 0 || leaving_)
            too_old_ = clock_.now() + *plan_.rotation->age;
        else
            static_cast<void>(rotate(outcome));
    }
    return finished(std::move(outcome));
}

FileOutcome LogFile::tidy(bool drop_oldest) {
    FileOutcome outcome;
    if (!directory_ || !ready(outcome)) return finished(std::move(outcome));
    if (drop_oldest) {
        const auto archives = list_archives(directory_->get(), base_);
        if (archives && !archives->empty())
            ::unlinkat(directory_->get(), archives->front().name.c_str(), 0);
    }
    keep_within_bounds(outcome);
    return finished(std::move(outcome));
}

// False: outcome.error is set, and the file is the one it was.
bool LogFile::rotate(FileOutcome& outcome) {
    for (;;) {
        last_stamp_ = make_stamp(clock_.wall(), last_stamp_);
        const std::string archive = base_ + '.' + last_stamp_;
        if (::renameat2(directory_->get(), base_.c_str(), directory_->get(), archive.c_str(),
                    RENAME_NOREPLACE) == 0)
            break;
        if (errno == EEXIST) continue;
        outcome.error = errno;
        return false;
    }
    size_ = 0;
    outcome.error = open_current();
    if (outcome.error != 0) return false;
    keep_within_bounds(outcome);
    return true;
}

// Lets go what is beyond the bounds, and what a killed superd-log had half compressed.
void LogFile::keep_within_bounds(FileOutcome& outcome) {
    const auto archives = list_archives(directory_->get(), base_);
    if (!archives) return;
    std::vector<std::string> surplus = surplus_archives(*archives, *plan_.rotation);
    const std::string ours = ".gz.part-" + std::to_string(::getpid());
    Kept kept;
    for (const Archive& archive : *archives) {
        const bool unfinished = archive.kind == ArchiveKind::unfinished;
        if (unfinished && !archive.name.ends_with(ours)) surplus.push_back(archive.name);
        last_stamp_ = std::max(last_stamp_, archive.stamp);
        if (unfinished ||
                std::find(surplus.begin(), surplus.end(), archive.name) != surplus.end())
            continue;
        kept.bytes += archive.size;
        if (kept.oldest.empty()) kept.oldest = archive.stamp;
        if (archive.kind == ArchiveKind::plain && plan_.rotation->compress && !leaving_)
            kept.plain.push_back(archive.name);
    }
    for (const std::string& name : surplus)
        ::unlinkat(directory_->get(), name.c_str(), 0);
    outcome.kept = std::move(kept);
}

FileOutcome LogFile::finished(FileOutcome outcome) const {
    outcome.open = descriptor_ >= 0;
    if (!leaving_) outcome.due = too_old_;
    return outcome;
}

}  // namespace superd
