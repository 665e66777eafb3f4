// SPDX-License-Identifier: MIT
// Who waits for a service to be in a certain state.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/manager.h"

namespace superd {

class Waiters {
public:
    using Test = std::function<bool(const ServiceStatus&)>;

    // The token is for forget().
    std::uint64_t add(std::string service, Test test, Reply reply);
    void forget(std::uint64_t token);

    [[nodiscard]] bool empty() const { return waiting_.empty(); }

    [[nodiscard]] bool has(std::string_view service) const;

    // Answers those whose test holds. A reply may come back to add() and forget().
    void look(const ServiceStatus& status);
    // Answers all of the service, which will never be in any state again.
    void answer(std::string_view service, const Outcome& outcome);

private:
    struct Waiter {
        std::uint64_t token = 0;
        std::string service;
        Test test;
        Reply reply;
    };

    // Takes out those that hold, in the order they came.
    template <class Holds>
    [[nodiscard]] std::vector<Waiter> take(Holds holds);

    std::vector<Waiter> waiting_;
    std::uint64_t next_token_ = 1;
};

}  // namespace superd
