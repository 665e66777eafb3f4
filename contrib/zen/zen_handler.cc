// SPDX-License-Identifier: MIT
// A handler: superd starts it for each connection, with the connection on stdin and stdout.
//
//   [service.zen]
//   listen = "tcp:1060"
//   exec   = ["/usr/libexec/superd/zen/zen_handler"]
//
// Nothing here knows about sockets: it can be tried with a pipe. `--port N` serves without
// superd, one client after the other.
#include "zen.h"

int main(int argc, char** argv) {
    const char* port = zen::option(argc, argv, "--port");
    if (port == nullptr) {
        zen::converse(STDIN_FILENO, STDOUT_FILENO);
        return 0;
    }
    zen::survive_lost_clients();
    const int listener = zen::listen_on(port);
    for (;;) {
        const int client = zen::accept_next(listener);
        zen::converse(client, client);
        close(client);
    }
}
