// SPDX-License-Identifier: MIT
#include "sys/background.h"

#include <array>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace superd {

namespace {

std::uint64_t pipe_inode(int fd) {
    struct stat facts {};

    return fd >= 0 && ::fstat(fd, &facts) == 0 && S_ISFIFO(facts.st_mode) ? facts.st_ino : 0;
}

}  // namespace

bool Background::leave() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::setsid();
        inode_ = pipe_inode(writer.get());
        caller_ = std::move(writer);
        return true;
    }
    writer.reset();
    char ready = 0;
    status_ = pid > 0 && ::read(reader.get(), &ready, 1) == 1 ? 0 : 1;
    return false;
}

int Background::descriptor() const {
    return inode_ != 0 && pipe_inode(caller_.get()) == inode_ ? caller_.get() : -1;
}

// Descriptors 0 to 2 are the guard's as well, for the table is shared.
void Background::be_ready() {
    if (descriptor() < 0) {
        (void)caller_.release();
        return;
    }
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int standard : {0, 1, 2})
        ::dup2(null.get(), standard);
    (void)!::write(caller_.get(), "r", 1);
    caller_.reset();
}

}  // namespace superd
