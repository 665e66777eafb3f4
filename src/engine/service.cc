// SPDX-License-Identifier: MIT
#include "engine/service.h"

#include <algorithm>
#include <csignal>
#include <cstring>

#include <fmt/format.h>
#include <sys/wait.h>

#include "base/units.h"
#include "policy/calendar.h"
#include "policy/pool.h"

namespace superd {

std::size_t wanted_instances(const Service& service) {
    const ServicePlan& plan = *service.plan;
    if (plan.mode == Mode::worker)
        return pool_size(pool_bounds(plan.workers, plan.pool.most), service.record->pool);
    return plan.mode == Mode::daemon ? 1 : 0;
}

std::size_t staying_instances(const Service& service) {
    return static_cast<std::size_t>(std::count_if(service.instances.begin(),
            service.instances.end(), [](const auto& one) { return !one->leaves(); }));
}

std::string exit_text(int status) {
    if (status < 0) return "status unknown";
    if (WIFSIGNALED(status)) {
        const char* name = ::sigabbrev_np(WTERMSIG(status));
        return fmt::format("signal {}{}",
                name != nullptr ? name : std::to_string(WTERMSIG(status)),
                WCOREDUMP(status) ? " (core dumped)" : "");
    }
    return fmt::format("status {}", WEXITSTATUS(status));
}

std::string_view hold_text(Hold hold) {
    switch (hold) {
        case Hold::worker: return "its worker has the listeners";
        case Hold::connections:
            return "max_connections is reached; clients wait in the kernel's queue";
        case Hold::rate: return "rate is exceeded";
        case Hold::descriptors: return "superd is out of descriptors";
        case Hold::processes: return "[superd] max_processes is reached";
        case Hold::backoff: return "its worker keeps failing";
        case Hold::unread: return "its worker left unread what had woken it";
        case Hold::launches: return "too many of its processes are being started";
        case Hold::relay: return "no superd-relay takes connections now";
        case Hold::order: return "another service is to be there first";
        case Hold::count: break;
    }
    return "";
}

void Holds::set(Hold hold, Mono until) {
    bits_ |= bit(hold);
    until_[index(hold)] = until;
}

void Holds::clear(Hold hold) {
    bits_ &= ~bit(hold);
}

void Holds::expire(Mono now) {
    for (std::size_t i = 0; i < until_.size(); ++i) {
        if (until_[i] <= now) bits_ &= ~(1U << i);
    }
}

Mono Holds::next() const {
    Mono first = Mono::max();
    for (std::size_t i = 0; i < until_.size(); ++i) {
        if ((bits_ & (1U << i)) != 0) first = std::min(first, until_[i]);
    }
    return first;
}

bool Service::wants_listeners() const {
    if (removed || order() == Order::stop || order() == Order::drain) return false;
    return order() == Order::start || order() == Order::pause ||
           (plan->enabled && plan->start != Start::manual);
}

bool Service::has_open_listener() const {
    return std::any_of(listeners.begin(), listeners.end(), [](const Listener& listener) {
        return listener.condition == Listener::Condition::open;
    });
}

bool Service::has_waiting_listener() const {
    return std::any_of(listeners.begin(), listeners.end(), [](const Listener& listener) {
        return listener.condition == Listener::Condition::waiting;
    });
}

namespace {

std::string hold_detail(const Service& service, Hold hold, Mono now) {
    std::string text(hold_text(hold));
    const Mono until = service.holds.until(hold);
    if (until != Mono::max())
        text += fmt::format("; comes back in {}",
                approximate_duration(std::max(until - now, Nanoseconds{0})));
    return text;
}

// A held service that is not merely busy with its worker.
bool paused_by_itself(const Service& service, Mono now, StateView& view) {
    for (const Hold hold :
            {Hold::rate, Hold::descriptors, Hold::processes, Hold::connections, Hold::relay}) {
        if (!service.holds.has(hold)) continue;
        view = {ServiceState::paused, hold_detail(service, hold, now)};
        return true;
    }
    for (const Hold hold : {Hold::backoff, Hold::unread}) {
        if (!service.holds.has(hold)) continue;
        view = {ServiceState::backoff, hold_detail(service, hold, now)};
        return true;
    }
    return false;
}

std::string first_waiting(const Service& service) {
    for (const Listener& listener : service.listeners) {
        if (listener.condition == Listener::Condition::waiting)
            return listener.plan.address + ": " + listener.detail;
    }
    return {};
}

bool any_instance(const Service& service, LifeState state) {
    return std::any_of(service.instances.begin(), service.instances.end(),
            [&](const auto& instance) { return instance->state == state; });
}

// The last STATUS of those that run.
std::string_view said(const Service& service) {
    for (const auto& instance : service.instances)
        if (has_process(instance->state) && instance->record->status[0] != '\0')
            return instance->record->status;
    return {};
}

std::string saying(const Service& service) {
    const std::string_view text = said(service);
    return text.empty() ? std::string() : fmt::format("; it says: {}", text);
}

// What a program that runs already is waited for.
std::string waits_for(const ServicePlan& plan) {
    const ReadyPlan& ready = plan.life.ready;
    switch (ready.kind) {
        case ReadyKind::exec: break;
        case ReadyKind::notify: return "it has not said READY=1 yet";
        case ReadyKind::fd:
            return fmt::format("it has not written a newline to descriptor {} yet", ready.fd);
        case ReadyKind::listen:
            return ready.address.empty() ? "it does not listen yet"
                                         : ready.address + " takes no connections yet";
        case ReadyKind::exit: return "it has not run its course yet";
    }
    return "its process is being started";
}

// How far a new generation has come.
std::string rolling_text(const Service& service) {
    std::size_t fresh = 0;
    for (const auto& instance : service.instances)
        if (instance->record->generation == service.record->generation &&
                is_up(instance->state))
            ++fresh;
    return fmt::format(
            "a new generation comes up: {} of {} ready", fresh, wanted_instances(service));
}

// Since when nobody has needed its workers, as far as idle_stop asks.
std::string idle_text(const Service& service, Mono now) {
    if (!service.idle_trouble.empty()) return service.idle_trouble;
    const auto& bound = service.plan->upkeep.idle_stop;
    if (!bound || service.idle_since == Mono::max()) return {};
    const Nanoseconds idle = std::max(now - service.idle_since, Nanoseconds{0});
    return fmt::format(
            "idle for {} of {}", approximate_duration(idle), format_duration(*bound));
}

bool is_out(const Service& service) {
    return std::any_of(service.instances.begin(), service.instances.end(),
            [](const auto& instance) { return instance->taken_out; });
}

// The first failed check of those that run.
std::string health_text(const Service& service) {
    for (const auto& instance : service.instances)
        if (instance->taken_out) return "taken out: " + instance->health;
    return {};
}

std::string running_text(const Service& service, Mono now) {
    if (is_out(service)) return health_text(service);
    std::string text(said(service));
    const std::string idle = idle_text(service, now);
    return text + (text.empty() || idle.empty() ? "" : "; ") + idle;
}

// A worker that waits for its next client, and why it does not run.
std::string rest_text(const Service& service) {
    if (service.has_waiting_listener()) return first_waiting(service);
    const auto& bound = service.plan->upkeep.idle_stop;
    if (service.record->idling != IdleNote::stopped || !bound) return {};
    return fmt::format(
            "stopped: idle for {}; the next connection starts it", format_duration(*bound));
}

StateView view_of_processes(const Service& service, Mono now) {
    if (takes_connections(service.plan->mode))
        return {ServiceState::running,
                fmt::format("{} connection{}", service.active, service.active == 1 ? "" : "s")};
    if (service.record->rolling != 0) return {ServiceState::reloading, rolling_text(service)};
    if (any_instance(service, LifeState::preparing))
        return {ServiceState::starting, "exec_pre runs"};
    if (any_instance(service, LifeState::launching))
        return {ServiceState::starting, "its process is being started"};
    if (any_instance(service, LifeState::starting))
        return {ServiceState::starting, waits_for(*service.plan) + saying(service)};
    if (any_instance(service, LifeState::settling))
        return {ServiceState::starting, "exec_post runs" + saying(service)};
    if (any_instance(service, LifeState::reloading))
        return {ServiceState::reloading, std::string(said(service))};
    if (any_instance(service, LifeState::running))
        return {ServiceState::running, running_text(service, now)};
    if (any_instance(service, LifeState::halting))
        return {ServiceState::stopping, "exec_stop runs"};
    if (any_instance(service, LifeState::cleaning))
        return {ServiceState::stopping, "exec_stop_post runs"};
    return {ServiceState::stopping, "its process is ending"};
}

// When a service by the clock comes next.
std::string next_run_text(const Service& service, Mono now) {
    const std::int64_t due = service.record->timer_due;
    if (due == 0) return {};
    if (!service.plan->timer.every) return "next run " + format_moment(Wall(Nanoseconds(due)));
    return "next run in " +
           approximate_duration(std::max(Mono(Nanoseconds(due)) - now, Nanoseconds{0}));
}

// What a daemon that does not run waits for, or why it does not.
bool view_of_rest(const Service& service, Mono now, StateView& view) {
    for (const auto& instance : service.instances) {
        const std::string& cause = instance->cause_text;
        if (instance->state == LifeState::waiting) {
            view = {ServiceState::backoff,
                    fmt::format("{}; starts again in {}", cause,
                            approximate_duration(
                                    std::max(instance->deadline - now, Nanoseconds{0})))};
            return true;
        }
        if (instance->state == LifeState::failed) {
            view = {ServiceState::failed,
                    instance->limit_reached ? cause + "; restart_limit is reached" : cause};
            if (service.plan->timer.any()) view.detail += "; " + next_run_text(service, now);
            return true;
        }
        if (service.plan->timer.any() && service.wants_listeners()) {
            view = {ServiceState::waiting, next_run_text(service, now)};
            return true;
        }
        if (instance->state == LifeState::done && service.listeners.empty()) {
            view = {ServiceState::stopped, cause};
            return true;
        }
    }
    return false;
}

}  // namespace

StateView view_of(const Service& service, Mono now) {
    if (service.ends_later)
        return {ServiceState::stopping, "those that start after it end first"};
    if (service.stopping)
        return {ServiceState::stopping, fmt::format("{} left to end", service.active)};
    if (!service.plan->enabled && service.order() == Order::none) {
        if (service.active == 0) return {ServiceState::disabled, "enabled = false"};
        return {ServiceState::draining,
                fmt::format("enabled = false; {} left", service.active)};
    }
    switch (service.order()) {
        case Order::stop: return {ServiceState::stopped, "stopped by hand"};
        case Order::pause: return {ServiceState::paused, "paused by hand"};
        case Order::drain:
            if (service.active == 0) return {ServiceState::stopped, "drained by hand"};
            return {ServiceState::draining, fmt::format("{} left", service.active)};
        case Order::none:
        case Order::start: break;
    }
    if (service.removed) return {ServiceState::draining, "no longer in the configuration"};
    if (!service.waits_for.empty() && service.active == 0)
        return {service.waits_hard ? ServiceState::waiting : ServiceState::starting,
                service.waits_for};
    StateView held;
    if (paused_by_itself(service, now, held)) return held;
    // Connections of a time when it was a handler do not make a worker run.
    const bool runs =
            takes_connections(service.plan->mode) ? service.active > 0 : service.residents > 0;
    if (runs) return view_of_processes(service, now);
    if (view_of_rest(service, now, held)) return held;
    if (service.plan->tcpmux != Tcpmux::no && service.listeners.empty() &&
            service.wants_listeners())
        return {ServiceState::listening, "through tcpmux"};
    if (service.has_open_listener()) return {ServiceState::listening, rest_text(service)};
    if (service.has_waiting_listener()) return {ServiceState::waiting, first_waiting(service)};
    return {ServiceState::stopped,
            service.plan->start == Start::manual ? "start = \"manual\"" : ""};
}

Readiness readiness_of(const Service& service) {
    if (!service.wants_listeners() || service.stopping) return Readiness::idle;
    const ServicePlan& plan = *service.plan;
    const bool by_client =
            plan.mode == Mode::worker &&
            (plan.start == Start::demand || service.record->idling == IdleNote::stopped);
    if (takes_connections(plan.mode) || by_client) {
        const bool open =
                plan.listeners.empty() || (!is_out(service) && service.has_open_listener() &&
                                                  !service.has_waiting_listener());
        return open ? Readiness::ready : Readiness::coming;
    }
    const bool ends = plan.life.ready.kind == ReadyKind::exit;
    Readiness worst = Readiness::ready;
    const bool rolls = service.record->rolling != 0;
    if (rolls && any_instance(service, LifeState::running)) return Readiness::ready;
    for (const auto& instance : service.instances) {
        const LifeState state = instance->state;
        if (instance->leaves()) continue;
        if (state == LifeState::failed) return Readiness::failed;
        if (instance->taken_out) {
            worst = Readiness::coming;
            continue;
        }
        if (is_up(state) || (ends && state == LifeState::done)) continue;
        const bool idle = state == LifeState::down || state == LifeState::done;
        if (!idle)
            worst = Readiness::coming;
        else if (worst == Readiness::ready)
            worst = Readiness::idle;
    }
    return worst;
}

}  // namespace superd
