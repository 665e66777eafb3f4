// SPDX-License-Identifier: MIT
// Asking HTTP servers for the status of a page, many at once in one thread: sockets that never
// block. For superd-resolve.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <poll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "sys/resolve_channel.h"

namespace superd {

class HttpClient {
public:
    explicit HttpClient(std::size_t limit = 1024) : limit_(limit) {}

    // An answer follows in any case, from the next on_polled() at the latest when its time is
    // over.
    void begin(const HttpQuery& query, Mono deadline);

    // Appends what is to be polled; the entries stand in the order of the questions.
    void add_to(std::vector<pollfd>& entries) const;
    // entries: those that add_to() made, polled.
    void on_polled(const pollfd* entries, Mono now, std::vector<Answer>& out);
    // When the next one is over; Mono::max(): none is under way.
    [[nodiscard]] Mono next_deadline() const;

private:
    struct Visit {
        HttpQuery query;
        Mono deadline;
        Fd socket;
        HttpAnswer answer;
        std::string unsent, heard;
        bool over = false;
    };

    static void advance(Visit& visit, short events);
    static void send(Visit& visit);
    static void receive(Visit& visit);

    const std::size_t limit_;
    std::vector<Visit> visits_;
};

}  // namespace superd
