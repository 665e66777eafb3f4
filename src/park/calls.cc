// SPDX-License-Identifier: MIT
// libsuperd-park.so, the calls it catches: all that can touch the connection, hand it on, or
// make another process that has it.
//
// fstat, lseek, isatty and reading or setting the flags of a descriptor are not among them:
// interpreters do those first of all, the placeholder answers them as a connection would, and
// flags that were set on it are taken over. What does not go through these calls - a static
// program, stdio inside libc, bare system calls - is not parked by them, and superd finds out.
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>

#include <alloca.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "park/parking.h"

namespace superd::park {

namespace {

struct Next {
    const char* name;
    void* address;
};

void* find(Next& next) {
    if (next.address == nullptr) next.address = ::dlsym(RTLD_NEXT, next.name);
    return next.address;
}

}  // namespace

extern "C" {
extern Next __start_superd_calls[] __attribute__((visibility("hidden")));
extern Next __stop_superd_calls[] __attribute__((visibility("hidden")));
}

void resolve_calls() {
    for (Next* one = __start_superd_calls; one != __stop_superd_calls; ++one)
        find(*one);
}

namespace {

// ---- what a call is about

template <class Set>
bool has_either(const Set* set, int count) {
    if (set == nullptr) return false;
    return (count > 0 && FD_ISSET(0, set)) || (count > 1 && FD_ISSET(1, set));
}

void park_for_set(const fd_set* reads, const fd_set* writes, const fd_set* others, int count) {
    if (has_either(reads, count) || has_either(writes, count) || has_either(others, count))
        park_always();
}

void park_for_list(const pollfd* list, nfds_t count) {
    for (nfds_t i = 0; waits() && i < count; ++i)
        park_for(list[i].fd);
}

// Descriptors that are passed on are copies of what they are now.
void park_for_rights(const msghdr* message) {
    if (!waits() || message == nullptr) return;
    auto* const header = const_cast<msghdr*>(message);
    for (cmsghdr* one = CMSG_FIRSTHDR(header); one != nullptr; one = CMSG_NXTHDR(header, one)) {
        if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
        const auto* const numbers = reinterpret_cast<const int*>(CMSG_DATA(one));
        const std::size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i)
            park_for(numbers[i]);
    }
}

bool is_of_terminals(unsigned long request) {
    return (request >> 8) == 'T' && request != FIONREAD && request != TIOCOUTQ &&
           request != FIOASYNC;
}

// Flags are taken over; everything else makes a copy, or is the connection's own.
bool is_about_flags(int command, long argument) {
    if (command == F_SETFL) return (argument & O_ASYNC) == 0;
    return command == F_GETFD || command == F_SETFD || command == F_GETFL;
}

bool is_about_connection(long number) {
    switch (number) {
        case SYS_read:
        case SYS_write:
        case SYS_readv:
        case SYS_writev:
        case SYS_recvfrom:
        case SYS_sendto:
        case SYS_recvmsg:
        case SYS_sendmsg:
        case SYS_getpeername:
        case SYS_getsockname:
        case SYS_getsockopt:
        case SYS_setsockopt:
        case SYS_shutdown:
        case SYS_dup:
        case SYS_dup3:
        case SYS_close:
        case SYS_splice: return true;
        default: return false;
    }
}

bool makes_a_process(long number) {
    switch (number) {
        case SYS_clone:
        case SYS_clone3:
        case SYS_execve:
        case SYS_execveat:
#ifdef SYS_fork
        case SYS_fork:
        case SYS_vfork:
#endif
#ifdef SYS_io_uring_setup
        case SYS_io_uring_setup:
#endif
            return true;
        default: return false;
    }
}

}  // namespace

// NAME as the program knows it; what it stands for without us is NEXT(NAME).
#define CAUGHT(type, name, parameters)                                                      \
    __attribute__((section("superd_calls"), used)) static Next next_##name{#name, nullptr}; \
    extern "C" __attribute__((visibility("default")))                                       \
    type caught_##name parameters __asm__(#name);                                           \
    extern "C" type caught_##name parameters

#define NEXT(name) reinterpret_cast<decltype(&caught_##name)>(find(next_##name))

// Those whose first argument is the descriptor.
#define CAUGHT_1(type, name, b)              \
    CAUGHT(type, name, (int fd, b second)) { \
        park_for(fd);                        \
        return NEXT(name)(fd, second);       \
    }
#define CAUGHT_2(type, name, b, c)                    \
    CAUGHT(type, name, (int fd, b second, c third)) { \
        park_for(fd);                                 \
        return NEXT(name)(fd, second, third);         \
    }
#define CAUGHT_3(type, name, b, c, d)                           \
    CAUGHT(type, name, (int fd, b second, c third, d fourth)) { \
        park_for(fd);                                           \
        return NEXT(name)(fd, second, third, fourth);           \
    }
