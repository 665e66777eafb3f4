// SPDX-License-Identifier: MIT
// stderr and files as sinks of superd-log.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"
#include "config/plan.h"
#include "log/board.h"
#include "log/file_jobs.h"
#include "log/log_file.h"
#include "log/sinks.h"

namespace superd {

// What a file sink works with; both outlive it.
struct FileContext {
    FileJobs& jobs = inline_file_jobs();
    const Clock& clock = system_clock();

    [[nodiscard]] static const Clock& system_clock();
};

// stderr and files: lines as they are. They are written by a job; what comes meanwhile, or
// while the file takes nothing, is kept up to the bound, then the oldest goes.
class FileSink final : public Sink {
public:
    // descriptor: a loan; -1: none, every line is lost.
    FileSink(SinkPlan plan, int descriptor, FileContext context = {});
    // Of a file with rotation: its directory.
    FileSink(SinkPlan plan, Fd file, FileContext context = {});

    // A new file of the same name, after a rotation, or another bound. Waiting lines go to the
    // old one if they can.
    void replace(SinkPlan plan, Fd file, Mono now);

    void write(const SinkLine& line) override;
    void flush(Mono now) override;
    // superd-log leaves: the file is not ended any more.
    void leave();

    [[nodiscard]] bool pending() const override { return !pieces_.empty() || flight_; }

    [[nodiscard]] bool available() const override { return available_; }

    [[nodiscard]] int timeout(Mono now) const override;

    [[nodiscard]] const Kept& kept() const { return kept_; }

    // The oldest of what is kept goes. Only where nothing is under way.
    void drop_oldest();

    [[nodiscard]] bool busy() const { return flight_ != nullptr; }

private:
    struct Piece {
        std::uint32_t size;  // with its end of line
        LogTally* tally;
    };

    // What a job has in hand.
    struct Flight {
        std::shared_ptr<LogFile> file;
        std::string text;
        std::deque<Piece> pieces;
        bool continues;
        std::shared_ptr<LogFile> former{};  // whose place `file` takes; nobody else has it
        FileOutcome outcome{};
    };

    using Job = FileOutcome (*)(Flight&);

    [[nodiscard]] std::string describe(int error) const override;
    void take(std::string_view line, LogTally* tally);
    void make_room(std::size_t size);
    void start(Job job, std::shared_ptr<LogFile> former = nullptr);
    void land(Flight& flight);
    void put_back(Flight& flight);
    void compress_kept();
    [[nodiscard]] FileJobs::Key key_of(int descriptor) const;

    const FileContext context_;
    std::shared_ptr<LogFile> file_;
    FileJobs::Key key_;
    bool has_file_, available_;
    std::shared_ptr<Flight> flight_;
    std::string buffer_;  // the first head_ bytes are gone
    std::size_t head_ = 0;
    std::deque<Piece> pieces_;  // of the rest
    bool continues_ = false;    // the first one is the rest of a line
    std::optional<Mono> retry_at_, due_;
    Kept kept_;
    std::shared_ptr<std::set<std::string>> compressing_;
    const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
    bool untidy_ = false, leaving_ = false;
};

}  // namespace superd
