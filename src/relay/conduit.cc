// SPDX-License-Identifier: MIT
#include "relay/conduit.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace superd {

namespace {

// More than a pipe takes at once: splice(2) stops when it is full.
constexpr std::size_t splice_at_most = 1024 * 1024;
// A splice that brings less was not worth a pipe.
constexpr std::size_t little = 4096;

// What is passed on is as large as what came: waiting for more would only delay it. The first
// write never waits, so that a short conversation needs no such call.
void write_promptly(StreamEnd& to) {
    if (to.tcp && to.written && !to.prompt) {
        const int on = 1;
        ::setsockopt(to.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        to.prompt = true;
    }
    to.written = true;
}

}  // namespace

void StreamEnd::note(std::uint32_t events) {
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) in = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) out = true;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) done = true;
    if ((events & (EPOLLPRI | EPOLLERR)) != 0) reads_stop = true;
}

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
    if (pending_ == 0) pool_.give_back(std::move(pipe_));
    pipe_ = {};
    kept_.reset();
}

Conduit::Progress Conduit::drain(StreamEnd& to) {
    write_promptly(to);
    const ssize_t n = kept_ ? ::send(to.fd.get(), kept_.get() + offset_, pending_,
                                      MSG_DONTWAIT | MSG_NOSIGNAL)
                            : ::splice(pipe_.read.get(), nullptr, to.fd.get(), nullptr,
                                      pending_, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n > 0) {
        const auto size = static_cast<std::size_t>(n);
        pending_ -= size;
        offset_ += size;
        written_ += size;
        if (pending_ == 0) kept_.reset();
        return Progress::moved;
    }
    if (n < 0 && errno == EINTR) return Progress::moved;
    error_ = errno;
    to.out = false;
    return n < 0 && error_ != EAGAIN ? Progress::failed : Progress::nothing;
}

// Most of what is small is written with the call that read it, and its end with it.
Conduit::Progress Conduit::write_or_keep(std::span<const char> bytes, StreamEnd& to) {
    write_promptly(to);
    // The end that follows goes into the same segment.
    const int more = eof_ ? MSG_MORE : 0;
    const ssize_t n =
            ::send(to.fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL | more);
    const std::size_t taken = n > 0 ? static_cast<std::size_t>(n) : 0;
    written_ += taken;
    if (taken == bytes.size()) return Progress::moved;
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        error_ = errno;
        to_failed_ = true;
        return Progress::failed;
    }
    pending_ = bytes.size() - taken;
    offset_ = 0;
    kept_ = std::make_unique<char[]>(pending_);
    std::memcpy(kept_.get(), bytes.data() + taken, pending_);
    return Progress::moved;
}

Conduit::Progress Conduit::copy(StreamEnd& from, StreamEnd& to) {
    const std::span<char> scratch = pool_.scratch();
    const ssize_t n = ::recv(from.fd.get(), scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (n > 0) {
        const auto size = static_cast<std::size_t>(n);
        read_ += size;
        bulk_ = size == scratch.size();
        // TCP gives all it has; a UNIX socket may stop at descriptors that came along.
        if (!bulk_ && from.tcp && !from.reads_stop) {
            from.in = false;
            eof_ = from.done;
        }
        return write_or_keep(scratch.first(size), to);
    }
    if (n < 0 && errno == EINTR) return Progress::moved;
    if (n == 0) {
        eof_ = true;
        return Progress::moved;
    }
    error_ = errno;
    if (error_ != EAGAIN) return Progress::failed;
    from.in = false;
    return Progress::nothing;
}

Conduit::Progress Conduit::splice_in(StreamEnd& from) {
    const ssize_t n = ::splice(from.fd.get(), nullptr, pipe_.write.get(), nullptr,
            splice_at_most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n > 0) {
        pending_ = static_cast<std::size_t>(n);
        read_ += pending_;
        bulk_ = pending_ >= little;
        return Progress::moved;
    }
    if (n < 0 && errno == EINTR) return Progress::moved;
    if (n == 0) {
        eof_ = true;
        return Progress::moved;
    }
    error_ = errno;
    if (error_ == EINVAL) {
        copies_ = true;
        return Progress::moved;
    }
    if (error_ != EAGAIN) return Progress::failed;
    from.in = false;
    return Progress::nothing;
}

Conduit::Progress Conduit::take_more(StreamEnd& from, StreamEnd& to) {
    if (bulk_ && !copies_ && !pipe_) pipe_ = pool_.take();
    if (bulk_ && !copies_ && pipe_) return splice_in(from);
    release();
    return copy(from, to);
}

Conduit::Outcome Conduit::step(StreamEnd& from, StreamEnd& to, std::size_t share) {
    const std::uint64_t before = written_;
    while (written_ - before < share) {
        if (pending_ > 0) {
            if (!to.out) return Outcome::waits;
            switch (drain(to)) {
                case Progress::moved: continue;
                case Progress::nothing: return Outcome::waits;
                case Progress::failed: return Outcome::to_failed;
            }
        }
        if (eof_) {
            release();
            return Outcome::finished;
        }
        if (!from.in || !to.out) {
            release();
            return Outcome::waits;
        }
        switch (take_more(from, to)) {
            case Progress::moved: break;
            case Progress::nothing: release(); return Outcome::waits;
            case Progress::failed:
                return to_failed_ ? Outcome::to_failed : Outcome::from_failed;
        }
    }
    return Outcome::used_up;
}

}  // namespace superd
