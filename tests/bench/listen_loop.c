// SPDX-License-Identifier: MIT
// usage: listen_loop FIRST_PORT COUNT
// What opening that many listeners costs at least; says when they are there.
#define _GNU_SOURCE
#include "common.h"

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const int first = atoi(argv[1]), count = atoi(argv[2]);
    for (int i = 0; i < count; ++i)
        open_listener(first + i, SOCK_NONBLOCK);
    say_ready();
    return 0;
}
