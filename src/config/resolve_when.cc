// SPDX-License-Identifier: MIT
// every and at, after and its like: when a service starts.
#include <algorithm>

#include "config/resolve.h"

namespace superd {

namespace {

class WhenResolver {
public:
    WhenResolver(ResolveContext& context, const ServiceInput& input, ServicePlan& plan)
            : context_(context), layers_(input.layers), plan_(plan) {}

    void resolve_timer() {
        TimerPlan& timer = plan_.timer;
        timer.every = duration_of(context_, layers_, "every");
        if (const auto list = fold_list(layers_, "at", context_.report))
            for (const Item& item : list->items)
                if (auto rule = context_.values.calendar(*item.node))
                    timer.at.push_back(std::move(*rule));
        timer.jitter = duration_of(context_, layers_, "jitter").value_or(timer.jitter);
        if (const auto word = choice_of(context_, layers_, "missed"))
            timer.missed = static_cast<Missed>(*word);
        check_timer();
    }

    void resolve_dependencies() {
        DependencyPlan& names = plan_.dependencies;
        take_names("after", names.after);
        take_names("requires", names.requires_);
        take_names("wants", names.wants);
        take_names("conflicts", names.conflicts);
    }

private:
    void check_timer() {
        const Written *every = layers_.last("every"), *at = layers_.last("at");
        if (every != nullptr && at != nullptr)
            context_.report.error(every->at, "every and at exclude each other",
                    "leave one of them out, or write two services");
        if (every != nullptr || at != nullptr) return check_missed();
        for (const char* key : {"jitter", "missed"})
            if (const Written* written = layers_.last(key))
                context_.report.error(written->at,
                        std::string(key) + " means nothing without at or every",
                        "leave it out");
    }

    // What is counted from the last run misses nothing.
    void check_missed() {
        const Written* missed = layers_.last("missed");
        if (missed != nullptr && layers_.last("at") == nullptr)
            context_.report.error(missed->at,
                    "missed is for at; every counts from the last run", "leave it out");
    }

    void take_names(std::string_view key, std::vector<ServiceName>& into) {
        const auto list = fold_list(layers_, key, context_.report);
        if (!list) return;
        for (const Item& item : list->items) {
            const std::string* name = context_.values.text(*item.node, key);
            if (name == nullptr) continue;
            if (*name != plan_.copy.of && context_.copies.contains(*name)) {
                take_copies(*name, *item.node, into);
                continue;
            }
            const bool known = std::any_of(into.begin(), into.end(),
                    [&](const ServiceName& other) { return other.name == *name; });
            if (*name == plan_.name || *name == plan_.copy.of)
                context_.report.error(item.node->at,
                        plan_.name + " cannot be in its own " + std::string(key),
                        "leave it out");
            else if (!known)
                into.push_back({*name, Values::origin(item.node->at)});
        }
    }

    // A service with replicas stands for all of them.
    void take_copies(
            const std::string& name, const Node& node, std::vector<ServiceName>& into) const {
        for (const std::string& copy : context_.copies.find(name)->second.names)
            into.push_back({name + "@" + copy, Values::origin(node.at)});
    }

    ResolveContext& context_;
    const Layers& layers_;
    ServicePlan& plan_;
};

}  // namespace

void resolve_timer(ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    if (plan.mode == Mode::daemon) WhenResolver(context, input, plan).resolve_timer();
}

void resolve_dependencies(
        ResolveContext& context, const ServiceInput& input, ServicePlan& plan) {
    WhenResolver(context, input, plan).resolve_dependencies();
}

}  // namespace superd
