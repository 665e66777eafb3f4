// SPDX-License-Identifier: MIT
// Checks of after, requires, wants and conflicts over all services: unknown names, cycles and
// what cannot both be.
#include <algorithm>

#include "base/text.h"
#include "config/order_graph.h"
#include "config/resolve.h"

namespace superd {

namespace {

using Services = std::vector<std::shared_ptr<const ServicePlan>>;

Place place_of(const Origin& origin) {
    return {origin.file, origin.line, origin.column};
}

class DependencyCheck {
public:
    DependencyCheck(const Services& services, Report& report)
            : services_(services), report_(report), graph_(services) {}

    void check() {
        for (const auto& service : services_) {
            const DependencyPlan& plan = service->dependencies;
            for (const auto* names :
                    {&plan.after, &plan.requires_, &plan.wants, &plan.conflicts})
                for (const ServiceName& one : *names)
                    if (!graph_.find(one.name)) report_unknown(one);
            check_conflicts_of(*service);
        }
        report_cycle();
    }

private:
    void report_unknown(const ServiceName& one) {
        std::vector<std::string_view> names;
        for (const auto& service : services_)
            names.push_back(service->name);
        const std::string_view near = nearest(one.name, names);
        report_.error(place_of(one.origin), "there is no service " + quoted(one.name),
                near.empty() ? "" : "did you mean " + quoted(near) + "?");
    }

    [[nodiscard]] static bool comes_at_boot(const ServicePlan& plan) {
        return plan.enabled && plan.start != Start::manual && !plan.timer.any();
    }

    // What would stop one of two that are both asked for.
    void check_conflicts_of(const ServicePlan& plan) {
        const auto self = graph_.find(plan.name);
        for (const ServiceName& one : plan.dependencies.conflicts) {
            const auto other = graph_.find(one.name);
            if (!self || !other) continue;
            const OrderGraph::Indices with = graph_.started_with(*self);
            if (std::find(with.begin(), with.end(), *other) != with.end())
                report_.error(place_of(one.origin),
                        plan.name + " starts " + one.name + " and is in conflict with it",
                        "leave it out here, or in requires and wants");
            else if (comes_at_boot(plan) && comes_at_boot(*services_[*other]))
                report_.error(place_of(one.origin),
                        plan.name + " and " + one.name +
                                " are in conflict, and both start with superd",
                        R"(write start = "manual" in one of them)");
        }
    }

    void report_cycle() {
        const OrderGraph::Indices cycle = graph_.find_cycle();
        if (cycle.empty()) return;
        std::string path;
        for (const OrderGraph::Index one : cycle)
            path += (path.empty() ? "" : " -> ") + std::string(graph_.name(one));
        report_.error(place_of(origin_of(*services_[cycle[0]], graph_.name(cycle[1]))),
                "each of these starts after the next one: " + path,
                "take one out of after or requires");
    }

    [[nodiscard]] static Origin origin_of(const ServicePlan& plan, std::string_view name) {
        for (const auto* names : {&plan.dependencies.after, &plan.dependencies.requires_})
            for (const ServiceName& one : *names)
                if (one.name == name) return one.origin;
        return plan.origin;
    }

    const Services& services_;
    Report& report_;
    const OrderGraph graph_;
};

}  // namespace

void check_dependencies(const Services& services, Report& report) {
    const bool any = std::any_of(services.begin(), services.end(),
            [](const auto& service) { return service->dependencies.any(); });
    if (any) DependencyCheck(services, report).check();
}

}  // namespace superd
