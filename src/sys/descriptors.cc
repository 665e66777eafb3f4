// SPDX-License-Identifier: MIT
#include "sys/descriptors.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace superd {

Result<rlimit> raise_descriptor_limit() {
    rlimit original{};
    if (::getrlimit(RLIMIT_NOFILE, &original) != 0) return fail("getrlimit", "nofile");
    rlimit raised = original;
    raised.rlim_cur = raised.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) return fail("setrlimit", "nofile");
    return original;
}

Fd take_channel() {
    int type = 0;
    socklen_t size = sizeof type;
    const bool proper =
            ::getsockopt(0, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
    if (!proper) return {};
    Fd channel(::fcntl(0, F_DUPFD_CLOEXEC, 3));
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!channel || !null) return {};
    ::dup2(null.get(), 0);
    ::dup2(null.get(), 1);
    return channel;
}

}  // namespace superd