#define CAUGHT_4(type, name, b, c, d, e)                                 \
    CAUGHT(type, name, (int fd, b second, c third, d fourth, e fifth)) { \
        park_for(fd);                                                    \
        return NEXT(name)(fd, second, third, fourth, fifth);             \
    }
#define CAUGHT_5(type, name, b, c, d, e, f)                                       \
    CAUGHT(type, name, (int fd, b second, c third, d fourth, e fifth, f sixth)) { \
        park_for(fd);                                                             \
        return NEXT(name)(fd, second, third, fourth, fifth, sixth);               \
    }

// ---- bytes

CAUGHT_2(ssize_t, read, void*, std::size_t)
CAUGHT_3(ssize_t, __read_chk, void*, std::size_t, std::size_t)
CAUGHT_2(ssize_t, readv, const iovec*, int)
CAUGHT_4(ssize_t, preadv2, const iovec*, int, off_t, int)
CAUGHT_4(ssize_t, preadv64v2, const iovec*, int, off_t, int)
CAUGHT_3(ssize_t, recv, void*, std::size_t, int)
CAUGHT_4(ssize_t, __recv_chk, void*, std::size_t, std::size_t, int)
CAUGHT_5(ssize_t, recvfrom, void*, std::size_t, int, sockaddr*, socklen_t*)
CAUGHT_2(ssize_t, recvmsg, msghdr*, int)
CAUGHT_4(int, recvmmsg, mmsghdr*, unsigned, int, timespec*)
CAUGHT_2(ssize_t, write, const void*, std::size_t)
CAUGHT_2(ssize_t, writev, const iovec*, int)
CAUGHT_4(ssize_t, pwritev2, const iovec*, int, off_t, int)
CAUGHT_4(ssize_t, pwritev64v2, const iovec*, int, off_t, int)
CAUGHT_3(ssize_t, send, const void*, std::size_t, int)
CAUGHT_5(ssize_t, sendto, const void*, std::size_t, int, const sockaddr*, socklen_t)
CAUGHT_3(ssize_t, vmsplice, const iovec*, std::size_t, unsigned)
CAUGHT_2(int, vdprintf, const char*, va_list)
CAUGHT_3(int, __vdprintf_chk, int, const char*, va_list)

CAUGHT(ssize_t, __recvfrom_chk,
        (int fd, void* buffer, std::size_t size, std::size_t room, int flags, sockaddr* from,
                socklen_t* length)) {
    park_for(fd);
    return NEXT(__recvfrom_chk)(fd, buffer, size, room, flags, from, length);
}

CAUGHT(ssize_t, sendmsg, (int fd, const msghdr* message, int flags)) {
    park_for(fd);
    park_for_rights(message);
    return NEXT(sendmsg)(fd, message, flags);
}

CAUGHT(int, sendmmsg, (int fd, mmsghdr* messages, unsigned count, int flags)) {
    park_for(fd);
    for (unsigned i = 0; waits() && i < count; ++i)
        park_for_rights(&messages[i].msg_hdr);
    return NEXT(sendmmsg)(fd, messages, count, flags);
}

CAUGHT(int, dprintf, (int fd, const char* format, ...)) {
    park_for(fd);
    va_list arguments;
    va_start(arguments, format);
    const int written = NEXT(vdprintf)(fd, format, arguments);
    va_end(arguments);
    return written;
}

CAUGHT(int, __dprintf_chk, (int fd, int flag, const char* format, ...)) {
    park_for(fd);
    va_list arguments;
    va_start(arguments, format);
    const int written = NEXT(__vdprintf_chk)(fd, flag, format, arguments);
    va_end(arguments);
    return written;
}

CAUGHT(ssize_t, sendfile, (int to, int from, off_t* offset, std::size_t count)) {
    park_for(to);
    park_for(from);
    return NEXT(sendfile)(to, from, offset, count);
}

CAUGHT(ssize_t, sendfile64, (int to, int from, off_t* offset, std::size_t count)) {
    park_for(to);
    park_for(from);
    return NEXT(sendfile64)(to, from, offset, count);
}

CAUGHT(ssize_t, splice,
        (int from, off_t* from_offset, int to, off_t* to_offset, std::size_t size,
                unsigned flags)) {
    park_for(from);
    park_for(to);
    return NEXT(splice)(from, from_offset, to, to_offset, size, flags);
}

// ---- the socket

CAUGHT_2(int, getpeername, sockaddr*, socklen_t*)
CAUGHT_2(int, getsockname, sockaddr*, socklen_t*)
CAUGHT_4(int, getsockopt, int, int, void*, socklen_t*)
CAUGHT_4(int, setsockopt, int, int, const void*, socklen_t)
CAUGHT_1(int, shutdown, int)
CAUGHT_2(int, connect, const sockaddr*, socklen_t)
CAUGHT_2(int, bind, const sockaddr*, socklen_t)
CAUGHT_1(int, listen, int)
CAUGHT_2(int, accept, sockaddr*, socklen_t*)
CAUGHT_3(int, accept4, sockaddr*, socklen_t*, int)

