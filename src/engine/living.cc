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

// How long a life may stay in a state; max: for ever.
Nanoseconds bound_of(const ServicePlan& plan, LifeState state) {
    switch (life_bound(state)) {
        case LifeBound::stop:
        case LifeBound::abort: return plan.stop_timeout;
        case LifeBound::kill: return kill_bound;
        default: return Nanoseconds::max();  // a launch has a bound of its own (sys/spawner.h)
    }
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
    for (std::size_t i = 0; i < static_cast<std::size_t>(LifeEffect::count); ++i) {
        if (step.asks(static_cast<LifeEffect>(i)))
            perform(service, instance, static_cast<LifeEffect>(i));
    }
}

void Supervisor::enter(Service& service, Instance& instance, LifeState state) {
    instance.state = state;
    if (state == LifeState::running && instance.ready_at == Mono::max())
        instance.ready_at = loop_.now();
    if (instance.process != no_process)
        processes_.records().at(instance.process).life = static_cast<std::uint8_t>(state);
    service.record->rest =
            static_cast<std::uint8_t>(is_at_rest(state) ? state : LifeState::down);
    const Nanoseconds bound =
            state == LifeState::waiting ? instance.pause : bound_of(*service.plan, state);
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

// What follows at once is lived at once: such an effect is the last of its step.
void Supervisor::perform(Service& service, Instance& instance, LifeEffect effect) {
    switch (effect) {
        case LifeEffect::launch:
            instance.cause = EndKind::none;
            instance.cause_text.clear();
            instance.limit_reached = false;
            instance.ready_at = Mono::max();
            if (!start_process(service, instance))
                live(service, instance, LifeEvent::not_launched);
            break;
        case LifeEffect::await: live(service, instance, LifeEvent::ready); break;
        case LifeEffect::run_pre:
        case LifeEffect::run_post:
        case LifeEffect::run_stop:
        case LifeEffect::run_stop_post: live(service, instance, LifeEvent::command_ok); break;
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
        case LifeEffect::note_unkillable:
            outputs_.log().log(NoticeEvent{.level = Level::error,
                    .service = service.name(),
                    .text = "KILL did not end its process: it hangs in the kernel"});
            break;
        case LifeEffect::judge: live(service, instance, judge(service, instance)); break;
        default: break;  // notes are taken where their facts are (ending.cc)
    }
}

void Supervisor::tell(const Instance& instance, int signal) {
    if (instance.process != no_process) processes_.send_signal(instance.process, signal);
}

void Supervisor::note_cause(
        Service& service, Instance& instance, EndKind kind, std::string text) {
    if (instance.cause != EndKind::none) return;
    instance.cause = kind;
    instance.cause_text = std::move(text);
    if (kind != EndKind::clean && !service.stopping) service.last_failure = instance.cause_text;
}

// A worker that is not to be restarted by itself comes back with the next client. As long as
// another one serves, one that fell has a successor all the same.
LifeEvent Supervisor::judge(Service& service, Instance& instance) {
    const bool wanted = service.wants_listeners() && !service.stopping && !stopping_ &&
                        instance.number < wanted_instances(*service.plan);
    LifePlan plan = service.plan->life;
    const bool on_demand = service.plan->mode == Mode::worker && plan.restart == Restart::no;
    const bool replaced = on_demand && service.residents > 0;
    if (replaced) plan.restart = Restart::on_failure;
    RestartTally tally = tally_of(*service.record);
    const Nanoseconds up =
            instance.ready_at == Mono::max() ? Nanoseconds{0} : loop_.now() - instance.ready_at;
    Verdict verdict = judge_end(plan,
            {.kind = instance.cause,
                    .up = up,
                    .wanted = wanted,
                    .has_doors = !service.plan->listeners.empty(),
                    .chance = random_number()},
            tally, loop_.now());
    keep(*service.record, tally);
    if (replaced && verdict.event == LifeEvent::retry)
        verdict.pause = backoff_delay(tally.failures - 1);
    // Nobody knocks in vain: the next client starts it again.
    if (service.plan->mode == Mode::worker && verdict.event != LifeEvent::retry)
        return LifeEvent::rest;
    instance.limit_reached = verdict.limit_reached;
    if (verdict.limit_reached)
        outputs_.log().log(NoticeEvent{.level = Level::error,
                .service = service.name(),
                .text = fmt::format("{}; restart_limit {} is reached: {}", instance.cause_text,
                        format_frequency(*plan.restart_limit),
                        verdict.event == LifeEvent::give_up
                                ? "it is not started again"
                                : "it pauses for restart_delay_max")});
    instance.pause = verdict.pause;
    return verdict.event;
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
    instance.ready_at = from_nanoseconds(record.started);
    // What was between clone and exec then runs now; an end that was ordered goes on.
    const auto state = static_cast<LifeState>(record.life);
    enter(service, instance,
            state < LifeState::count && is_going_down(state) && has_process(state)
                    ? state
                    : LifeState::running);
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
