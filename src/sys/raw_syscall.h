// SPDX-License-Identifier: MIT
// System calls without errno, for a child that shares its memory with the parent: errno would
// be the parent's. Each returns what the kernel returned, -errno on failure.
#pragma once

#include <cerrno>
#include <cstdint>

#include <sys/syscall.h>
#include <unistd.h>

// A child on a stack of its own, in memory of its parent: what a sanitizer adds to a function
// would write to the parent's shadow.
#define SUPERD_CHILD_CODE __attribute__((no_sanitize("address", "undefined", "thread")))

namespace superd {

#if defined(__x86_64__)

SUPERD_CHILD_CODE inline long raw_call(
        long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

SUPERD_CHILD_CODE inline long raw_call(
        long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory");
    return x0;
}

#else

// errno is written, but it is that of a thread which waits for this child.
SUPERD_CHILD_CODE inline long raw_call(
        long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
    const long result = ::syscall(number, a, b, c, d, e);
    return result < 0 ? -errno : result;
}

#endif

SUPERD_CHILD_CODE inline long raw_address(const void* pointer) {
    return static_cast<long>(reinterpret_cast<std::uintptr_t>(pointer));
}

}  // namespace superd
