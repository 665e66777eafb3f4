// SPDX-License-Identifier: MIT
// superd-exec: steps in before a service where it asked for something that needs a library
// between fork and exec (tcp_wrappers, peer_label, banner_admitted); then execs it. Started by
// superd alone.
#include <cstdio>
#include <cstring>

#include "sys/step_in.h"

#include "config.h"

int main(int argc, char** argv) {
    if (argc == 2 &&
            (std::strcmp(argv[1], "-V") == 0 || std::strcmp(argv[1], "--version") == 0)) {
        std::puts("superd-exec " PACKAGE_VERSION);
        return 0;
    }
    const int status = superd::run_step_in(argc, argv);
    if (status == 0) return 0;
    std::fputs("superd-exec: superd starts this program\n", stderr);
    return status;
}
