// SPDX-License-Identifier: MIT
// A client of a server with an event loop: what it asked so far and the answers that its socket
// has not taken yet. Nothing here waits.
#pragma once

#include <cerrno>
#include <string>

#include <unistd.h>

#include "zen.h"

namespace zen {

struct Client {
    Conversation conversation;
    std::string unsent;     // answers the socket would not take yet
    bool finished = false;  // the client will send no more

    // While answers are unsent nothing more is read: what a client can make us hold is bounded.
    [[nodiscard]] bool wants_to_write() const { return !unsent.empty(); }

    [[nodiscard]] bool is_done() const { return finished && unsent.empty(); }
};

// Reads once; false when the connection is broken.
inline bool receive(int fd, Client& client) {
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
inline bool send(int fd, Client& client) {
    const ssize_t n = write(fd, client.unsent.data(), client.unsent.size());
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    client.unsent.erase(0, static_cast<std::size_t>(n));
    return true;
}

}  // namespace zen
