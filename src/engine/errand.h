// SPDX-License-Identifier: MIT
// A program that superd runs once, for an answer: it writes to descriptor 1, a memory file, and
// ends.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/fd.h"
#include "base/result.h"

namespace superd {

struct Errand {
    pid_t pid = -1;
    Fd pidfd;          // readable when it has ended
    Fd answer;         // what it writes
    std::string what;  // "the configuration's reader": for errors
};

// One without a process, for those that fork one themselves: answer is there, pidfd is not.
[[nodiscard]] Result<Errand> prepare_errand(std::string what);
// Its pid runs: the pidfd is opened.
[[nodiscard]] Result<Errand> follow(Errand errand);

// A descriptor of superd's that the program finds at a number of its own.
struct Lent {
    int ours = -1, theirs = -1;
};

// argv begins with the program's name. The program has superd's environment, identity and
// standard error, no signal blocked, and no descriptor but 0 to 2 and what is lent.
[[nodiscard]] Result<Errand> begin_errand(std::string what, const std::string& program,
        std::vector<std::string> argv, std::span<const Lent> lent);

struct ErrandAnswer {
    std::string bytes;
    // "it was ended by signal 9", "it ended with status 1"; empty where it ended with 0, or
    // where an orphan sweep was faster and its status is gone.
    std::string failure;
};

// After its end, or waiting for it.
[[nodiscard]] Result<ErrandAnswer> answer_of(const Errand& errand);

// The whole of a file, from its beginning.
[[nodiscard]] Result<std::string> read_whole(int fd, const std::string& what);

}  // namespace superd
