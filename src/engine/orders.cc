// SPDX-License-Identifier: MIT
// What an administrator orders: start, stop, pause, drain, kill, wait.
#include <algorithm>
#include <csignal>

#include <fmt/format.h>

#include "engine/supervisor.h"

namespace superd {

namespace {

constexpr int code_failed = 1;
constexpr std::string_view superd_stops = "superd is stopping";
constexpr int code_not_running = 3;
constexpr int code_no_such_service = 4;

Outcome no_such(std::string_view name) {
    return {code_no_such_service,
            fmt::format("no service \"{}\"; superctl list shows them", name)};
}

// What lets a service run: an order of its own only where the file alone does not.
Order order_to_run(const ServicePlan& plan) {
    return plan.enabled && plan.start != Start::manual ? Order::none : Order::start;
}

bool is_settled(const ServiceStatus& status) {
    return status.state != ServiceState::stopping && status.state != ServiceState::starting;
}

}  // namespace

void Supervisor::start(std::string_view name, Reply reply) {
    Service* service = find(name);
    if (service == nullptr || service->removed) return reply(no_such(name));
    if (stopping_) return reply({code_failed, std::string(superd_stops)});
    service->set_order(order_to_run(*service->plan));
    service->fruitless = 0;
    service->record->failures = 0;
    service->record->restart_window = 0;
    service->holds.clear(Hold::backoff);
    service->holds.clear(Hold::unread);
    lining_up_.pull(*service, true);
    lining_up_.make_way(*service);
    activate(*service);
    (void)lining_up_.line_up(*service);
    const bool on_demand =
            service->plan->mode == Mode::worker && service->plan->start == Start::demand;
    // What is still ending after a stop gets a successor.
    service->again = service->stopping && !on_demand;
    if (!on_demand) start_processes(*service, true);
    changed(*service);
    wait_for_start(name, std::move(reply));
}

void Supervisor::wait_for_start(std::string_view name, Reply reply) {
    const std::string text(name);
    wait(name, is_settled, [this, text, reply](const Outcome& outcome) {
        const Service* settled = find(text);
        if (settled != nullptr && !settled->waits_for.empty())
            return reply({code_failed, settled->waits_for + "; superctl why " + text});
        if (settled == nullptr || !settled->listeners.empty()) return reply(outcome);
        const StateView view = view_of(*settled, loop_.now());
        if (view.state != ServiceState::failed && view.state != ServiceState::backoff)
            return reply(outcome);
        reply({code_failed, view.detail + "; superctl why " + text});
    });
}

void Supervisor::stop(std::string_view name, Reply reply) {
    Service* service = find(name);
    if (service == nullptr) return reply(no_such(name));
    lining_up_.put_down(*service);
    wait(name, is_settled, std::move(reply));
}

// Its processes read their configuration again, each by itself.
void Supervisor::reload(std::string_view name, Reply reply) {
    Service* service = find(name);
    if (service == nullptr) return reply(no_such(name));
    if (!service->plan->life.reload.known()) {
        if (begin_roll(*service)) return wait_for_reload(name, std::move(reply));
        if (!service->plan->pool.overlap)
            return reply({code_failed,
                    fmt::format("{} has no reload; superctl restart {}", name, name)});
    }
    unsigned told = 0;
    service->reload_failure.clear();
    for (const auto& instance : service->instances) {
        if (!is_up(instance->state)) continue;
        lives_.live(*service, *instance, LifeEvent::reload);
        ++told;
    }
    if (told == 0)
        return reply({code_not_running,
                fmt::format("{} does not run; superctl why {}", name, name)});
    changed(*service);
    wait_for_reload(name, std::move(reply));
}

// Replies with its failure where it failed.
void Supervisor::wait_for_reload(std::string_view name, Reply reply) {
    const std::string text(name);
    const auto done = [](const ServiceStatus& status) {
        return status.state != ServiceState::reloading;
    };
    wait(name, done, [this, text, reply = std::move(reply)](const Outcome& outcome) {
        const Service* reloaded = find(text);
        if (outcome.code != 0 || reloaded == nullptr || reloaded->reload_failure.empty())
            return reply(outcome);
        reply({code_failed, reloaded->reload_failure});
    });
}

// The listeners stay open: clients of the moment between wait in the kernel's queue.
void Supervisor::restart(std::string_view name, Reply reply) {
    Service* service = find(name);
    if (service == nullptr || service->removed) return reply(no_such(name));
    if (stopping_) return reply({code_failed, std::string(superd_stops)});
    if (service->active == 0) return start(name, std::move(reply));
    if (!service->wants_listeners()) service->set_order(order_to_run(*service->plan));
    if (begin_roll(*service)) return wait_for_reload(name, std::move(reply));
    service->again = true;
    lining_up_.end_with_dependents(*service);
    activate(*service);
    wait_for_start(name, std::move(reply));
}

void Supervisor::pause(std::string_view name, Reply reply) {
    Service* service = find(name);
    if (service == nullptr) return reply(no_such(name));
    if (service->plan->listeners.empty() && !service->plan->timer.any())
        return reply({code_failed,
                fmt::format("{} has no listener that could be paused; superctl stop {}", name,
                        name)});
    if (!service->wants_listeners())
        return reply({code_not_running,
                fmt::format("{} is stopped; superctl start {}", name, name)});
    service->set_order(Order::pause);
    doors_.watch(*service);
    changed(*service);
    reply({});
}

void Supervisor::resume(std::string_view name, Reply reply) {
    Service* service = find(name);
    if (service == nullptr) return reply(no_such(name));
    if (service->order() != Order::pause)
        return reply(
                {code_failed, fmt::format("{} is not paused; superctl why {}", name, name)});
    service->set_order(order_to_run(*service->plan));
    doors_.watch(*service);
    start_at_boot(*service);
    changed(*service);
    reply({});
}

// Connections finish; a worker, which has the listener itself, is asked to end by TERM and
// never killed.
void Supervisor::drain(std::string_view name, Reply reply) {
    Service* service = find(name);
    if (service == nullptr) return reply(no_such(name));
    service->set_order(Order::drain);
    service->again = false;
    service->record->rolling = 0;
    doors_.close_all(*service, true);
    if (!takes_connections(service->plan->mode)) signal_all(*service, SIGTERM);
    changed(*service);
    wait(
            name,
            [](const ServiceStatus& status) { return status.state != ServiceState::draining; },
            std::move(reply));
}

void Supervisor::kill(
        std::string_view name, int signal, std::uint64_t connection, Reply reply) {
    Service* service = find(name);
    if (service == nullptr) return reply(no_such(name));
    unsigned told = 0;
    processes_.records().for_each([&](std::uint32_t index, const ProcessRecord& record) {
        if (record.service != service->index || is_own_program(record.kind) ||
                record.kind == ProcessKind::warm)
            return;
        if ((record.flags & record_held) != 0) return;  // there is no process yet
        if (connection != 0 && record.id != connection) return;
        if (signal_one(index, signal)) ++told;
    });
    if (told == 0) {
        return reply({code_not_running,
                connection != 0
                        ? fmt::format("{} has no connection {:x}; superctl connections {}",
                                  name, connection, name)
                        : fmt::format("{} has no process", name)});
    }
    reply({0, fmt::format("{} process{} told", told, told == 1 ? "" : "es")});
}

void Supervisor::kill_whom(std::string_view name, KillWhom whom, int signal, Reply reply) {
    Service* service = find(name);
    if (service == nullptr) return reply(no_such(name));
    unsigned told = 0;
    for (const auto& instance : service->instances)
        told += lives_.kill(*service, *instance, whom, signal);
    processes_.records().for_each([&](std::uint32_t index, const ProcessRecord& record) {
        if (record.service != service->index || is_own_program(record.kind)) return;
        if (is_resident(record.kind) || whom == KillWhom::control) return;
        if ((record.flags & record_held) == 0 && signal_one(index, signal)) ++told;
    });
    if (told == 0)
        return reply({code_not_running, fmt::format("{} has no {}process", name,
                                                whom == KillWhom::control ? "control "
                                                : whom == KillWhom::main  ? "main "
                                                                          : "")});
    reply({0, fmt::format("{} process{} told", told, told == 1 ? "" : "es")});
}

std::uint64_t Supervisor::wait(
        std::string_view name, std::function<bool(const ServiceStatus&)> test, Reply reply) {
    const Service* service = find(name);
    if (service == nullptr) {
        reply(no_such(name));
        return 0;
    }
    if (test(status_of(*service))) {
        reply({});
        return 0;
    }
    return waiters_.add(std::string(name), std::move(test), std::move(reply));
}

void Supervisor::forget_wait(std::uint64_t token) {
    waiters_.forget(token);
}

}  // namespace superd
