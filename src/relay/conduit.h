// SPDX-License-Identifier: MIT
// One direction of a stream: bytes from one socket to another, through a pipe with splice(2),
// or through memory where that is not possible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/fd.h"

namespace superd {

// Pipes that are not in use. A conduit holds one only while bytes are under way, so that a
// thousand idle connections hold none.
class PipePool {
public:
    struct Pipe {
        Fd read, write;

        explicit operator bool() const { return static_cast<bool>(read); }
    };

    // Empty where the system has no pipe to give.
    [[nodiscard]] Pipe take();
    // pipe must be empty of bytes.
    void give_back(Pipe pipe);

private:
    static constexpr std::size_t most_kept = 256;
    std::vector<Pipe> free_;
};

// A socket of a stream as its owner knows it: what epoll has said last.
struct StreamEnd {
    Fd fd;
    bool in = false, out = false;  // may be tried
};

class Conduit {
public:
    explicit Conduit(PipePool& pipes) : pipes_(pipes) {}

    ~Conduit();
    Conduit(const Conduit&) = delete;
    Conduit& operator=(const Conduit&) = delete;

    enum class Outcome : std::uint8_t {
        waits,        // until an end can be read or written again
        used_up,      // the share of this turn; there is more to do
        finished,     // end of file was passed on: this direction is over
        from_failed,  // error() says why
        to_failed,
    };

    // Moves at most `share` bytes. from and to may be one and the same (an echo).
    [[nodiscard]] Outcome step(StreamEnd& from, StreamEnd& to, std::size_t share);

    [[nodiscard]] std::uint64_t read() const { return read_; }

    [[nodiscard]] std::uint64_t written() const { return written_; }

    [[nodiscard]] int error() const { return error_; }

    [[nodiscard]] bool finished() const { return finished_; }

private:
    static constexpr std::size_t buffer_size = 16 * 1024;

    // As read(2) and write(2): 0 at the end of file, -1 with errno.
    [[nodiscard]] std::int64_t fill(int from);
    [[nodiscard]] std::int64_t drain(int to);
    void release();

    PipePool& pipes_;
    PipePool::Pipe pipe_;
    std::unique_ptr<char[]> buffer_;  // instead of a pipe
    std::size_t pending_ = 0, offset_ = 0;
    std::uint64_t read_ = 0, written_ = 0;
    int error_ = 0;
    bool copies_ = false;  // splice(2) does not work on these
    bool eof_ = false, finished_ = false;
};

}  // namespace superd
