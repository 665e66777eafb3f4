// SPDX-License-Identifier: MIT
// A pid namespace for one launch (private_pids).
//
// The first process of a namespace gets no signal that it has no handler for, and has to reap
// what others leave. No service is written for that, so the first one is superd-exec, which
// does nothing but wait; the service's program is the second one. It is superd's own child all
// the same, cloned by a thread whose children are born in there: its pid outside, its pidfd,
// its exit status, the signals sent to it and the credentials of its messages are what they are
// without a namespace, and a superd that comes after a killed one finds it as any other.
//
//     superd --+-- superd-exec pids    1, in superd's control group and in no record
//              +-- the program         2, whose pid outside is in the record
//                    +-- ...           3 ...; those without a parent become 1's
//
// When the program has ended the first process goes too, and the kernel kills all that is left
// in there. When the first process is killed, the kernel kills the program.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"
#include "sys/clone.h"

namespace superd {

class PidNamespace {
public:
    // program: superd-exec, opened; stack: not in use by a child. All signals are blocked.
    // Where nothing more is done with it, its first process ends by itself.
    [[nodiscard]] static Result<PidNamespace> create(
            int program, Sharing sharing, const ChildStack& stack);

    // Children of this thread are born in it from now on.
    [[nodiscard]] Result<void> enter() const;
    // ... and from now on where superd is.
    static void leave();
    // The program has been made, at the attempt'th time that it was tried (1, 2 ...): each
    // takes a number.
    void watch(unsigned attempt) const;

private:
    Fd first_;  // pidfd
    Fd begun_;  // the first process reads the program's number from the other end
};

// superd-exec's side of it: the first process. Returns the exit status.
int watch_over_namespace();

// superd-exec's argument that asks for it.
inline constexpr const char* first_process_word = "pids";

}  // namespace superd
