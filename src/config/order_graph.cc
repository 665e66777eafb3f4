// SPDX-License-Identifier: MIT
#include "config/order_graph.h"

#include <algorithm>
#include <queue>

namespace superd {

namespace {

void add(OrderGraph::Indices& into, OrderGraph::Index one) {
    if (std::find(into.begin(), into.end(), one) == into.end()) into.push_back(one);
}

}  // namespace

OrderGraph::OrderGraph(std::span<const std::shared_ptr<const ServicePlan>> services) {
    nodes_.resize(services.size());
    for (Index i = 0; i < nodes_.size(); ++i) {
        nodes_[i].plan = services[i].get();
        by_name_.emplace(services[i]->name, i);
    }
    for (Index i = 0; i < nodes_.size(); ++i) {
        const DependencyPlan& plan = nodes_[i].plan->dependencies;
        const auto each = [&](const std::vector<ServiceName>& names, auto&& take) {
            for (const ServiceName& one : names)
                if (const auto other = find(one.name)) take(*other);
        };
        const auto order = [&](Index other) {
            add(nodes_[i].before, other);
            add(nodes_[other].behind, i);
        };
        each(plan.after, order);
        each(plan.requires_, [&](Index other) {
            order(other);
            add(nodes_[i].required, other);
            add(nodes_[i].started, other);
            add(nodes_[other].required_by, i);
        });
        each(plan.wants, [&](Index other) { add(nodes_[i].started, other); });
        each(plan.conflicts, [&](Index other) {
            add(nodes_[i].conflicts, other);
            add(nodes_[other].conflicts, i);
        });
    }
}

std::optional<OrderGraph::Index> OrderGraph::find(std::string_view name) const {
    const auto known = by_name_.find(name);
    if (known == by_name_.end()) return std::nullopt;
    return known->second;
}

OrderGraph::Indices OrderGraph::closure(Index one, Indices Node::*edges) const {
    Indices found{one};
    std::vector<bool> seen(nodes_.size());
    seen[one] = true;
    for (std::size_t i = 0; i < found.size(); ++i) {
        for (const Index next : nodes_[found[i]].*edges) {
            if (seen[next]) continue;
            seen[next] = true;
            found.push_back(next);
        }
    }
    return found;
}

OrderGraph::Indices OrderGraph::started_with(Index one) const {
    return closure(one, &Node::started);
}

OrderGraph::Indices OrderGraph::stopped_with(Index one) const {
    return closure(one, &Node::required_by);
}

// Depth first without recursion: a chain may be as long as there are services.
OrderGraph::Indices OrderGraph::find_cycle() const {
    enum class Mark : std::uint8_t { fresh, on_path, done };

    struct Step {
        Index node;
        std::size_t next;
    };

    std::vector<Mark> marks(nodes_.size(), Mark::fresh);
    for (Index start = 0; start < nodes_.size(); ++start) {
        if (marks[start] != Mark::fresh) continue;
        std::vector<Step> path{{start, 0}};
        marks[start] = Mark::on_path;
        while (!path.empty()) {
            Step& step = path.back();
            const Indices& before = nodes_[step.node].before;
            if (step.next == before.size()) {
                marks[step.node] = Mark::done;
                path.pop_back();
                continue;
            }
            const Index other = before[step.next++];
            if (marks[other] == Mark::done) continue;
            if (marks[other] == Mark::fresh) {
                marks[other] = Mark::on_path;
                path.push_back({other, 0});
                continue;
            }
            Indices cycle;
            const auto first = std::find_if(path.begin(), path.end(),
                    [&](const Step& one) { return one.node == other; });
            for (auto it = first; it != path.end(); ++it)
                cycle.push_back(it->node);
            cycle.push_back(other);
            return cycle;
        }
    }
    return {};
}

OrderGraph::Indices OrderGraph::in_order() const {
    Indices order;
    std::vector<std::size_t> missing(nodes_.size());
    std::priority_queue<Index, Indices, std::greater<>> free;
    for (Index i = 0; i < nodes_.size(); ++i) {
        missing[i] = nodes_[i].before.size();
        if (missing[i] == 0) free.push(i);
    }
    while (!free.empty()) {
        const Index next = free.top();
        free.pop();
        order.push_back(next);
        for (const Index waiting : nodes_[next].behind)
            if (--missing[waiting] == 0) free.push(waiting);
    }
    return order;
}

}  // namespace superd
