// SPDX-License-Identifier: MIT
// One log file as its thread sees it (log/file_jobs.h): writing, its bounds, ending it and
// keeping what was ended.
//
// Used by one job at a time; everything may block. A file without rotation is opened by superd;
// of one with rotation superd opens the directory, which belongs to superd-log.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "config/plan.h"
#include "log/archive.h"
#include "log/event.h"

namespace superd {

// A sentence about a sink: that it fails, that it works again.
struct SinkNews {
    Level level;
    std::string text;
    bool operator==(const SinkNews&) const = default;
};

// The ended files of one log.
struct Kept {
    std::uint64_t bytes = 0;
    std::string oldest;              // stamp; empty: none
    std::vector<std::string> plain;  // names of those that are to be compressed
};

struct FileOutcome {
    std::size_t consumed = 0;  // bytes of the text that are done with
    std::uint64_t lost = 0;    // lines of these that could not be completed
    int error = 0;             // errno; EAGAIN: a pipe or terminal is full
    bool open = false;
    std::vector<SinkNews> notes;
    std::optional<Kept> kept;  // where it has changed
    std::optional<Mono> due;   // tend() is wanted then
};

class LogFile {
public:
    // descriptor: a loan, usually stderr; -1: none.
    LogFile(SinkPlan plan, int descriptor, const Clock& clock);
    // The file, or the directory of one with rotation; none: every write fails.
    LogFile(SinkPlan plan, Fd file, const Clock& clock);

    // Goes on where `former` stopped: the alerts it has given. Before the first write.
    void succeed(const LogFile& former);

    // Whole lines; of the first one only the rest where `continues`.
    [[nodiscard]] FileOutcome write(std::string_view text, bool continues);
    // Writes nothing; ends a file that has become too old.
    [[nodiscard]] FileOutcome tend();
    // What is kept has changed by others' doing; and without the oldest of it.
    [[nodiscard]] FileOutcome tidy(bool drop_oldest);

    // From here on another superd-log may have the file: it is not ended by this one.
    void leave() { leaving_ = true; }

    [[nodiscard]] const std::shared_ptr<const Fd>& directory() const { return directory_; }

private:
    [[nodiscard]] bool ready(FileOutcome& outcome);
    [[nodiscard]] int open_current();
    void look_at_age(std::uint64_t size, std::optional<Wall> begun);
    [[nodiscard]] bool is_replaced() const;

    [[nodiscard]] bool is_too_old() const { return too_old_ && clock_.now() >= *too_old_; }

    [[nodiscard]] bool write_piece(std::string_view text, FileOutcome& outcome);
    [[nodiscard]] std::size_t room_for(std::string_view text, FileOutcome& outcome);
    [[nodiscard]] std::size_t room_until_full(std::string_view text, FileOutcome& outcome);
    [[nodiscard]] bool rotate(FileOutcome& outcome);
    void keep_within_bounds(FileOutcome& outcome);
    void note_sizes(FileOutcome& outcome);
    [[nodiscard]] FileOutcome finished(FileOutcome outcome) const;

    [[nodiscard]] std::string name() const { return "file " + plan_.path; }

    const SinkPlan plan_;
    const Clock& clock_;
    std::shared_ptr<const Fd> directory_;
    std::string base_;  // the file's name in it
    Fd file_;
    int descriptor_ = -1;
    bool looked_ = false, regular_ = false, leaving_ = false;
    bool torn_ = false;  // what was written last is no end of a line
    std::uint64_t size_ = 0;
    std::optional<Mono> too_old_;  // when the file is
    std::string last_stamp_;
    // soft and hard
    bool alerted_ = false;
    std::uint64_t full_at_ = 0;  // its size when its hard bound was met; 0: not yet
    std::uint64_t left_out_ = 0;
};

}  // namespace superd
