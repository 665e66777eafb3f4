// SPDX-License-Identifier: MIT
// usage: fork_loop PORT HANDLER
// The server of the textbook: accept, fork, exec. No identity, no log, nobody reaped.
#define _GNU_SOURCE
#include <signal.h>

#include "common.h"

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const int listener = open_listener(atoi(argv[1]), 0);
    signal(SIGCHLD, SIG_IGN);
    say_ready();
    for (;;) {
        const int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0) continue;
        if (fork() == 0) {
            dup2(connection, 0);
            dup2(connection, 1);
            execl(argv[2], argv[2], (char*)NULL);
            _exit(127);
        }
        close(connection);
    }
}
