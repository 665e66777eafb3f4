// SPDX-License-Identifier: MIT
// Asking peers' ident servers (RFC 1413), many at once in one thread: sockets that never block.
// For superd-resolve.
#pragma once

#include <cstddef>
#include <vector>

#include <poll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "sys/resolve_channel.h"

namespace superd {

class IdentClient {
public:
    explicit IdentClient(std::size_t limit = 256, std::uint16_t port = ident_port)
            : limit_(limit), port_(port) {}

    // Connects from the address that the peer connected to, as the RFC wants it. False: too
    // many are under way, or it cannot even begin: no answer will come.
    [[nodiscard]] bool begin(const IdentQuery& query, Mono deadline);

    // Appends what is to be polled; the entries stand in the order of the questions.
    void add_to(std::vector<pollfd>& entries) const;
    // entries: those that add_to() made, polled. Appends the answers that are there, failures
    // and those whose time is over among them.
    void on_polled(const pollfd* entries, Mono now, std::vector<Answer>& out);
    // When the next one is over; Mono::max(): none is under way.
    [[nodiscard]] Mono next_deadline() const;

private:
    struct Conversation {
        IdentQuery query;
        Mono deadline;
        Fd socket;
        bool asked = false;
        std::string heard;
    };

    // Something came, or the socket is writable: true when it is over, with the reply.
    [[nodiscard]] static bool advance(Conversation& one, short events, IdentReply& reply);

    const std::size_t limit_;
    const std::uint16_t port_;
    std::vector<Conversation> conversations_;
};

}  // namespace superd
