// SPDX-License-Identifier: MIT
// The only owner of file descriptors. A raw int is a loan.
#pragma once

#include <utility>

namespace superd {

class Fd {
public:
    Fd() = default;

    explicit Fd(int fd) : fd_(fd) {}

    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }

    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;

    ~Fd() { reset(); }

    [[nodiscard]] int get() const { return fd_; }

    explicit operator bool() const { return fd_ >= 0; }

    // Gives the descriptor away; the caller owns it from now on.
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }

    // Closes what is held (errno stays as it was) and takes fd.
    void reset(int fd = -1);

private:
    int fd_ = -1;
};

}  // namespace superd
