// SPDX-License-Identifier: MIT
// The launch slots: the numbers that a child keeps when it leaves the shared descriptor table.
#include "sys/slots.h"

#include <fcntl.h>
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
    return {};
}

}  // namespace superd
