// SPDX-License-Identifier: MIT
// A handler: superd starts it for each connection, with the connection on stdin and stdout.
//
//   [service.zen-handler]
//   listen = "tcp:1060"
//   exec   = ["/usr/libexec/superd/zen/zen_handler"]
//
// Nothing here knows about sockets: it can be tried with a pipe. The easiest to write, and a
// client can hurt nobody but itself; each costs a process. `--port N` serves without superd,
// one client after the other.
#include "zen.h"

int main(int argc, char** argv) {
    const char* port = zen::option(argc, argv, "--port");
    if (port == nullptr) {
        zen::converse(STDIN_FILENO, STDOUT_FILENO);
        return 0;
    }
    zen::survive_lost_clients();
    zen::serve_in_turn(zen::listen_on(port));
}
