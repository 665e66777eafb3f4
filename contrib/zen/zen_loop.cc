// SPDX-License-Identifier: MIT
// A worker in systemd's way with an event loop: one thread and poll(2) serve any number of
// clients; a slow one holds up nobody and a silent one costs a few hundred bytes. Each call of
// poll(2) hands over the whole list, so its cost grows with those who are silent; zen_cores has
// epoll(7), which remembers it.
//
//   [service.zen-loop]
//   listen = "tcp:1063"
//   mode   = "worker"
//   exec   = ["/usr/libexec/superd/zen/zen_loop"]
//
// `zen_loop [--port N]` serves without superd.
#include <map>
#include <vector>

#include "zen_client.h"

namespace {

short wanted(const zen::Client& client) {
    return client.wants_to_write() ? POLLOUT : POLLIN;
}

bool serve(int fd, zen::Client& client) {
    const bool whole =
            client.wants_to_write() ? zen::send(fd, client) : zen::receive(fd, client);
    return whole && !client.is_done();
}

}  // namespace

int main(int argc, char** argv) {
    const int listener = zen::listener(argc, argv);
    zen::survive_lost_clients();
    fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);

    std::map<int, zen::Client> clients;
    for (;;) {
        std::vector<pollfd> waiting{{listener, POLLIN, 0}};
        for (const auto& [fd, client] : clients)
            waiting.push_back({fd, wanted(client), 0});
        if (poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) zen::die("poll");

        for (const auto& [fd, events, ready] : waiting) {
            if (ready == 0) continue;
            if (fd == listener) {
                const int next =
                        accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (next >= 0) clients[next] = {};
            } else if (!serve(fd, clients[fd])) {
                clients.erase(fd);
                close(fd);
            }
        }
    }
}
