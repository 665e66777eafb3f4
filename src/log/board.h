// SPDX-License-Identifier: MIT
// What superd-log counts for superd's status: a memory file that both have mapped.
//
// superd reads nothing from superd-log, and numbers cannot hurt it: the file's size is sealed,
// so neither can cut it under the other. It outlives both (StateHeader::log_board), so a count
// goes on where a superd-log that was killed has left it.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace superd {

// Of one service. superd-log adds, superd reads, and sets it to zero for a new service.
struct LogTally {
    std::atomic<std::uint64_t> lines, bytes;  // read from the service's stream
    std::atomic<std::uint64_t> lost;          // lines that one of their places did not take
    std::uint64_t unused;
};

// A memory file with a tally for each of so many services, and one more for superd itself.
[[nodiscard]] Result<Fd> make_log_board(std::uint32_t services);

class LogBoard {
public:
    LogBoard() = default;
    // file: a loan. EINVAL: not a board.
    [[nodiscard]] static Result<LogBoard> map(int file);
    LogBoard(LogBoard&& other) noexcept;
    LogBoard& operator=(LogBoard&& other) noexcept;
    ~LogBoard();

    // superd's own lines.
    [[nodiscard]] LogTally* own() const {
        return tallies_.empty() ? nullptr : &tallies_.back();
    }

    // Null where there is no such place.
    [[nodiscard]] LogTally* at(std::uint32_t service) const;
    void clear(std::uint32_t service) const;

private:
    std::span<LogTally> tallies_;
};

}  // namespace superd
