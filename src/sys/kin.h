// SPDX-License-Identifier: MIT
// Who is whose: what /proc says of a process that may go at any moment. What is read is true of
// a process that is known, by its pidfd, to be there afterwards.
#pragma once

#include <cstdint>

#include "base/fd.h"

namespace superd {

// 0 where there is no such process.
[[nodiscard]] std::int32_t parent_of(std::int32_t pid);
// Whether pid came of ancestor, by parents that are all there still.
[[nodiscard]] bool is_descendant(std::int32_t pid, std::int32_t ancestor);
// Its number in the pid namespace that it is in; its own where that is the caller's, or where
// it cannot be told.
[[nodiscard]] std::int32_t pid_inside(std::int32_t pid);
[[nodiscard]] bool in_same_session(std::int32_t a, std::int32_t b);

// Empty where there is none, or where pid is a thread's.
[[nodiscard]] Fd pidfd_of(std::int32_t pid);
[[nodiscard]] bool has_exited(const Fd& pidfd);

}  // namespace superd
