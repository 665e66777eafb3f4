// SPDX-License-Identifier: MIT
// What superd-relay gives up before it reads the first byte of a client.
//
// As root: its user, the file system (an empty root folder), every capability. Anybody: new
// privileges, the file system once more and new sockets by Landlock, and by seccomp every
// system call that a relay does not need: it can make no socket, open no file, start no
// process, map no code. What the kernel does not have is left out and said.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"

namespace superd {

struct SandboxOptions {
    struct User {
        std::uint32_t uid = 0, gid = 0;
    };

    std::optional<User> user;  // to become; needs root
    bool closed = false;       // nobody of the same user may look into its memory
    std::string root;          // a folder that is empty and root's; needs root; empty: none
};

// SandboxBits (relay/protocol.h) of what holds from now on. An error where something that was
// asked for and that every kernel has could not be done: the process must not go on.
[[nodiscard]] Result<std::uint32_t> enter_sandbox(const SandboxOptions& options);

}  // namespace superd
