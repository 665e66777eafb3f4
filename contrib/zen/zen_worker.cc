// SPDX-License-Identifier: MIT
// A worker in inetd's way ("wait"): superd starts it when the first client is there and gives
// it the listening socket as stdin. It serves all clients and leaves when it has been idle for
// a while; superd watches the socket again and starts the next one when it is needed.
//
//   [service.zen-worker]
//   listen = "tcp:1061"
//   mode   = "worker"
//   pass   = "stdin"
//   exec   = ["/usr/libexec/superd/zen/zen_worker", "--idle", "10"]
//
// `--port N` serves without superd. Clients take turns; one that is silent for five seconds
// loses its turn.
#include "zen.h"

int main(int argc, char** argv) {
    const char* port = zen::option(argc, argv, "--port");
    const char* idle = zen::option(argc, argv, "--idle");
    const int listener = port != nullptr ? zen::listen_on(port) : STDIN_FILENO;
    const int milliseconds = 1000 * (idle != nullptr ? zen::number(idle) : 10);
    const timeval patience{.tv_sec = 5, .tv_usec = 0};

    zen::survive_lost_clients();
    // accept_next() waits in poll(2), which has a time limit, only on a non-blocking listener.
    fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
    for (;;) {
        const int client = zen::accept_next(listener, milliseconds);
        if (client < 0) return 0;
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        zen::converse(client, client);
        close(client);
    }
}
