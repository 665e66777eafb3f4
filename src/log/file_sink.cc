// SPDX-License-Identifier: MIT
// stderr and files as sinks: what waits for the file, and the jobs that write it.
#include "log/file_sink.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/result.h"
#include "log/gzip.h"

namespace superd {

namespace {

// A full disk or one that fails is tried again after so long, a full pipe or terminal sooner.
constexpr Nanoseconds error_retry = std::chrono::seconds(1),
                      full_retry = std::chrono::milliseconds(100);

}  // namespace

const Clock& FileContext::system_clock() {
    static const SystemClock clock;
    return clock;
}

FileSink::FileSink(SinkPlan plan, int descriptor, FileContext context)
        : Sink(std::move(plan)),
          context_(context),
          file_(std::make_shared<LogFile>(this->plan(), descriptor, context_.clock)),
          key_(key_of(descriptor)),
          has_file_(descriptor >= 0),
          available_(has_file_),
          compressing_(std::make_shared<std::set<std::string>>()) {
    set_error(has_file_ ? 0 : EBADF);
}

FileSink::FileSink(SinkPlan plan, Fd file, FileContext context)
        : FileSink(std::move(plan), -1, context) {
    replace(this->plan(), std::move(file), context_.clock.now());
}

std::string FileSink::describe(int error) const {
    if (error == EBADF) return name() + " could not be opened";
    if (error == ENOENT)
        return name() +
               " has been removed: what comes is kept until it is opened again "
               "(superctl reopen-logs)";
    std::string text = name() + ": " + errno_text(error);
    if (plan().rotation && (error == EACCES || error == EPERM))
        text += ": a file that is rotated lies in a directory of superd-log's user";
    return text;
}

// The file system, as far as it is known without asking it: it may be one that hangs.
FileJobs::Key FileSink::key_of(int descriptor) const {
    struct statx status {};

    constexpr int flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
    if (descriptor < 0 || ::statx(descriptor, "", flags, STATX_TYPE, &status) != 0) return 0;
    return FileJobs::Key{status.stx_dev_major} << 32 | status.stx_dev_minor;
}

// A job that still has the former file keeps it; what it cannot write is lost. On another file
// system that job may go on for ever, and what the former file was is not waited for.
void FileSink::replace(SinkPlan plan, Fd file, Mono now) {
    flush(now);
    const bool idle = flight_ == nullptr;
    if (!idle) {
        continues_ = false;
        flight_.reset();
    }
    set_plan(std::move(plan));
    has_file_ = static_cast<bool>(file);
    const FileJobs::Key former_key = std::exchange(key_, key_of(file.get()));
    std::shared_ptr<LogFile> former = std::exchange(
            file_, std::make_shared<LogFile>(this->plan(), std::move(file), context_.clock));
    if (!idle && key_ != former_key) former.reset();
    if (leaving_) file_->leave();
    available_ = has_file_;
    set_error(has_file_ ? 0 : EBADF);
    retry_at_.reset();
    due_.reset();
    untidy_ = false;
    if (!has_file_) return;
    const auto job = [](Flight& flight) {
        if (flight.former) flight.file->succeed(*flight.former);
        flight.former.reset();
        return flight.text.empty() ? flight.file->tend()
                                   : flight.file->write(flight.text, flight.continues);
    };
    start(job, std::move(former));
}

void FileSink::write(const SinkLine& line) {
    if (line.xinetd == nullptr || plan().kind != SinkKind::file)
        return take(line.line, line.tally);
    for (const XinetdForm& one : *line.xinetd)
        take(one.file, line.tally);
}

void FileSink::take(std::string_view line, LogTally* tally) {
    if (!has_file_) return count_lost(tally);
    make_room(line.size() + 1);
    buffer_ += line;
    buffer_ += '\n';
    pieces_.push_back({static_cast<std::uint32_t>(line.size() + 1), tally});
}

// The oldest lines go; their memory once it is worth moving the others.
void FileSink::make_room(std::size_t size) {
    while (!pieces_.empty() && buffer_.size() - head_ + size > bound) {
        head_ += pieces_.front().size;
        count_lost(pieces_.front().tally);
        pieces_.pop_front();
        continues_ = false;
    }
    if (head_ > bound / 2) buffer_.erase(0, std::exchange(head_, 0));
}

void FileSink::flush(Mono now) {
    if (flight_ || (retry_at_ && now < *retry_at_)) return;
    if (!pieces_.empty())
        start([](Flight& flight) { return flight.file->write(flight.text, flight.continues); });
    else if (untidy_)
        start([](Flight& flight) { return flight.file->tidy(false); });
    else if (due_ && now >= *due_)
        start([](Flight& flight) { return flight.file->tend(); });
}

int FileSink::timeout(Mono now) const {
    if (flight_) return -1;
    const bool at_once = untidy_ || !pieces_.empty();
    if (!at_once && !due_) return -1;
    const Mono wanted = at_once ? now : *due_;
    return until(retry_at_ ? std::max(*retry_at_, wanted) : wanted, now);
}

void FileSink::drop_oldest() {
    start([](Flight& flight) { return flight.file->tidy(true); });
}

void FileSink::leave() {
    leaving_ = true;
    if (!flight_) file_->leave();
}

void FileSink::start(Job job, std::shared_ptr<LogFile> former) {
    buffer_.erase(0, std::exchange(head_, 0));
    flight_ = std::make_shared<Flight>(Flight{file_, std::move(buffer_), std::move(pieces_),
            std::exchange(continues_, false), std::move(former)});
    buffer_.clear();
    pieces_.clear();
    const std::shared_ptr<Flight> flight = flight_;
    context_.jobs.post(
            key_, [flight, job] { flight->outcome = job(*flight); },
            [flight, alive = std::weak_ptr(alive_), this] {
                if (!alive.expired()) land(*flight);
            });
}

void FileSink::land(Flight& flight) {
    FileOutcome& outcome = flight.outcome;
    const bool ours = flight_.get() == &flight;
    for (SinkNews& news : outcome.notes)
        note(news.level, std::move(news.text));
    if (outcome.lost > 0)  // the first line's rest
        count_lost(flight.pieces.empty() ? nullptr : flight.pieces.front().tally, outcome.lost);
    std::size_t consumed = outcome.consumed;
    while (!flight.pieces.empty() && consumed >= flight.pieces.front().size) {
        consumed -= flight.pieces.front().size;
        flight.pieces.pop_front();
    }
    flight.text.erase(0, outcome.consumed - consumed);
    if (!ours) {
        for (const Piece& piece : flight.pieces)
            count_lost(piece.tally);
        return;
    }
    const std::shared_ptr<Flight> keep = std::move(flight_);
    if (leaving_) file_->leave();
    available_ = outcome.open;
    set_error(outcome.error == EAGAIN ? 0 : outcome.error);
    const Mono now = context_.clock.now();
    retry_at_.reset();
    if (outcome.error != 0)
        retry_at_ = now + (outcome.error == EAGAIN ? full_retry : error_retry);
    due_ = outcome.due;
    untidy_ = false;
    if (consumed > 0) {  // the first line, in part
        flight.text.erase(0, consumed);
        flight.pieces.front().size -= static_cast<std::uint32_t>(consumed);
    }
    continues_ = consumed > 0 || (flight.continues && outcome.consumed == 0);
    put_back(flight);
    if (outcome.kept) {
        kept_ = std::move(*outcome.kept);
        compress_kept();
    }
}

// Before what has come meanwhile; the bound holds for both.
void FileSink::put_back(Flight& flight) {
    if (flight.pieces.empty()) return;
    const bool continues = continues_;
    flight.text.append(buffer_, head_);
    for (const Piece& piece : pieces_)
        flight.pieces.push_back(piece);
    buffer_ = std::move(flight.text);
    head_ = 0;
    pieces_ = std::move(flight.pieces);
    continues_ = continues;
    make_room(0);
}

// Each once; what fails stays as it is and is tried again when the next file is ended.
void FileSink::compress_kept() {
    for (const std::string& one : kept_.plain) {
        if (!compressing_->insert(one).second) continue;
        auto error = std::make_shared<int>(0);
        context_.jobs.post(
                FileJobs::compressing,
                [directory = file_->directory(), one, error] {
                    const auto done = gzip_file(directory->get(), one);
                    if (!done) *error = done.error().code;
                },
                [compressing = compressing_, one, error, alive = std::weak_ptr(alive_), this] {
                    compressing->erase(one);
                    if (alive.expired()) return;
                    untidy_ = untidy_ || *error == 0;
                    if (*error != 0 && *error != EBUSY && *error != ENOENT)
                        note(Level::warning,
                                name() + ": " + one +
                                        " could not be compressed: " + errno_text(*error));
                });
    }
}

}  // namespace superd
