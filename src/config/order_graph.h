// SPDX-License-Identifier: MIT
// Who starts after whom, and who comes and goes with whom: after, requires, wants and conflicts
// of all services taken together. Pure; indices are places in the list it was made from.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/plan.h"

namespace superd {

class OrderGraph {
public:
    using Index = std::uint32_t;
    using Indices = std::vector<Index>;

    OrderGraph() = default;
    // Names that no service has are left out. The plans must outlive the graph.
    explicit OrderGraph(std::span<const std::shared_ptr<const ServicePlan>> services);

    [[nodiscard]] std::size_t size() const { return nodes_.size(); }

    [[nodiscard]] std::string_view name(Index one) const { return nodes_[one].plan->name; }

    [[nodiscard]] std::optional<Index> find(std::string_view name) const;

    // Whom `one` waits for: its after and requires.
    [[nodiscard]] const Indices& before(Index one) const { return nodes_[one].before; }

    // Who waits for `one`.
    [[nodiscard]] const Indices& behind(Index one) const { return nodes_[one].behind; }

    [[nodiscard]] const Indices& required(Index one) const { return nodes_[one].required; }

    // In conflict with `one`, whichever of the two says so.
    [[nodiscard]] const Indices& conflicts(Index one) const { return nodes_[one].conflicts; }

    // `one` and all that are started with it: what it requires and wants, and so on.
    [[nodiscard]] Indices started_with(Index one) const;
    // `one` and all that are stopped with it: who requires it, and so on.
    [[nodiscard]] Indices stopped_with(Index one) const;

    // A way from a service through those it waits for back to itself, which is first and last.
    // Empty: there is none.
    [[nodiscard]] Indices find_cycle() const;
    // Everybody after those it waits for; by name where it does not matter. Only without
    // cycles.
    [[nodiscard]] Indices in_order() const;

private:
    struct Node {
        const ServicePlan* plan = nullptr;
        Indices before, behind, required, required_by, started, conflicts;
    };

    [[nodiscard]] Indices closure(Index one, Indices Node::*edges) const;

    std::vector<Node> nodes_;
    std::unordered_map<std::string_view, Index> by_name_;
};

}  // namespace superd
