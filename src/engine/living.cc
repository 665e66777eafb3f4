// SPDX-License-Identifier: MIT
// Daemons and workers, each through its life: what policy/life.h asks for is done here.
#include <algorithm>
#include <csignal>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/random.h>

#include "base/units.h"
#include "engine/lives.h"
#include "policy/rate.h"

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
Nanoseconds bound_of(const ServicePlan& plan, const Instance& instance, Mono now) {
    switch (life_bound(instance.state)) {
        case LifeBound::pause: return instance.pause;
        case LifeBound::start:
            if (instance.record->start_by == 0) break;
            return std::max(from_nanoseconds(instance.record->start_by) - now, Nanoseconds{0});
        case LifeBound::reload: return plan.life.reload_timeout;
        case LifeBound::stop: return plan.stop_timeout;
        case LifeBound::abort: return plan.life.abort_timeout;
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

// By itself: what it has stored is kept for that. Where somebody may knock there is no end.
bool may_start_again(const Service& service, LifeState state) {
    return state == LifeState::waiting || service.again ||
           (service.plan->mode == Mode::worker && service.wants_listeners() &&
                   !service.removed);
}

// What a start has not come to.
std::string_view lacks(LifeState state) {
    if (state == LifeState::preparing) return "exec_pre has not ended";
    return state == LifeState::settling ? "exec_post has not ended" : "not ready";
}

// 0 stands for none in a record.
std::int64_t kept(Mono time) {
    return time == Mono::max() ? 0 : to_nanoseconds(time);
}

Mono from_kept(std::int64_t time) {
    return time == 0 ? Mono::max() : from_nanoseconds(time);
}

}  // namespace

Lives::Lives(Loop& loop, const State& state, Processes& processes, EventSink& log,
        LifeHost& host, std::string notify_directory)
        : loop_(loop),
          processes_(processes),
          log_(log),
          host_(host),
          notify_directory_(std::move(notify_directory)),
          records_(state),
          groups_(state),
          store_(loop, state, processes.spawner()) {}

std::unique_ptr<Instance> Lives::make_instance(const Service& service, std::uint32_t number) {
    auto instance = std::make_unique<Instance>();
    instance->number = number;
    instance->record = records_.find_or_make(service.index, number);
    if (instance->record != nullptr) return instance;
    instance->own = std::make_unique<LifeRecord>();
    instance->record = instance->own.get();
    instance->record->service = service.index;
    instance->record->notify_fd = instance->record->ready_fd = -1;
    return instance;
}

void Lives::fit(Service& service) {
    while (staying_instances(service) < wanted_instances(service))
        add_place(service);
    trim(service);
    // What they are allowed may be different now.
    for (const auto& instance : service.instances)
        if (is_up(instance->state)) arm(service, *instance);
    drop_extra(service);
}

// What a former superd has written down of places comes first.
Instance& Lives::add_place(Service& service) {
    auto number = records_.left_of(service.index);
    for (std::uint32_t next = 0; !number; ++next)
        if (find(service, next) == nullptr) number = next;
    service.instances.push_back(make_instance(service, *number));
    return *service.instances.back();
}

// While one generation follows another there may be one more than there are to be.
void Lives::trim(Service& service) {
    const std::size_t most = wanted_instances(service) + (service.record->rolling != 0 ? 1 : 0);
    for (const bool rests : {true, false})
        for (std::size_t i = service.instances.size(); i-- > 0;) {
            if (staying_instances(service) <= most) return;
            Instance& instance = *service.instances[i];
            if (!instance.leaves() && (!rests || instance.at_rest())) let_go(service, instance);
        }
}

void Lives::let_go(Service& service, Instance& instance) {
    instance.record->leaves = 1;
    live(service, instance, LifeEvent::stop);
}

void Lives::drop_extra(Service& service) {
    std::erase_if(service.instances, [this](const auto& instance) {
        if (!instance->leaves() || !instance->at_rest()) return false;
        drop(*instance);
        return true;
    });
}

// Before it goes.
void Lives::drop(Instance& instance) {
    instance.contact.reset();
    store_.drop({instance.record->service, instance.number});
    if (instance.own == nullptr) records_.remove(*instance.record);
}

void Lives::forget(Service& service) {
    for (const auto& instance : service.instances)
        drop(*instance);
    service.instances.clear();
}

Instance* Lives::find(const Service& service, std::uint32_t number) {
    const auto known = std::find_if(service.instances.begin(), service.instances.end(),
            [number](const auto& one) { return one->number == number; });
    return known == service.instances.end() ? nullptr : known->get();
}

Instance* Lives::instance_of(Service& service, std::uint32_t process) const {
    Instance* const instance = find(service, processes_.records().at(process).listener);
    if (instance == nullptr) return nullptr;
    const bool own = instance->process == process || instance->command == process;
    return own ? instance : nullptr;
}

void Lives::live(Service& service, Instance& instance, LifeEvent event) {
    if (host_.ends() && instance.at_rest()) return;  // nothing is begun any more
    const LifeStep step = life_step(instance.state, event);
    if (!step.known) return;
    enter(service, instance, step.next);
    switch (step.effect) {
        case LifeEffect::none: break;
        case LifeEffect::launch:
            if (!host_.start_program(service, instance))
                live(service, instance, LifeEvent::not_launched);
            break;
        case LifeEffect::run: run(service, instance); break;
        case LifeEffect::say_reload_failed:
            drop_command(instance);
            if (service.reload_failure.empty())
                service.reload_failure = "reload: not complete within reload_timeout " +
                                         format_duration(service.plan->life.reload_timeout);
            say(service, Level::error, service.reload_failure);
            break;
        case LifeEffect::await: await(service, instance); break;
        case LifeEffect::send_term:
            send(service, instance, SIGTERM);
            send(service, instance, SIGCONT);  // a stopped process sees it
            break;
        case LifeEffect::send_abort:
            say(service, Level::error, instance.cause_text + ": ABRT");
            send_abort(instance);
            break;
        case LifeEffect::send_kill:
            say(service, Level::warning,
                    fmt::format("1 process still there after {}_timeout: KILL",
                            instance.cause == EndKind::watchdog ? "abort" : "stop"));
            end_all(service, instance);
            if (instance.command != no_process)
                processes_.send_signal(instance.command, SIGKILL);
            break;
        case LifeEffect::say_unkillable:
            say(service, Level::error, "KILL did not end its process: it hangs in the kernel");
            break;
        case LifeEffect::judge: live(service, instance, judge(service, instance)); break;
        case LifeEffect::count: break;
    }
}

void Lives::stop_all(Service& service) {
    for (const auto& instance : service.instances) {
        live(service, *instance, LifeEvent::stop);
        drop_stored(service, *instance);
    }
}

// Once nothing comes of it any more by itself.
void Lives::drop_stored(const Service& service, const Instance& instance) {
    if (instance.at_rest() && !may_start_again(service, instance.state))
        store_.drop(place_of(service, instance));
}

void Lives::retire(Service& service, Instance& instance, EndKind kind, std::string text) {
    if (!is_up(instance.state)) return;
    note_cause(service, instance, kind, std::move(text));
    live(service, instance, LifeEvent::stop);
}

// A new life.
void Lives::clear(Instance& instance) {
    LifeRecord& record = *instance.record;
    instance.cause = EndKind::none;
    instance.cause_text.clear();
    instance.running_since = Mono::max();
    instance.unheeded_said = instance.recycled_after = {};
    record.requests = 0;
    record.cause = 0;
    record.cause_text[0] = record.status[0] = '\0';
    record.running_since = record.expires = record.heard = record.watchdog = 0;
    record.reload_at = 0;
    record.reload_heard = record.reload_done = 0;
    record.said_error = 0;
    record.last_status = -1;
    record.unheeded = 0;
}

void Lives::enter(Service& service, Instance& instance, LifeState state) {
    LifeRecord& record = *instance.record;
    // A start that goes on in another of its states has no new deadline; nor has its end.
    const bool goes_on = instance.state == state && instance.deadline != Mono::max();
    if (state == LifeState::preparing && instance.state != state) {
        clear(instance);
        record.generation = service.record->generation;
        const auto& bound = service.plan->life.start_timeout;
        record.start_by = bound ? to_nanoseconds(loop_.now() + *bound) : 0;
    }
    instance.state = state;
    record.state = static_cast<std::uint8_t>(state);
    if (state == LifeState::running && instance.running_since == Mono::max()) {
        instance.running_since = loop_.now();
        record.running_since = kept(instance.running_since);
        start_watch(service, instance);
    }
    if (!has_process(state) && instance.contact) instance.contact->hush();
    drop_stored(service, instance);
    if (goes_on) return;
    const Nanoseconds bound = bound_of(*service.plan, instance, loop_.now());
    set_deadline(
            service, instance, bound == Nanoseconds::max() ? Mono::max() : loop_.now() + bound);
}

// The program with all that came of it, and the command beside it.
void Lives::send(const Service& service, const Instance& instance, int signal) const {
    if (instance.process != no_process)
        groups_.signal(service.name(), processes_.records().at(instance.process), signal);
    if (instance.command != no_process) processes_.send_signal(instance.command, signal);
}

unsigned Lives::kill(
        const Service& service, const Instance& instance, KillWhom whom, int signal) const {
    unsigned told = 0;
    if (instance.process != no_process && whom == KillWhom::main)
        told += processes_.send_signal(instance.process, signal) ? 1U : 0U;
    if (instance.process != no_process && whom == KillWhom::all)
        told += groups_.signal(
                service.name(), processes_.records().at(instance.process), signal);
    if (instance.command != no_process && whom != KillWhom::main)
        told += processes_.send_signal(instance.command, signal) ? 1U : 0U;
    return told;
}

// ABRT asks for the program's core.
void Lives::send_abort(const Instance& instance) {
    if (instance.process != no_process) processes_.send_signal(instance.process, SIGABRT);
    if (instance.command != no_process) processes_.send_signal(instance.command, SIGTERM);
    for (const std::uint32_t process : {instance.process, instance.command})
        if (process != no_process) processes_.send_signal(process, SIGCONT);
}

// A daemon or worker is its program; what else came of it ends with it.
unsigned Lives::end_all(const Service& service, const Instance& instance) {
    if (instance.process == no_process) return 0;
    return groups_.end(service.name(), processes_.records().at(instance.process));
}

void Lives::signal_all(const Service& service, int signal) const {
    for (const auto& instance : service.instances)
        send(service, *instance, signal);
}

std::vector<pid_t> Lives::members(const Service& service, const Instance& instance) const {
    if (instance.process == no_process) return {};
    return groups_.members(service.name(), processes_.records().at(instance.process));
}

void Lives::say(Service& service, Level level, std::string_view text) {
    log_.log(NoticeEvent{.level = level, .service = service.name(), .text = text});
}

void Lives::note_cause(Service& service, Instance& instance, EndKind kind, std::string text) {
    if (instance.cause != EndKind::none) return;
    instance.cause = kind;
    instance.cause_text = std::move(text);
    instance.record->cause = static_cast<std::uint8_t>(kind);
    keep_text(instance.record->cause_text, instance.cause_text);
    if (!is_good_end(kind) && !service.stopping) service.last_failure = instance.cause_text;
}

// ---- news of processes

void Lives::on_launched(Service& service, Instance& instance) {
    live(service, instance, LifeEvent::launched);
}

void Lives::on_not_launched(
        Service& service, Instance& instance, EndKind kind, const std::string& why) {
    note_cause(service, instance, kind, why);
    instance.process = no_process;
    live(service, instance, LifeEvent::not_launched);
}

std::optional<GroupUsage> Lives::usage(const Service& service) const {
    const bool any = std::any_of(service.instances.begin(), service.instances.end(),
            [](const auto& one) { return one->process != no_process; });
    return any ? groups_.usage(service.name()) : std::nullopt;
}

// Nobody here has sent KILL to a life that is wanted.
bool Lives::is_for_memory(const Service& service, const Instance& instance, int status) const {
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
           instance.state != LifeState::killing && instance.memory_kills &&
           groups_.memory_kills(service.name()) > *instance.memory_kills;
}

// What it said before its end comes first: READY=1 and an exit status may be one read apart.
void Lives::on_ended(Service& service, Instance& instance, int status) {
    if (instance.contact) instance.contact->drain();
    EndKind kind = classify_exit(status, service.plan->life.clean_exit);
    std::string text = "it ended: " + exit_text(status);
    if (is_for_memory(service, instance, status)) {
        kind = EndKind::memory;
        text += ", and the kernel has killed for want of memory while it ran";
    }
    const ReadyKind ready = service.plan->life.ready.kind;
    if (instance.state == LifeState::starting && ready != ReadyKind::exit) {
        text.insert(std::string_view("it ended").size(), " before it was ready");
        if (kind == EndKind::clean) kind = EndKind::status;
    }
    if (instance.record->said_error != 0)
        text += fmt::format(" (it says: {})", errno_text(instance.record->said_error));
    if (is_superds_doing(instance.cause)) {
        instance.cause_text += "; " + text;
        keep_text(instance.record->cause_text, instance.cause_text);
        if (!service.stopping) service.last_failure = instance.cause_text;
    }
    note_cause(service, instance, kind, std::move(text));
    if (const unsigned left = end_all(service, instance); left > 0)
        say(service, Level::warning,
                fmt::format("{} process{} left over by its program: KILL", left,
                        left == 1 ? "" : "es"));
    instance.process = no_process;
    instance.record->last_status = status;
    live(service, instance,
            instance.command == no_process ? LifeEvent::ended : LifeEvent::left);
}

// A worker with restart = "no" is started again by the next client, after the pause that its
// failures ask for; as long as another one serves, one that fell has a successor all the same.
LifeEvent Lives::judge(Service& service, Instance& instance) {
    const bool worker = service.plan->mode == Mode::worker;
    LifePlan plan = service.plan->life;
    const bool on_demand = worker && plan.restart == Restart::no;
    if (on_demand) plan.restart = Restart::on_failure;
    RestartTally tally = tally_of(*service.record);
    const bool ran = instance.running_since != Mono::max();
    const Verdict verdict = judge_end(plan,
            {.kind = instance.cause,
                    .up = ran ? loop_.now() - instance.running_since : Nanoseconds{0},
                    .wanted = service.wants_listeners() && !service.stopping && !host_.ends() &&
                              !instance.leaves(),
                    .has_doors = !service.plan->listeners.empty(),
                    .chance = random_number()},
            tally, loop_.now());
    keep(*service.record, tally);
    const bool gives_up = verdict.event == LifeEvent::give_up;
    if (verdict.limit_reached && (gives_up || !instance.limit_reached))
        say(service, Level::error,
                fmt::format("{}; restart_limit {} is reached: {}", instance.cause_text,
                        format_frequency(*plan.restart_limit),
                        gives_up ? "it is not started again"
                                 : "it pauses for restart_delay_max"));
    instance.limit_reached = verdict.limit_reached;
    instance.record->limit = verdict.limit_reached ? 1 : 0;
    instance.pause = verdict.pause;
    const bool by_client = on_demand && service.residents == 0;
    service.retry_pause = by_client ? verdict.pause : Nanoseconds{0};
    const bool retries = verdict.event == LifeEvent::retry && !by_client;
    return worker && !retries ? LifeEvent::rest : verdict.event;
}

// ---- time

void Lives::set_deadline(Service& service, Instance& instance, Mono deadline) {
    instance.deadline = deadline;
    instance.record->deadline = kept(deadline);
    arm(service, instance);
}

// One timer for whatever comes first: the state's deadline, the watchdog, the end of
// run_timeout. Who pets the watchdog does not touch it: it looks again when it rings.
void Lives::arm(Service& service, Instance& instance) {
    const LifeRecord& record = *instance.record;
    Mono next = instance.deadline;
    if (has_process(instance.state) && !is_going_down(instance.state))
        next = std::min(next, from_kept(record.expires));
    if (is_up(instance.state) && record.watchdog > 0)
        next = std::min(next, from_nanoseconds(record.heard + record.watchdog));
    next = std::min(next, recycled_at(service, instance));
    if (next == Mono::max()) {
        if (instance.timer) instance.timer->stop();
        return;
    }
    if (!instance.timer)
        instance.timer = std::make_unique<Timer>(
                loop_, [this, &service, &instance] { on_timer(service, instance); });
    instance.timer->start(std::max(next - loop_.now(), Nanoseconds{0}));
}

void Lives::on_timer(Service& service, Instance& instance) {
    const ServicePlan& plan = *service.plan;
    const LifeRecord& record = *instance.record;
    const Mono now = loop_.now();
    // What it said while superd was busy, or was not there, comes first.
    const bool heard = has_process(instance.state) && instance.state != LifeState::launching;
    if (heard && instance.contact) instance.contact->drain();
    if (instance.deadline <= now) {
        instance.deadline = Mono::max();
        if (is_coming_up(instance.state))
            note_cause(service, instance, EndKind::timeout,
                    fmt::format("{} within start_timeout {}", lacks(instance.state),
                            format_duration(plan.life.start_timeout.value_or(Nanoseconds{0}))));
        live(service, instance, LifeEvent::due);
    } else if (is_up(instance.state) && record.watchdog > 0 &&
               from_nanoseconds(record.heard + record.watchdog) <= now) {
        note_cause(service, instance, EndKind::watchdog,
                "watchdog: not heard of for " + format_duration(Nanoseconds(record.watchdog)));
        live(service, instance, LifeEvent::unheard);
    } else if (record.expires != 0 && from_kept(record.expires) <= now) {
        note_cause(service, instance, EndKind::timeout,
                "run_timeout " +
                        format_duration(plan.life.run_timeout.value_or(Nanoseconds{0})) +
                        " is over");
        live(service, instance, LifeEvent::expired);
    } else if (recycled_at(service, instance) <= now) {
        recycle(service, instance);
    } else {
        return arm(service, instance);
    }
    host_.life_changed(service);
}

void Lives::extend(Service& service, Instance& instance, Nanoseconds by) {
    const Mono until = loop_.now() + by;
    LifeRecord& record = *instance.record;
    if (is_up(instance.state) && record.expires != 0)
        record.expires = std::max(record.expires, kept(until));
    if (is_coming_up(instance.state) && record.start_by != 0)
        record.start_by = std::max(record.start_by, kept(until));
    const bool bounded =
            is_coming_up(instance.state) || instance.state == LifeState::reloading ||
            instance.state == LifeState::halting || instance.state == LifeState::stopping;
    if (bounded && instance.deadline != Mono::max())
        return set_deadline(service, instance, std::max(instance.deadline, until));
    arm(service, instance);
}

// ---- after a superd that was killed

void Lives::adopt(Service& service, std::uint32_t process) {
    ProcessRecord& record = processes_.records().at(process);
    const bool command = record.kind == ProcessKind::command;
    if (command && (record.flags & record_checks) != 0) {  // who asked has gone
        processes_.send_signal(process, SIGKILL);
        return;
    }
    const auto place = [command](Instance& instance) -> std::uint32_t& {
        return command ? instance.command : instance.process;
    };
    Instance* instance = find(service, record.listener);
    if (instance == nullptr) {  // one of those that are to go
        service.instances.push_back(make_instance(service, record.listener));
        instance = service.instances.back().get();
    }
    if (place(*instance) != no_process) return;  // superseded
    place(*instance) = process;
}

void Lives::drop_unclaimed(const std::function<bool(StorePlace)>& exists) {
    records_.drop_unclaimed();
    store_.drop_unless(exists);
}

void Lives::resume(Service& service) {
    for (const auto& one : service.instances) {
        Instance& instance = *one;
        const auto was = static_cast<LifeState>(instance.record->state);
        const bool runs = instance.process != no_process || instance.command != no_process;
        // Which workers are to be started again their listeners say.
        if (!runs && is_at_rest(was) && service.plan->mode != Mode::daemon) continue;
        restore(service, instance);
        if (instance.leaves()) live(service, instance, LifeEvent::stop);
    }
    trim(service);
    drop_extra(service);
}

void Lives::restore(Service& service, Instance& instance) {
    LifeRecord& life = *instance.record;
    const auto was = static_cast<LifeState>(life.state);
    const Mono deadline = from_kept(life.deadline);
    const bool runs = instance.process != no_process;
    instance.running_since = from_kept(life.running_since);
    instance.cause = static_cast<EndKind>(life.cause);
    instance.cause_text = life.cause_text;
    instance.limit_reached = life.limit != 0;
    instance.memory_kills = groups_.memory_kills(service.name());
    instance.pause = std::max(deadline - loop_.now(), Nanoseconds{0});
    // What was between clone and exec then runs now; a launch that had not come so far is none.
    const bool launched = runs && (was == LifeState::launching || !has_process(was));
    const bool lost = !runs && was == LifeState::launching;
    const auto state = launched ? LifeState::starting : lost ? LifeState::down : was;
    instance.state = state;  // it is no new life
    enter(service, instance, state);
    if (deadline != Mono::max() && !lost) set_deadline(service, instance, deadline);
    if (runs && state != LifeState::starting)
        contact_of(service, instance)
                .listen_to({}, processes_.records().at(instance.process).pid.load(), false);
    if (state == LifeState::starting && runs) await(service, instance);
    if (lost && service.wants_listeners()) live(service, instance, LifeEvent::start);
    if (!runs && instance.command == no_process && has_process(instance.state) &&
            instance.state != LifeState::launching) {
        note_cause(service, instance, EndKind::unknown, "it ended: " + exit_text(-1));
        live(service, instance, LifeEvent::ended);
    } else if (runs_commands(instance.state) && instance.command == no_process &&
               state == instance.state &&
               !(state == LifeState::reloading && life.reload_done != 0)) {
        run_next(service, instance);
    }
}

}  // namespace superd
