// SPDX-License-Identifier: MIT
// A worker in systemd's way with an event loop: one thread and poll(2) serve any number of
// clients; a slow one holds up nobody.
//
//   [service.zen-loop]
//   listen = "tcp:1063"
//   mode   = "worker"
//   exec   = ["/usr/libexec/superd/zen/zen_loop"]
//
// `--port N` serves without superd.
#include <map>
#include <vector>

#include "zen.h"

namespace {

struct Client {
    zen::Conversation conversation;
    std::string unsent;     // answers the socket would not take yet
    bool finished = false;  // the client will send no more
};

// Reads once; false when the connection is broken.
bool receive(int fd, Client& client) {
    char buffer[512];
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n > 0) {
        client.unsent += client.conversation.feed({buffer, static_cast<std::size_t>(n)});
    } else {
        client.unsent += client.conversation.finish();
        client.finished = true;
    }
    return true;
}

// Writes what the socket takes; false when the connection is broken.
bool send(int fd, Client& client) {
    const ssize_t n = write(fd, client.unsent.data(), client.unsent.size());
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    client.unsent.erase(0, static_cast<std::size_t>(n));
    return true;
}

// While answers are unsent nothing more is read: what a client can make us hold is bounded.
short wanted(const Client& client) {
    return client.unsent.empty() ? POLLIN : POLLOUT;
}

bool serve(int fd, Client& client, short ready) {
    if ((ready & POLLOUT) != 0 ? !send(fd, client) : !receive(fd, client)) return false;
    return !client.finished || !client.unsent.empty();
}

}  // namespace

int main(int argc, char** argv) {
    const int listener = zen::listener(argc, argv);
    zen::survive_lost_clients();
    fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);

    std::map<int, Client> clients;
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
            } else if (!serve(fd, clients[fd], ready)) {
                clients.erase(fd);
                close(fd);
            }
        }
    }
}
