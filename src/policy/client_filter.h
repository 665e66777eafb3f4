// SPDX-License-Identifier: MIT
// allow and deny of a worker, flattened for the kernel: blocks of which the longest that
// contains an address decides. The same decision as AccessIndex::decide() makes for a handler.
//
// Every address is a place in the IPv6 space, IPv4 as mapped. Both ::/0 and the mapped
// addresses have an entry always, so that there is a verdict for everybody and an IPv6 block
// that reaches around the mapped addresses does not mean IPv4.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"
#include "config/plan.h"

namespace superd {

enum class FilterVerdict : std::uint32_t { allow, denied, not_allowed };

struct FilterEntry {
    Network block;
    FilterVerdict verdict = FilterVerdict::allow;

    bool operator==(const FilterEntry&) const = default;
};

// What the kernel is to enforce for a service; empty where there is nothing: not a worker, no
// rules. Sorted, each block once. A rule that the kernel cannot decide (a user, a name, a
// network that is not there) denies everybody; the checker has refused it before.
[[nodiscard]] std::vector<FilterEntry> make_filter_entries(
        const ServicePlan& service, std::span<const NetworkPlan> networks);

// The list with blocks that are kept out whatever it says, for parts of them too. Where it is
// empty everybody else is let in.
[[nodiscard]] std::vector<FilterEntry> keep_out(
        std::vector<FilterEntry> entries, std::span<const Network> blocks);
// True where one of the blocks contains this one. blocks: sorted, of few lengths.
[[nodiscard]] bool lies_in(const Network& block, std::span<const Network> blocks);

// A number that stands for the list, other for every other list with near certainty; its
// highest bit is set, which no number of the kernel's has.
[[nodiscard]] std::uint32_t filter_mark(std::span<const FilterEntry> entries);

// Entries that let everybody in: for a filter that can no longer be taken off.
[[nodiscard]] std::vector<FilterEntry> open_filter_entries();

}  // namespace superd
