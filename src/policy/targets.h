// SPDX-License-Identifier: MIT
// Where a redirect may go: its targets with the addresses that their names have now, which of
// them is tried next, and which have failed lately. Pure: look-ups and connections are others'.
//
// A target that failed is left out for some seconds, longer with each failure in a row; then
// one connection tries it again, and the others go on without it until that one is through.
// When all are left out they are tried all the same, in order: a pause never makes a client
// fail.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/plan.h"

namespace superd {

struct Target {
    std::uint8_t number = 0;     // never 0; another target's only when this one has gone
    TargetPlan plan;             // with its address
    std::uint32_t failures = 0;  // in a row
    Mono failed_at{}, left_out_until{};
};

class Targets {
public:
    // Of a new plan. What is known of addresses and targets that stay is kept.
    void take_plan(const std::vector<TargetPlan>& plan);
    // What the name's addresses are now, in the order to try them. False: what they were.
    bool take_addresses(const std::string& host, std::span<const IpAddress> addresses);

    // Names that need to be looked up.
    [[nodiscard]] std::vector<std::string> names() const;

    // No target has an address.
    [[nodiscard]] bool empty() const { return targets_.empty(); }

    [[nodiscard]] const std::vector<Target>& all() const { return targets_; }

    // The next to try; null: none is left. tried: numbers of those that this connection has
    // tried in vain. One whose pause has ended is given to one connection, and left out again.
    [[nodiscard]] const Target* choose(std::span<const std::uint8_t> tried, Mono now);
    // Null: it has gone.
    [[nodiscard]] const Target* find(std::uint8_t number) const;
    // For how long it is left out.
    Nanoseconds on_failure(std::uint8_t number, Mono now);
    void on_success(std::uint8_t number);

private:
    void rebuild();
    void add(TargetPlan plan, const std::vector<Target>& before);
    [[nodiscard]] std::uint8_t free_number(const std::vector<Target>& before);
    [[nodiscard]] Target* get(std::uint8_t number);

    std::vector<TargetPlan> plan_;
    std::map<std::string, std::vector<IpAddress>> addresses_;
    std::vector<Target> targets_;
    std::uint8_t last_number_ = 0;
};

}  // namespace superd
