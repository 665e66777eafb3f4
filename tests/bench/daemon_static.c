// SPDX-License-Identifier: MIT
// The smallest daemon: tells its process number to the datagram socket whose abstract name is in
// BENCH_READY, and stays for ever. Without a C library.

#include "bare.h"

#include <linux/un.h>
#include <sys/socket.h>

static const char* value_of(const long* stack, const char* name) {
    const char* const* variable = (const char* const*)(stack + 1) + stack[0] + 1;
    for (; *variable != 0; ++variable) {
        int i = 0;
        while (name[i] != 0 && (*variable)[i] == name[i]) ++i;
        if (name[i] == 0 && (*variable)[i] == '=') return *variable + i + 1;
    }
    return 0;
}

__attribute__((noreturn, used)) static void begin(const long* stack) {
    const char* name = value_of(stack, "BENCH_READY");
    struct sockaddr_un address;
    address.sun_family = AF_UNIX;
    address.sun_path[0] = 0;
    int length = 0;
    while (name != 0 && name[length] != 0 && length < 100) {
        address.sun_path[length + 1] = name[length];
        ++length;
    }
    const int pid = (int)call(SYS_getpid, 0, 0, 0, 0, 0, 0);
    const long fd = call(SYS_socket, AF_UNIX, SOCK_DGRAM, 0, 0, 0, 0);
    call(SYS_sendto, fd, (long)&pid, sizeof pid, 0, (long)&address,
            (long)sizeof address.sun_family + 1 + length);
    call(SYS_close, fd, 0, 0, 0, 0, 0);
    for (;;)
        call(SYS_ppoll, 0, 0, 0, 0, 0, 0);
}
