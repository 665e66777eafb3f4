// SPDX-License-Identifier: MIT
// Workers and daemons: started when somebody knocks or at the start, looked after when they go.
#include <algorithm>
#include <csignal>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "base/text.h"
#include "base/units.h"
#include "engine/supervisor.h"
#include "policy/listen_environment.h"
#include "sys/accept.h"
#include "sys/client_queue.h"
#include "sys/repair.h"

namespace superd {

namespace {

// A worker that goes this soon and leaves what had woken it has perhaps done nothing.
constexpr auto fruitful_life = std::chrono::seconds(1);

bool is_readable(int fd) {
    pollfd poll{fd, POLLIN, 0};
    return ::poll(&poll, 1, 0) == 1 && (poll.revents & POLLIN) != 0;
}

// The kernel may have been asked for one.
std::uint32_t port_of(const Listener& listener) {
    if (listener.plan.port != 0) return listener.plan.port;
    return local_endpoint(listener.fd.get()).port;
}

// Under other names of its listeners; with it lives all that lived with the first.
std::shared_ptr<const SpawnPlan> renamed(
        const std::shared_ptr<const SpawnPlan>& plan, std::string names) {
    using Both = std::pair<std::shared_ptr<const SpawnPlan>, std::shared_ptr<const SpawnPlan>>;
    const auto both = std::make_shared<Both>(plan, with_listen_names(*plan, std::move(names)));
    return {both, both->second.get()};
}

}  // namespace

void Supervisor::start_workers(Service& service) {
    const Mono now = loop_.now();
    const Decision decision = decide_start(facts_of(service, {}), book_of(service), now);
    if (const auto* wait = std::get_if<Wait>(&decision)) {
        const Mono until =
                wait->until == Mono::max() ? now + std::chrono::seconds(1) : wait->until;
        hold(service, wait->reason == Refusal::max_processes ? Hold::processes : Hold::rate,
                until);
        return;
    }
    if (std::holds_alternative<Refuse>(decision)) return;
    fill_pool(service);
}

// Before the first of them: what it finds.
void Supervisor::note_listeners(Service& service) {
    service.worker_started = loop_.now();
    // Which datagram this start is for: it is dropped when three of them leave it unread.
    for (Listener& listener : service.listeners) {
        if (listener.condition != Listener::Condition::open) continue;
        listener.unread.on_start(first_datagram(listener.fd.get()));
        listener.queued = client_queue_of(listener.fd.get());
    }
}

// One that waits for the end of its pause goes on waiting.
void Supervisor::fill_pool(Service& service) {
    std::optional<Mono> until;
    for (const auto& one : service.instances) {
        Instance& instance = *one;
        if (instance.leaves() || !instance.at_rest() || instance.state == LifeState::waiting)
            continue;
        lives_.live(service, instance, LifeEvent::start);
        if (instance.cause == EndKind::shortage)
            until = instance.state == LifeState::waiting
                            ? instance.deadline
                            : loop_.now() + std::chrono::seconds(1);
    }
    // Who knocks is not heard again before there may be room.
    if (until && service.residents == 0) hold(service, Hold::processes, *until);
}

bool Supervisor::start_program(Service& service, Instance& instance) {
    Launch launch;
    if (const auto equipped = lives_.equip(service, instance, launch); !equipped) {
        Lives::note_cause(service, instance, EndKind::shortage, equipped.error().text());
        return false;
    }
    const bool worker = service.plan->mode == Mode::worker;
    for (const Error& error : make_directories(*service.plan, options_.prefixes)) {
        outputs_.log().log(FailEvent{.service = service.name(),
                .stage = error.operation,
                .subject = error.subject,
                .error = error.code});
    }
    const auto index = take_resident(
            service, instance, worker ? ProcessKind::worker : ProcessKind::daemon);
    if (!index) {
        Lives::note_cause(
                service, instance, EndKind::shortage, "superd has no room for its process");
        return false;
    }
    instance.process = *index;
    launch.record = *index;
    launch.service = service.index;
    launch.plan = spawn_plan_of(service);
    std::vector<std::string> names;
    std::vector<GivenSocket> sockets;
    for (const Listener& listener : service.listeners) {
        if (listener.condition != Listener::Condition::open) continue;
        launch.listeners.push_back(listener.fd.get());
        names.push_back(listener.plan.name);
        sockets.push_back({&listener.plan, port_of(listener)});
    }
    append_starter_variables(launch.variables, service.plan->pool,
            {sockets, ::getpid(), service.record->generation});
    if (names.size() < service.listeners.size())
        launch.plan = renamed(launch.plan, join(names, ":"));
    launch.listeners_blocking = service.residents == 1;
    launch.standard_error = outputs_.descriptor_for(service, service.plan->exec.standard_error);
    launch.standard_output =
            outputs_.descriptor_for(service, service.plan->exec.standard_output);
    if (service.always_steps_in) step_in(launch, service.exec_spec);
    processes_.launch(std::move(launch));
    changed(service);
    return true;
}

// spec: as long-lived as the launch's plan.
void Supervisor::step_in(Launch& launch, int spec) {
    ProcessRecord& record = processes_.records().at(launch.record);
    record.flags = launch_steps_in;
    launch.step_in.wanted = true;
    launch.step_in.program = exec_program_.get();
    launch.step_in.spec = spec;
    launch.step_in.report = state_.header().report_fd[1];
    launch.step_in.connection = record.id;
}

// Its record, counted; nothing where there is no room.
std::optional<std::uint32_t> Supervisor::take_resident(
        Service& service, Instance& instance, ProcessKind kind) {
    const auto index = processes_.records().take();
    if (!index) return std::nullopt;
    const bool worker = service.plan->mode == Mode::worker;
    const bool first = service.residents == 0 && kind != ProcessKind::command;
    if (worker && first) note_listeners(service);
    ProcessRecord& record = processes_.records().at(*index);
    record.kind = kind;
    record.service = service.index;
    record.listener = instance.number;
    record.generation = static_cast<std::uint32_t>(state_.header().plan_sequence.load());
    record.started = to_nanoseconds(loop_.now());
    record.state.store(RecordState::accepted, std::memory_order_release);
    ++service.active;
    ++service.residents;
    ++service.launching;
    ++live_;
    if (worker) hold(service, Hold::worker);
    return index;
}

bool Supervisor::start_command(Service& service, Instance& instance, const Command& command,
        std::vector<std::string> variables) {
    return launch_command(
            service, instance, command, std::move(variables), instance.command, 0);
}

// As the program is launched, without its sockets.
bool Supervisor::launch_command(Service& service, Instance& instance, const Command& command,
        std::vector<std::string> variables, std::uint32_t& place, std::uint8_t flags) {
    for (const Error& error : make_directories(*service.plan, options_.prefixes)) {
        outputs_.log().log(FailEvent{.service = service.name(),
                .stage = error.operation,
                .subject = error.subject,
                .error = error.code});
    }
    const auto index = take_resident(service, instance, ProcessKind::command);
    if (!index) return false;
    place = *index;
    Launch launch;
    launch.record = *index;
    launch.service = service.index;
    launch.plan = with_command(spawn_plan_of(service), command);
    if (service.always_steps_in) {  // it is confined as the program is
        using Both = std::pair<std::shared_ptr<const SpawnPlan>, Fd>;
        const auto both = std::make_shared<Both>(
                launch.plan, write_exec_spec(*service.plan, *launch.plan));
        launch.plan = {both, both->first.get()};
        step_in(launch, both->second.get());
    }
    ProcessRecord& record = processes_.records().at(*index);
    record.flags = static_cast<std::uint8_t>(record.flags | flags);
    launch.variables = std::move(variables);
    launch.standard_error = outputs_.descriptor_for(service, service.plan->exec.standard_error);
    launch.standard_output =
            outputs_.descriptor_for(service, service.plan->exec.standard_output);
    processes_.launch(std::move(launch));
    changed(service);
    return true;
}

// When the first worker that waits starts again by itself. Where clients start them, none
// waits any more: there is nobody left to serve beside.
Mono Supervisor::next_restart(Service& service) {
    Mono next = Mono::max();
    for (const auto& instance : service.instances) {
        if (instance->state != LifeState::waiting) continue;
        if (service.plan->life.restart == Restart::no)
            lives_.live(service, *instance, LifeEvent::stop);
        else
            next = std::min(next, instance->deadline);
    }
    return next;
}

// The last worker has gone: its sockets are made fit to be watched again, and what it left
// unread decides how soon.
void Supervisor::on_workers_gone(Service& service) {
    const Mono now = loop_.now();
    const bool short_life = now - service.worker_started < fruitful_life;
    Nanoseconds pause{0};
    bool left_something = false;
    bool took_something = false;
    for (Listener& listener : service.listeners) {
        if (listener.condition != Listener::Condition::open) continue;
        auto repaired = repair_shared_listener(
                listener.fd.get(), listener.plan, listener.is_filtered());
        if (repaired) repaired->blocking = false;  // workers are given it so
        if (repaired && repaired->any()) {
            outputs_.log().log(NoticeEvent{.level = Level::warning,
                    .service = service.name(),
                    .text = fmt::format("its worker left {} changed: {}", listener.plan.address,
                            repaired->text())});
        }
        if (!repaired)
            outputs_.log().log(FailEvent{.service = service.name(),
                    .stage = repaired.error().operation,
                    .subject = listener.plan.address,
                    .error = repaired.error().code,
                    .detail = "what its worker left cannot be mended: opened anew"});
        if (!repaired || repaired->must_reopen) {
            doors_.close(listener, false);
            doors_.open(service, listener);
            continue;
        }
        const auto verdict = listener.unread.on_workers_gone(first_datagram(listener.fd.get()));
        if (verdict.drop && drop_first_datagram(listener.fd.get())) {
            ++service.record->dropped_datagrams;
            outputs_.log().log(NoticeEvent{.level = Level::warning,
                    .service = service.name(),
                    .text = fmt::format(
                            "a datagram at {} was left unread by {} starts: dropped",
                            listener.plan.address, unread_starts)});
        }
        pause = std::max(pause, verdict.pause);
        left_something = left_something || (is_connection_kind(listener.plan.kind) &&
                                                   is_readable(listener.fd.get()));
        took_something = took_something ||
                         !may_be_fruitless(listener.queued, client_queue_of(listener.fd.get()));
    }
    const bool fruitless = short_life && left_something && !took_something;
    service.fruitless = fruitless ? service.fruitless + 1 : 0;
    pause = std::max(pause, fruitless_delay(service.fruitless));
    service.record->pool = 0;  // the next client finds the least of them
    lives_.fit(service);
    const Mono next = next_restart(service);
    const Nanoseconds failing = std::exchange(service.retry_pause, Nanoseconds{0});
    service.holds.clear(Hold::worker);
    if (next != Mono::max())
        hold(service, Hold::backoff, next);
    else if (failing > Nanoseconds::zero())
        hold(service, Hold::backoff, now + std::max(failing, pause));
    else if (pause > Nanoseconds::zero())
        hold(service, Hold::unread, now + pause);
    else
        doors_.watch(service);
}

void Supervisor::start_processes(Service& service, bool by_hand) {
    if (service.residents > 0 || service.stopping || stopping_ ||
            service.order() == Order::pause ||
            (!service.wants_listeners() && service.plan->mode != Mode::daemon))
        return;
    if (!service.let_in) {
        // Who is let in comes back here.
        service.wish = std::max(service.wish, by_hand ? StartWish::by_hand : StartWish::boot);
        (void)lining_up_.line_up(service);
        return;
    }
    if (service.plan->mode == Mode::worker && service.has_open_listener())
        start_workers(service);
    if (service.plan->mode != Mode::daemon) return;
    for (const auto& instance : service.instances) {
        if (by_hand || instance->state == LifeState::down)
            lives_.live(service, *instance, LifeEvent::start);
    }
}

void Supervisor::start_at_boot(Service& service) {
    // One that is idle starts with its next client, whichever superd that comes to.
    if (service.record->idling == IdleNote::stopped) return;
    if (service.plan->enabled && service.plan->start == Start::boot)
        start_processes(service, false);
}

}  // namespace superd
