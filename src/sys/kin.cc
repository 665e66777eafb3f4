// SPDX-License-Identifier: MIT
// Who is whose.
#include "sys/kin.h"

#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "sys/raw_syscall.h"

namespace superd {

namespace {

// Nobody's ancestors are more than that, or they are not worth the time.
constexpr int most_generations = 64;

}  // namespace

// The fourth column of /proc/PID/stat; the second is a name in parentheses that may have any
// character (proc(5)).
std::int32_t parent_of(std::int32_t pid) {
    char path[32];
    std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
    const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    char text[512];
    const ssize_t size = file ? ::read(file.get(), text, sizeof text - 1) : -1;
    if (size <= 0) return 0;
    text[size] = '\0';
    const char* const after = std::strrchr(text, ')');
    int parent = 0;
    return after != nullptr && std::sscanf(after + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

bool is_descendant(std::int32_t pid, std::int32_t ancestor) {
    for (int i = 0; i < most_generations && pid > 1; ++i) {
        pid = parent_of(pid);
        if (pid == ancestor) return true;
    }
    return false;
}

// The line "NSpid:" of /proc/PID/status: one number a namespace, the innermost last.
std::int32_t pid_inside(std::int32_t pid) {
    char path[32];
    std::snprintf(path, sizeof path, "/proc/%d/status", pid);
    const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    char text[4096];
    const ssize_t size = file ? ::read(file.get(), text, sizeof text - 1) : -1;
    if (size <= 0) return pid;
    text[size] = '\0';
    char* const line = std::strstr(text, "\nNSpid:");
    char* const end = line != nullptr ? std::strchr(line + 1, '\n') : nullptr;
    if (end == nullptr) return pid;
    *end = '\0';
    const char* const last = std::strrchr(line, '\t');
    int inside = 0;
    return last != nullptr && std::sscanf(last, "%d", &inside) == 1 ? inside : pid;
}

bool in_same_session(std::int32_t a, std::int32_t b) {
    const pid_t session = ::getsid(a);
    return session > 0 && session == ::getsid(b);
}

Fd pidfd_of(std::int32_t pid) {
    const long opened = raw_call(SYS_pidfd_open, pid, 0);
    return Fd(opened < 0 ? -1 : static_cast<int>(opened));
}

bool has_exited(const Fd& pidfd) {
    pollfd entry{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, 0) == 1;
}

}  // namespace superd