// ---- waiting for it

CAUGHT(int, poll, (pollfd * list, nfds_t count, int timeout)) {
    park_for_list(list, count);
    return NEXT(poll)(list, count, timeout);
}

CAUGHT(int, __poll_chk, (pollfd * list, nfds_t count, int timeout, std::size_t room)) {
    park_for_list(list, count);
    return NEXT(__poll_chk)(list, count, timeout, room);
}

CAUGHT(int, ppoll,
        (pollfd * list, nfds_t count, const timespec* timeout, const sigset_t* mask)) {
    park_for_list(list, count);
    return NEXT(ppoll)(list, count, timeout, mask);
}

CAUGHT(int, __ppoll_chk,
        (pollfd * list, nfds_t count, const timespec* timeout, const sigset_t* mask,
                std::size_t room)) {
    park_for_list(list, count);
    return NEXT(__ppoll_chk)(list, count, timeout, mask, room);
}

CAUGHT(int, select,
        (int count, fd_set* reads, fd_set* writes, fd_set* others, timeval* timeout)) {
    if (waits()) park_for_set(reads, writes, others, count);
    return NEXT(select)(count, reads, writes, others, timeout);
}

CAUGHT(int, pselect,
        (int count, fd_set* reads, fd_set* writes, fd_set* others, const timespec* timeout,
                const sigset_t* mask)) {
    if (waits()) park_for_set(reads, writes, others, count);
    return NEXT(pselect)(count, reads, writes, others, timeout, mask);
}

CAUGHT(int, epoll_ctl, (int set, int operation, int fd, epoll_event* event)) {
    park_for(fd);
    return NEXT(epoll_ctl)(set, operation, fd, event);
}

// ---- its numbers

CAUGHT(int, dup, (int fd)) {
    park_for(fd);
    return NEXT(dup)(fd);
}

CAUGHT(int, dup2, (int from, int to)) {
    park_for(from);
    park_for(to);
    if (waits() && to == channel.load()) move_channel();
    return NEXT(dup2)(from, to);
}

CAUGHT(int, dup3, (int from, int to, int flags)) {
    park_for(from);
    park_for(to);
    if (waits() && to == channel.load()) move_channel();
    return NEXT(dup3)(from, to, flags);
}

CAUGHT(int, close, (int fd)) {
    park_for(fd);
    if (waits() && fd == channel.load()) {
        errno = EBADF;
        return -1;
    }
    return NEXT(close)(fd);
}

CAUGHT(int, close_range, (unsigned first, unsigned last, int flags)) {
    if (waits() && first <= 1) park();
    const auto own = static_cast<unsigned>(channel.load());
    if (!waits() || own < first || own > last) return NEXT(close_range)(first, last, flags);
    const int below = own > first ? NEXT(close_range)(first, own - 1, flags) : 0;
    const int above = own < last ? NEXT(close_range)(own + 1, last, flags) : 0;
    return below != 0 ? below : above;
}

CAUGHT(void, closefrom, (int first)) {
    if (waits() && first <= 1) park();
    const int own = channel.load();
    if (own < first || own < 0) return NEXT(closefrom)(first);
    for (int fd = first; fd < own; ++fd)
        NEXT(close)(fd);
    NEXT(closefrom)(own + 1);
}

#define CAUGHT_FCNTL(name)                                    \
    CAUGHT(int, name, (int fd, int command, ...)) {           \
        va_list arguments;                                    \
        va_start(arguments, command);                         \
        const long argument = va_arg(arguments, long);        \
        va_end(arguments);                                    \
        if (!is_about_flags(command, argument)) park_for(fd); \
        return NEXT(name)(fd, command, argument);             \
    }
CAUGHT_FCNTL(fcntl)
CAUGHT_FCNTL(fcntl64)

CAUGHT(int, ioctl, (int fd, unsigned long request, ...)) {
    va_list arguments;
    va_start(arguments, request);
    void* const argument = va_arg(arguments, void*);
    va_end(arguments);
    if (!is_of_terminals(request)) park_for(fd);
    return NEXT(ioctl)(fd, request, argument);
}

// ---- other processes that would have it

CAUGHT(pid_t, fork, (void)) {
    park_always();
    return NEXT(fork)();
}

#if defined(__x86_64__)
// It comes back twice on one stack: nobody may return from a frame that the child has used.
extern "C" __attribute__((visibility("hidden"), used)) void* superd_park_vfork();

extern "C" void* superd_park_vfork() {
    park_always();
    static Next next{"vfork", nullptr};
    return find(next);
}

