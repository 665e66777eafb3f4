// SPDX-License-Identifier: MIT
// max_age and max_requests: daemons and workers that have run or served as much as they may
// make room for a successor, one after the other.
#include <algorithm>

#include <fmt/format.h>

#include "base/units.h"
#include "engine/lives.h"

namespace superd {

namespace {

// Before one whose turn it is not yet is looked at again.
constexpr auto turn_pause = std::chrono::seconds(1);
// Before a generation that did not come up is tried again.
constexpr auto generation_pause = std::chrono::minutes(1);

bool has_served_enough(const Service& service, const Instance& instance) {
    const auto& most = service.plan->upkeep.max_requests;
    return most && instance.record->requests >= *most;
}

bool is_on_its_way(const Instance& instance) {
    return is_coming_up(instance.state) || is_going_down(instance.state);
}

}  // namespace

// Max: never. The age is that of its being ready, which a restart of superd does not touch.
Mono Lives::recycled_at(const Service& service, const Instance& instance) const {
    if (instance.state != LifeState::running) return Mono::max();
    const auto& age = service.plan->upkeep.max_age;
    Mono due = age ? instance.running_since + *age : Mono::max();
    if (has_served_enough(service, instance)) due = instance.running_since;
    return std::max(due, instance.recycled_after);
}

void Lives::recycle(Service& service, Instance& instance) {
    const bool others_change = std::any_of(service.instances.begin(), service.instances.end(),
            [&](const auto& other) { return is_on_its_way(*other); });
    if (others_change || service.record->rolling != 0) {
        instance.recycled_after = loop_.now() + turn_pause;
        return arm(service, instance);
    }
    const UpkeepPlan& upkeep = service.plan->upkeep;
    const std::string text =
            has_served_enough(service, instance)
                    ? fmt::format("max_requests {} is reached", *upkeep.max_requests)
                    : "max_age " + format_duration(upkeep.max_age.value_or(Nanoseconds{0})) +
                              " is reached";
    say(service, Level::info, text + ": it is replaced");
    if (host_.begin_generation(service)) {
        for (const auto& old : service.instances)
            old->recycled_after = loop_.now() + generation_pause;
        return arm(service, instance);
    }
    retire(service, instance, EndKind::recycled, text);
}

}  // namespace superd
