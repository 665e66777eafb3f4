// SPDX-License-Identifier: MIT
// Services that start after one another, and end the other way round: who waits, who is let in,
// who is told to end next. engine/ordering.h decides.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ordering.h"
#include "engine/service.h"

namespace superd {

class Supervisor;

// Owned by the supervisor, a part of it.
class LiningUp {
public:
    explicit LiningUp(Supervisor& supervisor) : supervisor_(supervisor) {}

    // From now on this plan holds.
    void take_plan(std::shared_ptr<const Plan> plan) { ordering_.take_plan(std::move(plan)); }

    // Before any of them is started. Who has processes from before goes on with them.
    void line_up_all();
    bool line_up(Service& service);  // true: nobody is to be there first
    // Something about it is new: those behind it, and in conflict with it, may go on.
    void move_up(const Service& service);

    // What it requires and wants is started with it; by hand also what was stopped or has
    // failed.
    void pull(Service& service, bool by_hand);
    // Those that are in conflict with it are stopped.
    void make_way(const Service& service);

    // By an order: its listeners are closed, and those that require it end before it does.
    void put_down(Service& service);
    // Those that require it come back when it does.
    void end_with_dependents(Service& service);
    void end_in_order(const std::vector<Service*>& services);
    // One of them has ended: the next may.
    void go_on_ending();

    // How long an end in order takes at most, if each takes as long as its stop_timeout.
    [[nodiscard]] Nanoseconds longest_end() const { return ordering_.longest_end(); }

private:
    [[nodiscard]] Standing standing_of(std::string_view name) const;

    Supervisor& supervisor_;
    Ordering ordering_;
    std::deque<std::uint32_t> moving_up_;  // services to be looked at, by index
    std::vector<std::string> ending_;      // that are to end after others
    bool is_moving_up_ = false, is_ending_ = false;
};

}  // namespace superd
