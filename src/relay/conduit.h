// SPDX-License-Identifier: MIT
// One direction of a stream: bytes from one socket to another. What is little goes through
// memory that all conduits share; a stream that fills it goes on through a pipe, with
// splice(2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/fd.h"

namespace superd {

// What conduits share: memory to read into, and pipes that are not in use. A conduit holds a
// pipe or memory of its own only while bytes are under way, so that a thousand idle connections
// hold none.
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

    // For the length of a call.
    [[nodiscard]] std::span<char> scratch() { return {scratch_.get(), scratch_size}; }

private:
    static constexpr std::size_t most_kept = 256;
    static constexpr std::size_t scratch_size = 64 * 1024;
    std::vector<Pipe> free_;
    std::unique_ptr<char[]> scratch_ = std::make_unique<char[]>(scratch_size);
};

// A socket of a stream as its owner knows it: what epoll has said, and what was done to it.
struct StreamEnd {
    Fd fd;
    bool tcp = false;
    bool in = false, out = false;  // may be tried
    bool done = false;             // it will send nothing more: all of it is there to be read
    // A read may stop before all is read: a mark of urgent data, or an error behind the data.
    bool reads_stop = false;
    bool written = false, prompt = false;  // prompt: TCP_NODELAY is set

    // EPOLL bits.
    void note(std::uint32_t events);
};

class Conduit {
public:
    explicit Conduit(PipePool& pool) : pool_(pool) {}

    ~Conduit();
    Conduit(const Conduit&) = delete;
    Conduit& operator=(const Conduit&) = delete;

    enum class Outcome : std::uint8_t {
        waits,        // until an end can be read or written again
        used_up,      // the share of this turn; there is more to do
        finished,     // all up to the end of file has been written: the owner shuts or closes
        from_failed,  // error() says why
        to_failed,
    };

    // Moves at most `share` bytes, give or take what one read takes. from and to may be one and
    // the same (an echo).
    [[nodiscard]] Outcome step(StreamEnd& from, StreamEnd& to, std::size_t share);

    [[nodiscard]] std::uint64_t read() const { return read_; }

    [[nodiscard]] std::uint64_t written() const { return written_; }

    [[nodiscard]] int error() const { return error_; }

private:
    enum class Progress : std::uint8_t { moved, nothing, failed };

    [[nodiscard]] Progress drain(StreamEnd& to);
    [[nodiscard]] Progress take_more(StreamEnd& from, StreamEnd& to);
    [[nodiscard]] Progress copy(StreamEnd& from, StreamEnd& to);
    [[nodiscard]] Progress splice_in(StreamEnd& from);
    [[nodiscard]] Progress write_or_keep(std::span<const char> bytes, StreamEnd& to);
    void release();

    PipePool& pool_;
    PipePool::Pipe pipe_;
    std::unique_ptr<char[]> kept_;  // read and not written, instead of in a pipe
    std::size_t pending_ = 0, offset_ = 0;
    std::uint64_t read_ = 0, written_ = 0;
    int error_ = 0;
    bool bulk_ = false;    // a pipe is worth its while
    bool copies_ = false;  // splice(2) does not work on these
    bool eof_ = false;     // nothing more will come
    bool to_failed_ = false;
};

}  // namespace superd
