// SPDX-License-Identifier: MIT
// --background: the process that was called ends when superd is ready, or with 1 when it is not
// to be.
#pragma once

#include <cstdint>

#include "base/fd.h"

namespace superd {

class Background {
public:
    // Forks. True in the process that goes on, in a session of its own; false in the one that
    // was called, which has waited: status() is what it ends with.
    [[nodiscard]] bool leave();

    [[nodiscard]] int status() const { return status_; }

    // Gives the terminal back and lets the caller end. Once: a superd that comes after the one
    // that was ready finds the descriptor's number used for something else, and leaves it
    // alone.
    void be_ready();
    // The descriptor that waits for be_ready(), to be kept by a superd that takes over; -1:
    // none.
    [[nodiscard]] int descriptor() const;

private:
    Fd caller_;
    std::uint64_t inode_ = 0;  // proves that the number still means it
    int status_ = 1;
};

}  // namespace superd
