// SPDX-License-Identifier: MIT
// The same six bytes from an ordinary program: dynamically linked, with the C library's start.
#include <unistd.h>

int main(void) {
    return write(STDOUT_FILENO, "hello\n", 6) == 6 ? 0 : 1;
}
