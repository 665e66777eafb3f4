// SPDX-License-Identifier: MIT
// Daemons and workers, each through its life: what policy/life.h asks for is done here.
#include <algorithm>
#include <csignal>

#include <fmt/format.h>
#include <sys/random.h>

#include "base/units.h"
#include "engine/supervisor.h"

namespace superd {

namespace {

// How long a KILL may take before it is said that it does not help.
constexpr auto kill_bound = std::chrono::seconds(5);

std::uint32_t random_number() {
    std::uint32_t number = 0;
    if (::getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number) return 1U << 31;
    return number;
}

// How long a life may stay in its state; max: for ever.
Nanoseconds bound_of(const ServicePlan& plan, const Instance& instance) {
    switch (life_bound(instance.state)) {
        case LifeBound::pause: return instance.pause;
        case LifeBound::stop: return plan.stop_timeout;
        case LifeBound::kill: return kill_bound;
        case LifeBound::none: break;
    }
    return Nanoseconds::max();
}

RestartTally tally_of(const ServiceRecord& record) {
    return {record.failures, record.restarts_in_window, record.restart_window};
}

void keep(ServiceRecord& record, const RestartTally& tally) {
    record.failures = tally.failures;
    record.restarts_in_window = tally.in_window;
    record.restart_window = tally.window_at;
}

}  // namespace

// As many places as the plan asks for; one too many goes when its process has.
void Supervisor::fit_instances(Service& service) {
    const std::size_t wanted = wanted_instances(*service.plan);
    while (service.instances.size() < wanted) {
        service.instances.push_back(std::make_unique<Instance>());
        service.instances.back()->number =
                static_cast<std::uint32_t>(service.instances.size() - 1);
    }
    for (std::size_t i = wanted; i < service.instances.size(); ++i)
        live(service, *service.instances[i], LifeEvent::stop);
    drop_extra_instances(service);
}

void Supervisor::drop_extra_instances(Service& service) {
    const std::size_t wanted = wanted_instances(*service.plan);
    while (service.instances.size() > wanted && service.instances.back()->at_rest())
        service.instances.pop_back();
}

Instance* Supervisor::instance_of(Service& service, std::uint32_t process) {
    const std::uint32_t number = processes_.records().at(process).listener;
    if (number >= service.instances.size()) return nullptr;
    Instance& instance = *service.instances[number];
    return instance.process == process ? &instance : nullptr;
}

void Supervisor::live(Service& service, Instance& instance, LifeEvent event) {
    if (stopping_ && instance.at_rest()) return;  // nothing is begun any more
    const LifeStep step = life_step(instance.state, event);
    if (!step.known) return;
    enter(service, instance, step.next);
    switch (step.effect) {
        case LifeEffect::none: break;
        case LifeEffect::launch: begin(service, instance); break;
        case LifeEffect::send_term:
            tell(instance, SIGTERM);
            tell(instance, SIGCONT);  // a stopped process sees it
            break;
        case LifeEffect::send_kill:
            outputs_.log().log(NoticeEvent{.level = Level::warning,
                    .service = service.name(),
                    .text = "1 process still there after stop_timeout: KILL"});
            tell(instance, SIGKILL);
            break;
        case LifeEffect::say_unkillable:
            outputs_.log().log(NoticeEvent{.level = Level::error,
                    .service = service.name(),
                    .text = "KILL did not end its process: it hangs in the kernel"});
            break;
        case LifeEffect::judge: live(service, instance, judge(service, instance)); break;
        case LifeEffect::count: break;
    }
}

void Supervisor::begin(Service& service, Instance& instance) {
    instance.cause = EndKind::none;
    instance.cause_text.clear();
    instance.running_since = Mono::max();
    if (!start_process(service, instance)) live(service, instance, LifeEvent::not_launched);
}

void Supervisor::enter(Service& service, Instance& instance, LifeState state) {
    instance.state = state;
    if (state == LifeState::running && instance.running_since == Mono::max())
        instance.running_since = loop_.now();
    if (instance.process != no_process)
        processes_.records().at(instance.process).life = static_cast<std::uint8_t>(state);
    service.record->rest =
            static_cast<std::uint8_t>(is_at_rest(state) ? state : LifeState::down);
    const Nanoseconds bound = bound_of(*service.plan, instance);
    set_deadline(
            service, instance, bound == Nanoseconds::max() ? Mono::max() : loop_.now() + bound);
}

void Supervisor::set_deadline(Service& service, Instance& instance, Mono deadline) {
    instance.deadline = deadline;
    if (deadline == Mono::max()) {
        if (instance.timer) instance.timer->stop();
        return;
    }
    if (!instance.timer)
        instance.timer = std::make_unique<Timer>(loop_, [this, &service, &instance] {
            instance.deadline = Mono::max();
            live(service, instance, LifeEvent::due);
            changed(service);
        });
    instance.timer->start(std::max(deadline - loop_.now(), Nanoseconds{0}));
}

void Supervisor::tell(const Instance& instance, int signal) {
    if (instance.process != no_process) processes_.send_signal(instance.process, signal);
}

void Supervisor::note_cause(
        Service& service, Instance& instance, EndKind kind, std::string text) {
    instance.cause = kind;
    instance.cause_text = std::move(text);
    if (kind != EndKind::clean && !service.stopping) service.last_failure = instance.cause_text;
}

// A worker with restart = "no" is started again by the next client, after the pause that its
// failures ask for; as long as another one serves, one that fell has a successor all the same.
LifeEvent Supervisor::judge(Service& service, Instance& instance) {
    const bool worker = service.plan->mode == Mode::worker;
    LifePlan plan = service.plan->life;
    const bool on_demand = worker && plan.restart == Restart::no;
    if (on_demand) plan.restart = Restart::on_failure;
    RestartTally tally = tally_of(*service.record);
    const bool ran = instance.running_since != Mono::max();
    const Verdict verdict = judge_end(plan,
            {.kind = instance.cause,
                    .up = ran ? loop_.now() - instance.running_since : Nanoseconds{0},
                    .wanted = service.wants_listeners() && !service.stopping && !stopping_ &&
                              instance.number < wanted_instances(*service.plan),
                    .has_doors = !service.plan->listeners.empty(),
                    .chance = random_number()},
            tally, loop_.now());
    keep(*service.record, tally);
    const bool gives_up = verdict.event == LifeEvent::give_up;
    if (verdict.limit_reached && (gives_up || !instance.limit_reached))
        outputs_.log().log(NoticeEvent{.level = Level::error,
                .service = service.name(),
                .text = fmt::format("{}; restart_limit {} is reached: {}", instance.cause_text,
                        format_frequency(*plan.restart_limit),
                        gives_up ? "it is not started again"
                                 : "it pauses for restart_delay_max")});
    instance.limit_reached = verdict.limit_reached;
    instance.pause = verdict.pause;
    const bool by_client = on_demand && service.residents == 0;
    service.retry_pause = by_client ? verdict.pause : Nanoseconds{0};
    const bool retries = verdict.event == LifeEvent::retry && !by_client;
    return worker && !retries ? LifeEvent::rest : verdict.event;
}

// A process that a former superd started takes its place again.
void Supervisor::adopt_instance(Service& service, std::uint32_t process) {
    ProcessRecord& record = processes_.records().at(process);
    const bool free = record.listener < service.instances.size() &&
                      service.instances[record.listener]->process == no_process;
    if (!free) {  // the plan has fewer places by now: it goes as one too many
        service.instances.push_back(std::make_unique<Instance>());
        record.listener = static_cast<std::uint32_t>(service.instances.size() - 1);
        service.instances.back()->number = record.listener;
    }
    Instance& instance = *service.instances[record.listener];
    instance.process = process;
    instance.running_since = from_nanoseconds(record.started);
    // What was between clone and exec then runs now; an end that was ordered goes on.
    const auto state = static_cast<LifeState>(record.life);
    enter(service, instance, is_going_down(state) ? state : LifeState::running);
    if (record.listener >= wanted_instances(*service.plan))
        live(service, instance, LifeEvent::stop);
}

// Places without a process: what had failed or was done stays so, what waited waits anew.
void Supervisor::adopt_rest(Service& service) {
    const auto rest = static_cast<LifeState>(service.record->rest);
    for (std::size_t i = 0; i < wanted_instances(*service.plan); ++i) {
        Instance& instance = *service.instances[i];
        if (instance.process != no_process || service.plan->mode != Mode::daemon) continue;
        if (rest != LifeState::waiting && rest != LifeState::failed && rest != LifeState::done)
            continue;
        instance.cause_text = service.record->exited > 0
                                      ? "it ended: " + exit_text(service.record->last_status)
                                      : "it could not be started";
        instance.pause =
                restart_pause(service.plan->life, service.record->failures, random_number());
        enter(service, instance, rest);
    }
}

}  // namespace superd
