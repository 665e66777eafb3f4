// SPDX-License-Identifier: MIT
// A worker in systemd's way with threads: each of them waits in accept(2) on the one listener
// that superd passed as LISTEN_FDS, so as many clients are served at once as there are threads.
// Threads are cheaper than processes and see the same memory: right where clients share a
// state, and a crash or a leak of one is everybody's.
//
//   [service.zen-threads]
//   listen = "tcp:1062"
//   mode   = "worker"
//   exec   = ["/usr/libexec/superd/zen/zen_threads", "--threads", "4"]
//
// `zen_threads [--port N]` serves without superd.
#include <thread>
#include <vector>

#include "zen.h"

int main(int argc, char** argv) {
    const int listener = zen::listener(argc, argv);
    const char* wanted = zen::option(argc, argv, "--threads");
    const int count = wanted != nullptr ? zen::number(wanted) : 4;

    zen::survive_lost_clients();
    std::vector<std::thread> threads;
    for (int i = 1; i < count; ++i)
        threads.emplace_back(zen::serve_in_turn, listener);
    zen::serve_in_turn(listener);
}
