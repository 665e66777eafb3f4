// SPDX-License-Identifier: MIT
// Which way of launching works here: each is tried once, by a child that does nothing else.
#include <csignal>
#include <cstdio>

#include <linux/close_range.h>
#include <sys/wait.h>

#include "sys/clone.h"
#include "sys/raw_syscall.h"
#include "sys/spawner.h"

namespace superd {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

SUPERD_CHILD_CODE int leave_and_end(void*) {
    const long result = raw_call(SYS_close_range, low_number, 0xffffffffL, CLOSE_RANGE_UNSHARE);
    for (;;)
        raw_call(SYS_exit_group, result == 0 ? 0 : 1);
}

SUPERD_CHILD_CODE int just_end(void*) {
    for (;;)
        raw_call(SYS_exit_group, 0);
}

bool works(Sharing sharing, ChildFunction function) {
    const ChildStack stack;
    std::atomic<std::int32_t> pid{0}, pidfd{-1};
    const CloneRequest request{.sharing = sharing,
            .function = function,
            .argument = nullptr,
            .stack = &stack,
            .pid = &pid,
            .pidfd = &pidfd};
    const int made = clone_child(request);
    if (made < 0) return false;
    if (pidfd >= 0) ::close(pidfd);
    int status = -1;
    return ::waitpid(made, &status, 0) == made && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// With 1 the memory of a child that has changed its uid, which is superd's as well, could be
// written to by that user.
bool memory_stays_dumpable(const char* dumpable_file) {
    if (::geteuid() != 0) return false;
    std::FILE* file = std::fopen(dumpable_file, "re");
    if (file == nullptr) return false;
    int value = 0;
    const bool read = std::fscanf(file, "%d", &value) == 1;
    std::fclose(file);
    return read && value == 1;
}

}  // namespace

SpawnMethod probe_spawn_method(const char* dumpable_file) {
    if (sanitized || memory_stays_dumpable(dumpable_file)) return SpawnMethod::fork;
    sigset_t all, before;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before);
    SpawnMethod method = SpawnMethod::fork;
    if (works(Sharing::memory_and_table, leave_and_end))
        method = SpawnMethod::shared_table;
    else if (works(Sharing::memory, just_end))
        method = SpawnMethod::vfork;
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    return method;
}

}  // namespace superd
