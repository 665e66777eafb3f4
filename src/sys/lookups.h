// SPDX-License-Identifier: MIT
// Looking names and addresses up with the C library, several at once: each look-up blocks a
// thread for as long as the name servers like, and nobody else.
//
// For superd-resolve only. superd itself never looks a name up: the answer is written by
// whoever owns the client's address, and the C library would parse it as root.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "sys/resolve_channel.h"

namespace superd {

// Blocks. query: a NameQuery or an AddressQuery.
[[nodiscard]] Answer look_up(const Query& query);

// The answer that says that nothing is known.
[[nodiscard]] Answer failed_answer(const Query& query);

class LookupPool {
public:
    using Look = std::function<Answer(const Query&)>;

    struct Limits {
        unsigned threads = 32;  // made when they are needed, kept
        std::size_t waiting = 1024;
    };

    LookupPool(Limits limits, Look look);
    // Waits for the look-ups in hand; what no thread has begun is dropped.
    ~LookupPool();
    LookupPool(const LookupPool&) = delete;
    LookupPool& operator=(const LookupPool&) = delete;

    // False: too many wait already. What waits past its deadline fails without being looked up.
    [[nodiscard]] bool submit(Query query, Mono deadline);
    // An eventfd, readable when there are answers.
    [[nodiscard]] int event_fd() const;
    void drain(std::vector<Answer>& out);

private:
    struct Shared;
    std::unique_ptr<Shared> shared_;
};

}  // namespace superd
