// SPDX-License-Identifier: MIT
// usage: listen_loop FIRST_PORT COUNT
// What opening that many listeners costs at least; prints it in microseconds.
#define _GNU_SOURCE
#include "common.h"

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const int first = atoi(argv[1]), count = atoi(argv[2]);
    const int64_t begin = now_ns();
    for (int i = 0; i < count; ++i)
        open_listener(first + i, SOCK_NONBLOCK);
    printf("%lld\n", (long long)((now_ns() - begin) / 1000));
    return 0;
}
