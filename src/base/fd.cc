// SPDX-License-Identifier: MIT
#include "base/fd.h"

#include <cerrno>

#include <unistd.h>

namespace superd {

void Fd::reset(int fd) {
    if (fd_ >= 0) {
        const int saved = errno;
        ::close(fd_);
        errno = saved;
    }
    fd_ = fd;
}

}  // namespace superd
