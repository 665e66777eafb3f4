// SPDX-License-Identifier: MIT
#include "engine/lining_up.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "engine/supervisor.h"

namespace superd {

namespace {

bool any_is(const Service& service, LifeState state) {
    return std::any_of(service.instances.begin(), service.instances.end(),
            [state](const auto& one) { return one->state == state; });
}

// One that has ended well was there, and need not be for ever.
Standing standing_of_residents(const Service& service) {
    if (any_is(service, LifeState::waiting) || any_is(service, LifeState::failed))
        return any_is(service, LifeState::running) ? Standing::there : Standing::failing;
    const bool daemon = service.plan->mode == Mode::daemon;
    switch (readiness_of(service)) {
        case Readiness::ready: return Standing::there;
        case Readiness::failed: return Standing::failing;
        case Readiness::coming:
            return service.has_waiting_listener() ? Standing::failing : Standing::coming;
        case Readiness::idle: break;
    }
    if (daemon) return any_is(service, LifeState::done) ? Standing::there : Standing::coming;
    const bool first = service.plan->start == Start::boot && service.worker_started == Mono{};
    return first ? Standing::coming : Standing::there;
}

}  // namespace

// What runs by the clock is as good as there: nobody waits for the next one.
Standing LiningUp::standing_of(std::string_view name) const {
    const Service* service = supervisor_.find(name);
    if (service == nullptr) return Standing::coming;  // it is about to be added
    if (service->stopping || service->ends_later) return Standing::ending;
    if (!service->wants_listeners()) return Standing::away;
    if (service->plan->timer.any()) return Standing::there;
    if (!service->let_in) return service->waits_hard ? Standing::stuck : Standing::coming;
    if (!takes_connections(service->plan->mode)) return standing_of_residents(*service);
    return service->has_waiting_listener() ? Standing::failing : Standing::there;
}

bool LiningUp::line_up(Service& service) {
    if (service.let_in) return true;
    if (!service.wants_listeners()) {
        service.waits_for.clear();
        service.holds.clear(Hold::order);
        return false;
    }
    const auto look = [this](std::string_view name) {
        return standing_of(name);
    };
    const auto obstacle =
            ordering_.trivial() ? std::nullopt : ordering_.obstacle_of(service.name(), look);
    if (obstacle) {
        service.waits_hard = obstacle->hard;
        const bool news = service.waits_for != obstacle->text();
        service.waits_for = obstacle->text();
        if (!service.listeners.empty() && !service.holds.has(Hold::order)) {
            service.holds.set(Hold::order);
            supervisor_.doors_.watch(service);
        }
        if (news) supervisor_.changed(service);
        return false;
    }
    service.let_in = true;
    service.waits_hard = false;
    service.waits_for.clear();
    if (service.holds.has(Hold::order)) supervisor_.release(service, Hold::order);
    const StartWish wish = std::exchange(service.wish, StartWish::none);
    if (wish != StartWish::none)
        supervisor_.start_processes(service, wish == StartWish::by_hand);
    if (!ordering_.trivial()) supervisor_.changed(service);
    return true;
}

void LiningUp::line_up_all() {
    if (ordering_.trivial()) {
        for (auto& [name, service] : supervisor_.services_)
            if (!service->waits_for.empty()) (void)line_up(*service);
        return;
    }
    for (auto& [name, service] : supervisor_.services_)
        if (service->wants_listeners()) pull(*service, false);
    for (const std::string_view name : ordering_.in_order()) {
        Service* service = supervisor_.find(name);
        if (service == nullptr) continue;
        if (!service->wants_listeners())
            service->let_in = false;
        else if (service->active > 0 && !service->stopping && !service->ends_later)
            service->let_in = true;
        // One that was started by hand, and that a superd before this one had waiting.
        const bool by_hand = service->plan->mode == Mode::daemon &&
                             service->order() == Order::start && !service->plan->timer.any();
        if (by_hand && !service->let_in) service->wish = StartWish::boot;
        (void)line_up(*service);
    }
}

// A chain is walked one by one, however long it is.
void LiningUp::move_up(const Service& service) {
    if (ordering_.trivial() || supervisor_.stopping_) return;
    for (const auto& names :
            {ordering_.behind(service.name()), ordering_.conflicts(service.name())})
        for (const std::string_view name : names) {
            Service* other = supervisor_.find(name);
            if (other != nullptr && !other->let_in && other->wants_listeners())
                moving_up_.push_back(other->index);
        }
    if (std::exchange(is_moving_up_, true)) return;
    while (!moving_up_.empty()) {
        const std::uint32_t index = moving_up_.front();
        moving_up_.pop_front();
        if (supervisor_.by_index_[index] != nullptr)
            (void)line_up(*supervisor_.by_index_[index]);
    }
    is_moving_up_ = false;
}

void LiningUp::pull(Service& service, bool by_hand) {
    if (ordering_.trivial()) return;
    for (const std::string_view name : ordering_.started_with(service.name())) {
        Service* other = supervisor_.find(name);
        if (other == nullptr || other == &service || other->removed) continue;
        if (!other->plan->enabled || other->plan->timer.any()) continue;
        const bool wanted = other->wants_listeners();
        if (!by_hand && (wanted || other->order() != Order::none)) continue;
        if (!wanted) {
            other->set_order(other->plan->start == Start::manual ? Order::start : Order::none);
            supervisor_.outputs_.log().log(NoticeEvent{
                    .service = other->name(), .text = "is started for " + service.name()});
        }
        supervisor_.activate(*other);
        const bool on_demand =
                takes_connections(other->plan->mode) ||
                (other->plan->mode == Mode::worker && other->plan->start == Start::demand);
        if (!on_demand) supervisor_.start_processes(*other, by_hand);
    }
}

void LiningUp::make_way(const Service& service) {
    for (const std::string_view name : ordering_.conflicts(service.name())) {
        Service* other = supervisor_.find(name);
        if (other == nullptr || !other->wants_listeners()) continue;
        supervisor_.outputs_.log().log(NoticeEvent{.service = other->name(),
                .text = "is stopped: it is in conflict with " + service.name()});
        put_down(*other);
    }
}

void LiningUp::put_down(Service& service) {
    service.set_order(Order::stop);
    service.again = false;
    service.wish = StartWish::none;
    service.let_in = false;
    service.waits_for.clear();
    supervisor_.doors_.close_all(service, true);
    end_with_dependents(service);
    if (service.active == 0) remove_credentials(service.name(), supervisor_.options_.prefixes);
    supervisor_.changed(service);
}

void LiningUp::end_with_dependents(Service& service) {
    std::vector<Service*> all{&service};
    for (const std::string_view name : ordering_.stopped_with(service.name())) {
        Service* other = supervisor_.find(name);
        if (other == nullptr || !other->let_in) continue;
        other->let_in = false;
        const bool by_itself =
                !takes_connections(other->plan->mode) && !other->plan->timer.any() &&
                (other->plan->mode == Mode::daemon || other->plan->start == Start::boot);
        if (by_itself) other->wish = StartWish::boot;
        all.push_back(other);
    }
    end_in_order(all);
}

void LiningUp::end_in_order(const std::vector<Service*>& services) {
    for (Service* service : services) {
        if (service->ends_later) continue;
        service->ends_later = true;
        ending_.push_back(service->name());
    }
    go_on_ending();
}

void LiningUp::go_on_ending() {
    if (std::exchange(is_ending_, true)) return;
    for (bool any = true; any && !ending_.empty();) {
        any = false;
        const Ordering::Names left(ending_.begin(), ending_.end());
        const auto free = ordering_.may_end(left, [this](std::string_view name) {
            const Service* service = supervisor_.find(name);
            return service == nullptr || !service->stopping;
        });
        // Names of the plan's, or of ending_ itself, which changes now.
        const std::set<std::string> next(free.begin(), free.end());
        std::erase_if(ending_, [&](const std::string& name) { return next.contains(name); });
        for (const std::string& name : next) {
            Service* service = supervisor_.find(name);
            if (service == nullptr) continue;
            any = true;
            service->ends_later = false;
            supervisor_.end_processes(*service);
            if (!supervisor_.stopping_) {
                (void)line_up(*service);
                supervisor_.changed(*service);
            }
        }
    }
    is_ending_ = false;
}

}  // namespace superd
