// SPDX-License-Identifier: MIT
// The memory file in which superd-log counts.
#include "log/board.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace superd {

namespace {

constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr const char* subject = "log board";

}  // namespace

Result<Fd> make_log_board(std::uint32_t services) {
    Fd file(::memfd_create("superd-log-board", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) return fail("memfd_create", subject);
    const auto size = static_cast<off_t>((std::size_t{services} + 1) * sizeof(LogTally));
    if (::ftruncate(file.get(), size) != 0) return fail("ftruncate", subject);
    if (::fcntl(file.get(), F_ADD_SEALS, seals) != 0) return fail("fcntl", subject);
    return file;
}

Result<LogBoard> LogBoard::map(int file) {
    struct stat status {};

    if (::fstat(file, &status) != 0) return fail("fstat", subject);
    const auto size = static_cast<std::size_t>(status.st_size);
    if ((::fcntl(file, F_GET_SEALS) & seals) != seals || size == 0 ||
            size % sizeof(LogTally) != 0)
        return fail(EINVAL, "mmap", subject);
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) return fail("mmap", subject);
    LogBoard board;
    board.tallies_ = {static_cast<LogTally*>(memory), size / sizeof(LogTally)};
    return board;
}

LogBoard::LogBoard(LogBoard&& other) noexcept : tallies_(std::exchange(other.tallies_, {})) {}

LogBoard& LogBoard::operator=(LogBoard&& other) noexcept {
    std::swap(tallies_, other.tallies_);
    return *this;
}

LogBoard::~LogBoard() {
    if (!tallies_.empty()) ::munmap(tallies_.data(), tallies_.size_bytes());
}

LogTally* LogBoard::at(std::uint32_t service) const {
    return !tallies_.empty() && service < tallies_.size() - 1 ? &tallies_[service] : nullptr;
}

void LogBoard::clear(std::uint32_t service) const {
    LogTally* tally = at(service);
    if (tally == nullptr) return;
    tally->lines = 0;
    tally->bytes = 0;
    tally->lost = 0;
}

}  // namespace superd
