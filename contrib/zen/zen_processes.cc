// SPDX-License-Identifier: MIT
// Processes that share a listener: forked ahead, each waits in accept(2) on the same socket and
// the kernel gives every client to one of them. They share no memory, so no locks are needed
// and what one of them breaks the others do not feel.
//
//   [service.zen-processes]
//   listen = "tcp:1065"
//   mode   = "worker"
//   exec   = ["/usr/libexec/superd/zen/zen_processes", "--processes", "4"]
//
// `zen_processes [--port N]` serves without superd.
#include <sys/prctl.h>
#include <sys/wait.h>

#include "zen.h"

int main(int argc, char** argv) {
    const int listener = zen::listener(argc, argv);
    const char* wanted = zen::option(argc, argv, "--processes");
    const int count = wanted != nullptr ? zen::number(wanted) : 4;

    zen::survive_lost_clients();
    const pid_t parent = getpid();
    for (int i = 0; i < count; ++i) {
        const pid_t child = fork();
        if (child < 0) zen::die("fork");
        if (child > 0) continue;
        // However the parent ends, its children do not stay behind with the listener.
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) return 1;
        zen::serve_in_turn(listener);
    }
    // A child ends only when something is wrong. Then all go, and superd starts them again.
    wait(nullptr);
    return 1;
}
