// SPDX-License-Identifier: MIT
// Making a child that runs one function on a stack of its own and never comes back.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace superd {

// What a child shares with its parent until it execs.
enum class Sharing : std::uint8_t {
    memory_and_table,  // CLONE_VM | CLONE_VFORK | CLONE_FILES
    memory,            // CLONE_VM | CLONE_VFORK: a copy of the descriptor table
    nothing,           // as fork(2)
};

// Writable memory for a child's stack, with a page below it that nothing may touch.
class ChildStack {
public:
    ChildStack();
    ~ChildStack();
    ChildStack(const ChildStack&) = delete;
    ChildStack& operator=(const ChildStack&) = delete;

    [[nodiscard]] void* memory() const { return usable_; }

    [[nodiscard]] std::size_t size() const { return size_; }

private:
    void* mapping_ = nullptr;
    void* usable_ = nullptr;
    std::size_t size_ = 0;
};

using ChildFunction = int (*)(void*);

struct CloneRequest {
    Sharing sharing = Sharing::memory_and_table;
    ChildFunction function = nullptr;  // must not return
    void* argument = nullptr;
    const ChildStack* stack = nullptr;           // not used by Sharing::nothing
    std::atomic<std::int32_t>* pid = nullptr;    // the kernel writes it before the child runs
    std::atomic<std::int32_t>* pidfd = nullptr;  // close-on-exec; -1 where the kernel has none
    bool new_pids = false;                       // as the first process of a pid namespace
    // Directory of the control group to be born in (CLONE_INTO_CGROUP), for clone3(2) alone:
    // where that does not work -errno comes back and nothing else is tried. -1: superd's own.
    int cgroup = -1;
};

// Returns the pid, or -errno. With shared memory only when the child has exec'd or died. The
// caller has all signals blocked; the child starts that way.
[[nodiscard]] int clone_child(const CloneRequest& request);

// Whether clone3(2) is used: not where a seccomp filter of old makes it ENOSYS. Known after the
// first clone_child. For tests: forbid_clone3() behaves as under such a filter from then on.
[[nodiscard]] bool has_clone3();
void forbid_clone3();

}  // namespace superd
