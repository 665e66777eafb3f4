// SPDX-License-Identifier: MIT
// The launch slots: the numbers that a child keeps when it leaves the shared descriptor table.
#include "sys/slots.h"

#include <algorithm>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace superd {

namespace {

// A closed 0, 1 or 2 would be the next thing opened, and then some child's stdin.
Result<void> fill_standard_numbers() {
    for (;;) {
        const int fd = ::open("/dev/null", O_RDWR);
        if (fd < 0) return fail("open", "/dev/null");
        if (fd < first_slot) continue;
        ::close(fd);
        return {};
    }
}

// A table that others share grows only after a grace period of RCU each time it doubles: tens
// of milliseconds in which nothing is opened or accepted. Grown while it is still this
// process's alone it costs 128 KiB of the kernel's memory instead; a table never shrinks.
void grow_table(int null) {
    constexpr rlim_t numbers = 16384;
    rlimit before{};
    if (::getrlimit(RLIMIT_NOFILE, &before) != 0) return;
    const rlim_t wanted = std::min(numbers, before.rlim_max);
    rlimit raised = before;
    raised.rlim_cur = std::max(before.rlim_cur, wanted);
    if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) return;
    const Fd highest(::fcntl(null, F_DUPFD_CLOEXEC, static_cast<int>(wanted) - 1));
    ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace

bool put_at(int fd, int number) {
    return ::dup3(fd, number, O_CLOEXEC) >= 0;
}

Result<Fd> open_null() {
    Fd low(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!low) return fail("open", "/dev/null");
    if (low.get() >= low_number) return low;
    Fd high(::fcntl(low.get(), F_DUPFD_CLOEXEC, low_number));
    if (!high) return fail("fcntl", "/dev/null");
    return high;
}

Result<void> reserve_slots() {
    if (auto filled = fill_standard_numbers(); !filled) return filled;
    auto null = open_null();
    if (!null) return tl::unexpected(null.error());
    for (int number = first_slot; number < low_number; ++number)
        if (!put_at(null->get(), number)) return fail("dup3", "/dev/null");
    grow_table(null->get());
    return {};
}

}  // namespace superd
