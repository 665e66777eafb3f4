// SPDX-License-Identifier: MIT
#include "relay/conduit.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace superd {

namespace {

// More than a pipe takes at once: splice(2) stops when it is full.
constexpr std::size_t splice_at_most = 1024 * 1024;

}  // namespace

PipePool::Pipe PipePool::take() {
    if (!free_.empty()) {
        Pipe pipe = std::move(free_.back());
        free_.pop_back();
        return pipe;
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return {};
    return {Fd(ends[0]), Fd(ends[1])};
}

void PipePool::give_back(Pipe pipe) {
    if (pipe && free_.size() < most_kept) free_.push_back(std::move(pipe));
}

Conduit::~Conduit() {
    release();
}

// A pipe with bytes left in it is closed, never handed to another connection.
void Conduit::release() {
    if (pending_ == 0) pipes_.give_back(std::move(pipe_));
    pipe_ = {};
    buffer_.reset();
}

std::int64_t Conduit::fill(int from) {
    if (!copies_) {
        if (!pipe_) pipe_ = pipes_.take();
        if (pipe_) {
            const ssize_t n = ::splice(from, nullptr, pipe_.write.get(), nullptr,
                    splice_at_most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (n >= 0 || errno != EINVAL) return n;
        }
        copies_ = true;
        release();
    }
    if (!buffer_) buffer_ = std::make_unique<char[]>(buffer_size);
    offset_ = 0;
    return ::recv(from, buffer_.get(), buffer_size, MSG_DONTWAIT);
}

std::int64_t Conduit::drain(int to) {
    if (buffer_)
        return ::send(to, buffer_.get() + offset_, pending_, MSG_DONTWAIT | MSG_NOSIGNAL);
    return ::splice(pipe_.read.get(), nullptr, to, nullptr, pending_,
            SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

Conduit::Outcome Conduit::step(StreamEnd& from, StreamEnd& to, std::size_t share) {
    if (finished_) return Outcome::finished;
    for (std::size_t moved = 0; moved < share;) {
        if (pending_ > 0) {
            if (!to.out) return Outcome::waits;
            const std::int64_t n = drain(to.fd.get());
            if (n > 0) {
                const auto size = static_cast<std::size_t>(n);
                pending_ -= size;
                offset_ += size;
                written_ += size;
                moved += size;
                continue;
            }
            if (n < 0 && errno == EINTR) continue;
            error_ = errno;
            if (n < 0 && error_ != EAGAIN) return Outcome::to_failed;
            to.out = false;
            return Outcome::waits;
        }
        if (eof_) {
            finished_ = true;
            release();
            ::shutdown(to.fd.get(), SHUT_WR);
            return Outcome::finished;
        }
        if (!from.in) {
            release();
            return Outcome::waits;
        }
        const std::int64_t n = fill(from.fd.get());
        if (n > 0) {
            pending_ = static_cast<std::size_t>(n);
            read_ += pending_;
        } else if (n == 0) {
            eof_ = true;
        } else if (errno == EAGAIN) {
            from.in = false;
        } else if (errno != EINTR) {
            error_ = errno;
            return Outcome::from_failed;
        }
    }
    return Outcome::used_up;
}

}  // namespace superd
