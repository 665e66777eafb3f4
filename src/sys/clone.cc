// SPDX-License-Identifier: MIT
// Making a child that runs one function on a stack of its own and never comes back.
//
// clone3(2) first: it takes CLONE_PIDFD and CLONE_PARENT_SETTID together, and
// CLONE_CLEAR_SIGHAND. Where it is ENOSYS (seccomp filters of containers) clone(2), for which
// both of these use the same argument, and pidfd_open(2) afterwards: nobody else reaps, so the
// pid still is the child's.
#include "sys/clone.h"

#include <cerrno>
#include <csignal>

#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>

#include "sys/raw_syscall.h"

namespace superd {

namespace {

constexpr std::size_t stack_size = 64 * 1024;
constexpr std::size_t page = 4096;

std::atomic<bool> clone3_works{true};

static_assert(sizeof(std::atomic<std::int32_t>) == sizeof(int));

std::uint64_t address(const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

std::uint64_t sharing_flags(Sharing sharing) {
    switch (sharing) {
        case Sharing::memory_and_table: return CLONE_VM | CLONE_VFORK | CLONE_FILES;
        case Sharing::memory: return CLONE_VM | CLONE_VFORK;
        case Sharing::nothing: return 0;
    }
    return 0;
}

// What all three calls take.
std::uint64_t common_flags(const CloneRequest& request) {
    return sharing_flags(request.sharing) | CLONE_PARENT_SETTID |
           (request.new_pids ? std::uint64_t{CLONE_NEWPID} : 0);
}

#if defined(__x86_64__)

// The child continues behind the system call with an empty stack: there is nothing to return
// to.
__attribute__((noinline)) long raw_clone3(
        const clone_args* args, std::size_t size, ChildFunction function, void* argument) {
    long result = SYS_clone3;
    register ChildFunction entry __asm__("r8") = function;
    register void* parameter __asm__("r9") = argument;
    __asm__ volatile(
            "syscall\n\t"
            "test %%rax, %%rax\n\t"
            "jnz 1f\n\t"
            "xor %%ebp, %%ebp\n\t"
            "mov %[parameter], %%rdi\n\t"
            "call *%[entry]\n\t"
            "ud2\n"
            "1:"
            : "+a"(result)
            : "D"(args), "S"(size), [entry] "r"(entry), [parameter] "r"(parameter)
            : "rcx", "r11", "memory", "cc");
    return result;
}

#elif defined(__aarch64__)

__attribute__((noinline)) long raw_clone3(
        const clone_args* args, std::size_t size, ChildFunction function, void* argument) {
    register long x8 __asm__("x8") = SYS_clone3;
    register long x0 __asm__("x0") = raw_address(args);
    register long x1 __asm__("x1") = static_cast<long>(size);
    register ChildFunction entry __asm__("x10") = function;
    register void* parameter __asm__("x11") = argument;
    __asm__ volatile(
            "svc 0\n\t"
            "cbnz x0, 1f\n\t"
            "mov x29, xzr\n\t"
            "mov x30, xzr\n\t"
            "mov x0, %[parameter]\n\t"
            "blr %[entry]\n\t"
            "brk #1\n"
            "1:"
            : "+r"(x0)
            : "r"(x8), "r"(x1), [entry] "r"(entry), [parameter] "r"(parameter)
            : "memory", "cc");
    return x0;
}

#else

long raw_clone3(const clone_args*, std::size_t, ChildFunction, void*) {
    return -ENOSYS;
}

#endif

int with_clone3(const CloneRequest& request) {
    clone_args args{};
    args.flags = common_flags(request) | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
    if (request.cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = static_cast<unsigned>(request.cgroup);
    }
    args.exit_signal = SIGCHLD;
    args.parent_tid = address(request.pid);
    args.pidfd = address(request.pidfd);
    args.stack = address(request.stack->memory());
    args.stack_size = request.stack->size();
    return static_cast<int>(raw_clone3(&args, sizeof args, request.function, request.argument));
}

// A null stack means a copy of this one, as fork(2) has it. The order of the arguments that are
// not null is the same on x86_64, aarch64 and most others.
int with_fork(const CloneRequest& request) {
    const long pid =
            ::syscall(SYS_clone, common_flags(request) | SIGCHLD, 0, request.pid, 0, 0);
    if (pid != 0) return pid < 0 ? -errno : static_cast<int>(pid);
    request.function(request.argument);
    __builtin_trap();
}

int with_clone(const CloneRequest& request) {
    auto* const bottom = static_cast<char*>(request.stack->memory());
    const int flags = static_cast<int>(common_flags(request)) | SIGCHLD;
    const int pid = ::clone(request.function, bottom + request.stack->size(), flags,
            request.argument, reinterpret_cast<int*>(request.pid));
    return pid < 0 ? -errno : pid;
}

void open_pidfd(const CloneRequest& request, int pid) {
    const long fd = raw_call(SYS_pidfd_open, pid, 0);
    request.pidfd->store(fd < 0 ? -1 : static_cast<std::int32_t>(fd));
}

}  // namespace

ChildStack::ChildStack() : size_(stack_size) {
    mapping_ = ::mmap(nullptr, size_ + page, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (mapping_ == MAP_FAILED) {
        mapping_ = nullptr;
        size_ = 0;
        return;
    }
    ::mprotect(mapping_, page, PROT_NONE);
    usable_ = static_cast<char*>(mapping_) + page;
}

ChildStack::~ChildStack() {
    if (mapping_ != nullptr) ::munmap(mapping_, size_ + page);
}

int clone_child(const CloneRequest& request) {
    int pid = -ENOSYS;
    if (request.sharing == Sharing::nothing) {
        pid = with_fork(request);
    } else {
        if (request.stack->memory() == nullptr) return -ENOMEM;
        if (request.cgroup >= 0) return has_clone3() ? with_clone3(request) : -ENOSYS;
        if (has_clone3()) {
            pid = with_clone3(request);
            // EINVAL: a kernel with clone3 that lacks one of the flags, or pid namespaces.
            if (pid != -ENOSYS && (pid != -EINVAL || request.new_pids)) return pid;
            forbid_clone3();
        }
        pid = with_clone(request);
    }
    if (pid > 0) open_pidfd(request, pid);
    return pid;
}

bool has_clone3() {
    return clone3_works.load(std::memory_order_relaxed);
}

void forbid_clone3() {
    clone3_works.store(false, std::memory_order_relaxed);
}

}  // namespace superd
