// SPDX-License-Identifier: MIT
#include "sys/descriptors.h"

namespace superd {

Result<rlimit> raise_descriptor_limit() {
    rlimit original{};
    if (::getrlimit(RLIMIT_NOFILE, &original) != 0) return fail("getrlimit", "nofile");
    rlimit raised = original;
    raised.rlim_cur = raised.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) return fail("setrlimit", "nofile");
    return original;
}

}  // namespace superd
