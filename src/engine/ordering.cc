// SPDX-License-Identifier: MIT
#include "engine/ordering.h"

#include <algorithm>

namespace superd {

namespace {

std::string_view which(Standing standing) {
    switch (standing) {
        case Standing::away: return ", which is stopped";
        case Standing::failing: return ", which has failed";
        case Standing::stuck: return ", which itself waits";
        case Standing::ending: return " to end";
        case Standing::coming:
        case Standing::there: break;
    }
    return {};
}

}  // namespace

std::string Obstacle::text() const {
    return "waits for " + name + std::string(which(standing));
}

void Ordering::take_plan(std::shared_ptr<const Plan> plan) {
    plan_ = std::move(plan);
    trivial_ = std::none_of(plan_->services.begin(), plan_->services.end(),
            [](const auto& service) { return service->dependencies.any(); });
    graph_ = trivial_ ? OrderGraph() : OrderGraph(plan_->services);
}

std::optional<Obstacle> Ordering::obstacle_of(std::string_view name, const Look& look) const {
    const auto self = graph_.find(name);
    if (!self) return std::nullopt;
    std::optional<Obstacle> first;
    for (const auto one : graph_.before(*self)) {
        const Standing standing = look(graph_.name(one));
        const auto& required = graph_.required(*self);
        const bool needed = std::find(required.begin(), required.end(), one) != required.end();
        const bool on_its_way = standing == Standing::coming || standing == Standing::ending;
        if (standing == Standing::there || (!needed && !on_its_way)) continue;
        Obstacle obstacle{std::string(graph_.name(one)), standing, !on_its_way};
        if (obstacle.hard) return obstacle;
        if (!first) first = std::move(obstacle);
    }
    for (const auto one : graph_.conflicts(*self)) {
        if (!first && look(graph_.name(one)) == Standing::ending)
            first = Obstacle{std::string(graph_.name(one)), Standing::ending, false};
    }
    return first;
}

Ordering::Names Ordering::names_of(const OrderGraph::Indices& indices) const {
    Names names;
    names.reserve(indices.size());
    for (const auto one : indices)
        names.push_back(graph_.name(one));
    return names;
}

Ordering::Names Ordering::behind(std::string_view name) const {
    const auto self = graph_.find(name);
    return self ? names_of(graph_.behind(*self)) : Names{};
}

Ordering::Names Ordering::started_with(std::string_view name) const {
    const auto self = graph_.find(name);
    if (!self) return {name};
    auto all = graph_.started_with(*self);
    std::reverse(all.begin(), all.end());
    return names_of(all);
}

Ordering::Names Ordering::stopped_with(std::string_view name) const {
    const auto self = graph_.find(name);
    if (!self) return {};
    auto all = graph_.stopped_with(*self);
    all.erase(all.begin());
    return names_of(all);
}

Ordering::Names Ordering::conflicts(std::string_view name) const {
    const auto self = graph_.find(name);
    return self ? names_of(graph_.conflicts(*self)) : Names{};
}

Ordering::Names Ordering::in_order() const {
    return names_of(graph_.in_order());
}

// Who stands between may have nothing to end: then it is gone, and those behind it count.
Ordering::Names Ordering::may_end(const Names& left, const IsGone& is_gone) const {
    std::vector<bool> is_left(graph_.size());
    for (const std::string_view name : left)
        if (const auto one = graph_.find(name)) is_left[*one] = true;
    // Who has somebody behind him, near or far, that is left or still there.
    std::vector<bool> waited_for(graph_.size());
    auto order = graph_.in_order();
    std::reverse(order.begin(), order.end());
    for (const auto one : order) {
        const bool here = is_left[one] || !is_gone(graph_.name(one));
        if (!here && !waited_for[one]) continue;
        for (const auto before : graph_.before(one))
            waited_for[before] = true;
    }
    Names free;
    for (const std::string_view name : left) {
        const auto one = graph_.find(name);
        if (!one || !waited_for[*one]) free.push_back(name);
    }
    return free;
}

Nanoseconds Ordering::longest_end() const {
    Nanoseconds longest{0};
    std::vector<Nanoseconds> until(graph_.size(), Nanoseconds{0});
    auto order = graph_.in_order();
    std::reverse(order.begin(), order.end());
    for (const auto one : order) {
        const ServicePlan& plan = *plan_->services[one];
        const int commands = (plan.life.exec_stop.empty() ? 0 : 1) +
                             (plan.life.exec_stop_post.empty() ? 0 : 1);
        until[one] += (1 + commands) * plan.stop_timeout;
        longest = std::max(longest, until[one]);
        for (const auto before : graph_.before(one))
            until[before] = std::max(until[before], until[one]);
    }
    return longest;
}

}  // namespace superd
