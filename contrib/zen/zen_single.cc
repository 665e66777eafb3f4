// SPDX-License-Identifier: MIT
// The plainest server: one thread, one client after the other; whoever comes meanwhile waits in
// the kernel's queue. Right where an answer takes no time and clients do not linger.
//
//   [service.zen-single]
//   listen = "tcp:1064"
//   mode   = "worker"
//   exec   = ["/usr/libexec/superd/zen/zen_single"]
//
// With `workers = 4` superd runs four of it on the one listener, which is zen_processes without
// a line of code. `zen_single [--port N]` serves without superd.
#include "zen.h"

int main(int argc, char** argv) {
    const int listener = zen::listener(argc, argv);
    zen::survive_lost_clients();
    zen::serve_in_turn(listener);
}