extern "C" __attribute__((visibility("default"), naked)) pid_t caught_vfork() __asm__("vfork");

extern "C" pid_t caught_vfork() {
    __asm__("endbr64\n\t"
            "subq $8, %rsp\n\t"
            "call superd_park_vfork\n\t"
            "addq $8, %rsp\n\t"
            "jmp *%rax");
}
#else
CAUGHT(pid_t, vfork, (void)) {
    park_always();
    return NEXT(fork)();
}
#endif

CAUGHT(int, clone, (int (*function)(void*), void* stack, int flags, void* argument, ...)) {
    park_always();
    va_list arguments;
    va_start(arguments, argument);
    void* const parent = va_arg(arguments, void*);
    void* const tls = va_arg(arguments, void*);
    void* const child = va_arg(arguments, void*);
    va_end(arguments);
    return NEXT(clone)(function, stack, flags, argument, parent, tls, child);
}

CAUGHT(pid_t, forkpty, (int* master, char* name, const void* modes, const void* size)) {
    park_always();
    return NEXT(forkpty)(master, name, modes, size);
}

CAUGHT(int, daemon, (int stays, int keeps)) {
    park_always();
    return NEXT(daemon)(stays, keeps);
}

CAUGHT(int, system, (const char* command)) {
    park_always();
    return NEXT(system)(command);
}

CAUGHT(FILE*, popen, (const char* command, const char* mode)) {
    park_always();
    return NEXT(popen)(command, mode);
}

#define CAUGHT_SPAWN(name)                                                             \
    CAUGHT(int, name,                                                                  \
            (pid_t * pid, const char* path, const posix_spawn_file_actions_t* actions, \
                    const posix_spawnattr_t* attributes, char* const* argv,            \
                    char* const* environment)) {                                       \
        park_always();                                                                 \
        return NEXT(name)(pid, path, actions, attributes, argv, environment);          \
    }
CAUGHT_SPAWN(posix_spawn)
CAUGHT_SPAWN(posix_spawnp)

// Another program in this one's place would not be parked: what was started ahead is its
// beginning.
CAUGHT(int, execve, (const char* path, char* const* argv, char* const* environment)) {
    park_always();
    return NEXT(execve)(path, argv, environment);
}

CAUGHT(int, execvpe, (const char* path, char* const* argv, char* const* environment)) {
    park_always();
    return NEXT(execvpe)(path, argv, environment);
}

CAUGHT(int, execv, (const char* path, char* const* argv)) {
    park_always();
    return NEXT(execv)(path, argv);
}

CAUGHT(int, execvp, (const char* path, char* const* argv)) {
    park_always();
    return NEXT(execvp)(path, argv);
}

CAUGHT_2(int, fexecve, char* const*, char* const*)

CAUGHT(int, execveat,
        (int fd, const char* path, char* const* argv, char* const* environment, int flags)) {
    park_always();
    return NEXT(execveat)(fd, path, argv, environment, flags);
}

namespace {

int count_arguments(va_list arguments) {
    int count = 1;
    while (va_arg(arguments, char*) != nullptr)
        ++count;
    return count;
}

}  // namespace

// BODY uses argv, and arguments as they are after the null that ends it.
#define CAUGHT_LIST(name, BODY)                                                       \
    CAUGHT(int, name, (const char* path, const char* first, ...)) {                   \
        park_always();                                                                \
        va_list arguments;                                                            \
        va_start(arguments, first);                                                   \
        const int count = first == nullptr ? 0 : count_arguments(arguments);          \
        va_end(arguments);                                                            \
        const std::size_t size = sizeof(char*) * static_cast<std::size_t>(count + 1); \
        auto** const argv = static_cast<char**>(alloca(size));                        \
        argv[0] = const_cast<char*>(first);                                           \
        va_start(arguments, first);                                                   \
        for (int i = 1; i <= count; ++i)                                              \
            argv[i] = va_arg(arguments, char*);                                       \
        BODY                                                                          \
    }

CAUGHT_LIST(execl, va_end(arguments); return NEXT(execv)(path, argv);)
CAUGHT_LIST(execlp, va_end(arguments); return NEXT(execvp)(path, argv);)
CAUGHT_LIST(execle, auto* const environment = va_arg(arguments, char**); va_end(arguments);
            return NEXT(execve)(path, argv, environment);)

// ---- bare system calls that go through libc

CAUGHT(long, syscall, (long number, ...)) {
    va_list arguments;
    va_start(arguments, number);
    long value[6];
    for (long& one : value)
        one = va_arg(arguments, long);
    va_end(arguments);
    if (waits()) {
        if (makes_a_process(number)) park();
        if (is_about_connection(number)) park_for(static_cast<int>(value[0]));
    }
    return NEXT(syscall)(number, value[0], value[1], value[2], value[3], value[4], value[5]);
}

}  // namespace superd::park
