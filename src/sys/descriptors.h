// SPDX-License-Identifier: MIT
// The process's supply of descriptors: its limit, and one kept back for when they run out.
#pragma once

#include <sys/resource.h>

#include "base/fd.h"
#include "base/result.h"

namespace superd {

// Raises the soft RLIMIT_NOFILE to the hard one. Returns what it was, to be given to children.
[[nodiscard]] Result<rlimit> raise_descriptor_limit();

// One descriptor on /dev/null. When accept(2) says EMFILE, turn_away() spends it on the
// connection that waits, so that its client is refused instead of left hanging, and takes it
// back.
class DescriptorReserve {
public:
    // False where not even this one is to be had; may be tried again at any time.
    bool fill();

    [[nodiscard]] bool ready() const { return static_cast<bool>(fd_); }

    // Accepts one connection and closes it. False: none waited, or the reserve is not there.
    bool turn_away(int listener);

private:
    Fd fd_;
};

}  // namespace superd
