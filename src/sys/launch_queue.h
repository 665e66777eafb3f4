// SPDX-License-Identifier: MIT
// Which launch is next: first come, first served, but no service may have more than its share
// in hand. Pure; the spawner holds its lock around it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "sys/spawner.h"

namespace superd {

class LaunchQueue {
public:
    explicit LaunchQueue(unsigned share) : share_(share) {}

    // True where it may begin now; false where it waits for others of its service.
    bool push(Launch launch);
    // The next launch that may begin; it is in hand until done() is called for its service.
    [[nodiscard]] std::optional<Launch> pop();
    // A launch of that service has ended; the next one of it that waited may begin.
    void done(std::uint32_t service);

    [[nodiscard]] bool empty() const { return ready_.empty(); }

    [[nodiscard]] std::size_t ready() const { return ready_.size(); }

    // Counts the launches that were popped: the same number twice says that none was between.
    [[nodiscard]] std::uint64_t popped() const { return popped_; }

    // Takes out everything that has not begun.
    [[nodiscard]] std::deque<Launch> take_all();

private:
    struct Service {
        unsigned in_hand = 0;  // in ready_ or with a thread
        std::deque<Launch> waiting;
    };

    unsigned share_;
    std::deque<Launch> ready_;
    std::unordered_map<std::uint32_t, Service> services_;
    std::uint64_t popped_ = 0;
};

}  // namespace superd
