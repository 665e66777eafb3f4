// SPDX-License-Identifier: MIT
// One generation of a service's processes follows another (policy/rolling.h decides how).
//
// What is under way stands in the service's record, and what has come of it in those of its
// lives, so the next superd goes on with it. Steps are taken at the end of a turn of the loop,
// when nobody is in the middle of a change of the service any more.
#include "policy/rolling.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/supervisor.h"

namespace superd {

namespace {

std::vector<RollPlace> roll_places(const Service& service) {
    std::vector<RollPlace> places;
    places.reserve(service.instances.size());
    for (const auto& instance : service.instances)
        places.push_back({instance->record->generation, instance->state, instance->leaves()});
    return places;
}

std::size_t old_ones(const Service& service) {
    return static_cast<std::size_t>(std::count_if(
            service.instances.begin(), service.instances.end(), [&](const auto& one) {
                return !one->leaves() && one->record->generation != service.record->generation;
            }));
}

}  // namespace

// False: it has to be ended and started as ever.
bool Supervisor::begin_roll(Service& service) {
    const bool can = service.plan->pool.overlap && service.residents > 0 && !service.stopping &&
                     !service.removed && !stopping_ && service.wants_listeners() &&
                     !service.has_waiting_listener() && staying_instances(service) > 0;
    if (!can) return false;
    ++service.record->generation;
    service.record->rolling = 1;
    service.reload_failure.clear();
    outputs_.log().log(NoticeEvent{.service = service.name(),
            .text = fmt::format("generation {} is started beside the one before",
                    service.record->generation)});
    roll_on(service);
    changed(service);
    return true;
}

void Supervisor::roll_on(const Service& service) {
    if (service.record->rolling != 0) rolling_.push_back(service.index);
}

void Supervisor::take_rolls() {
    while (!rolling_.empty()) {
        const std::uint32_t index = rolling_.back();
        rolling_.pop_back();
        if (index < by_index_.size() && by_index_[index] != nullptr)
            take_roll(*by_index_[index]);
    }
}

void Supervisor::take_roll(Service& service) {
    if (service.record->rolling == 0 || stopping_ || handing_over_) return;
    const RollStep step = decide_roll(
            roll_places(service), wanted_instances(service), service.record->generation);
    switch (step.action) {
        case RollAction::wait: return;
        case RollAction::start:
            lives_.live(service, lives_.add_place(service), LifeEvent::start);
            break;
        case RollAction::retire: lives_.let_go(service, *service.instances[step.place]); break;
        case RollAction::done:
            end_roll(service);
            outputs_.log().log(NoticeEvent{.service = service.name(),
                    .text = fmt::format(
                            "generation {} has taken over", service.record->generation)});
            break;
        case RollAction::give_up: give_up_roll(service, *service.instances[step.place]); break;
    }
    lives_.drop_extra(service);
    changed(service);
}

// What serves goes on, of whichever generation it is.
void Supervisor::give_up_roll(Service& service, Instance& fallen) {
    service.reload_failure =
            fmt::format("generation {} did not come up: {}; {} of {} of the one before go on",
                    service.record->generation,
                    fallen.cause_text.empty() ? "it is told to end" : fallen.cause_text,
                    old_ones(service), wanted_instances(service));
    outputs_.log().log(NoticeEvent{
            .level = Level::error, .service = service.name(), .text = service.reload_failure});
    if (staying_instances(service) > wanted_instances(service)) lives_.let_go(service, fallen);
    end_roll(service);
}

void Supervisor::end_roll(Service& service) {
    service.record->rolling = 0;
    lives_.fit(service);
}

// Its processes are to be others: beside those that there are, or after them.
void Supervisor::renew_processes(Service& service) {
    if (begin_roll(service)) return;
    service.again = true;
    end_processes(service);
}

}  // namespace superd
