// SPDX-License-Identifier: MIT
// The descriptor limit and the reserve.
#include "sys/descriptors.h"

#include <fcntl.h>
#include <sys/socket.h>

namespace superd {

Result<rlimit> raise_descriptor_limit() {
    rlimit original{};
    if (::getrlimit(RLIMIT_NOFILE, &original) != 0) return fail("getrlimit", "nofile");
    rlimit raised = original;
    raised.rlim_cur = raised.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) return fail("setrlimit", "nofile");
    return original;
}

bool DescriptorReserve::fill() {
    if (!fd_) fd_ = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return ready();
}

bool DescriptorReserve::turn_away(int listener) {
    if (!fd_) return false;
    fd_.reset();
    const bool done =
            static_cast<bool>(Fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)));
    fill();
    return done;
}

}  // namespace superd
