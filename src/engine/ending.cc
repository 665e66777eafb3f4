// SPDX-License-Identifier: MIT
// What launches and processes come to: counted, logged, and what follows from it.
#include <algorithm>
#include <csignal>
#include <utility>

#include <fmt/format.h>
#include <sys/wait.h>

#include "engine/supervisor.h"

namespace superd {

namespace {

// The kernel had no descriptor, memory or pid to spare.
constexpr auto clone_pause = std::chrono::milliseconds(200);

// The listener's; empty for a process that serves no connection.
std::string_view address_of(const Service& service, const ProcessRecord& record) {
    const auto& listeners = service.plan->listeners;
    if (record.kind != ProcessKind::handler || record.listener >= listeners.size()) return {};
    return listeners[record.listener].address;
}

std::string describe_failure(const SpawnPlan& plan, const LaunchResult& result) {
    if (result.timed_out) return "not exec'd within launch_timeout: killed";
    const bool is_exec = result.stage == SpawnStage::exec;
    return Error{
            result.error, std::string(stage_name(result.stage)), is_exec ? plan.program : ""}
            .text();
}

// Which program it was the caller says.
std::string command_failure(const LaunchResult& result) {
    if (result.timed_out) return "not exec'd within launch_timeout: killed";
    return Error{result.error, std::string(stage_name(result.stage)), ""}.text();
}

}  // namespace

void Supervisor::on_started(std::uint32_t index) {
    const ProcessRecord& record = processes_.records().at(index);
    if (record.kind == ProcessKind::relay) {
        relays_.on_started(index);
        return;
    }
    if (record.kind == ProcessKind::announce) {
        announcements_.of_record(record.listener).on_started();
        return;
    }
    if (record.kind == ProcessKind::key) return relays_.on_key_started(index);
    if (is_own_program(record.kind)) {
        own_programs_.on_started(index);
        return;
    }
    if (record.kind == ProcessKind::warm) {
        warming_.handlers().on_started(index);
        return;
    }
    Service& service = *by_index_[record.service];
    --service.launching;
    ProcessRecord& launched = processes_.records().at(index);
    if ((record.flags & launch_steps_in) != 0)
        launched.flags = static_cast<std::uint8_t>(launched.flags | launch_exec_runs);
    // Through superd-exec it has started when that says so, which may have been before this.
    const bool command = record.kind == ProcessKind::command;
    if (!command &&
            ((record.flags & launch_steps_in) == 0 || (record.flags & launch_begun) != 0))
        log_start(service, index);
    if (service.holds.has(Hold::launches)) release(service, Hold::launches);
    // It was being started when the others were told to end.
    Instance* const instance = lives_.instance_of(service, index);
    if (command) {
        if (instance != nullptr) lives_.on_command_launched(*instance);
    } else if (instance != nullptr) {
        lives_.on_launched(service, *instance);
        if (service.order() == Order::drain) processes_.send_signal(index, SIGTERM);
    } else if (service.stopping) {
        processes_.send_signal(index, service.kill_at == Mono::max() ? SIGKILL : SIGTERM);
    }
    if (record.kind != ProcessKind::handler || !waiters_.empty()) changed(service);
}

void Supervisor::log_start(const Service& service, std::uint32_t index) {
    ProcessRecord& record = processes_.records().at(index);
    record.flags = static_cast<std::uint8_t>(record.flags | record_started);
    ++service.record->started;
    const std::string tls = securing_.told(index, "SSL_PROTOCOL"),
                      cipher = securing_.told(index, "SSL_CIPHER"),
                      sni = securing_.told(index, "SSL_TLS_SNI_SERVERNAME");
    outputs_.log().log(StartEvent{.service = service.name(),
            .connection = record.id,
            .pid = record.pid.load(std::memory_order_relaxed),
            .peer = record.peer,
            .local = record.local,
            .socket = address_of(service, record),
            .user = holding_.user_of(index),
            .facts = service.plan->log.admitted,
            .via = proxying_.via(index),
            .tls = tls,
            .cipher = cipher,
            .sni = sni});
}

void Supervisor::on_exec_report(std::uint32_t index, const ExecReport& report) {
    ProcessRecord& record = processes_.records().at(index);
    if ((record.flags & launch_steps_in) == 0 || !has_service(record)) return;
    Service& service = *by_index_[record.service];
    const auto set = [&record](std::uint8_t flag) {
        record.flags = static_cast<std::uint8_t>(record.flags | flag);
    };
    switch (report.verdict) {
        case ExecVerdict::begins:
            set(launch_begun);
            if ((record.flags & launch_exec_runs) != 0 && record.kind != ProcessKind::command &&
                    record.kind != ProcessKind::warm)
                log_start(service, index);
            break;
        case ExecVerdict::refused:
            set(launch_refused);
            on_refused_by_exec(service, record);
            break;
        case ExecVerdict::failed:
            set(launch_failed);
            note_launch_failure(service, record,
                    {.record = index,
                            .service = record.service,
                            .stage = static_cast<SpawnStage>(report.stage),
                            .error = report.error});
            changed(service);
            break;
    }
}

void Supervisor::on_refused_by_exec(Service& service, const ProcessRecord& record) {
    ++service.record->refused[static_cast<std::size_t>(Refusal::tcp_wrappers)];
    const auto suppressed = limiter_.allow(service.index, Refusal::tcp_wrappers, loop_.now());
    if (!suppressed) return;
    outputs_.log().log(RefuseEvent{.service = service.name(),
            .connection = record.id,
            .peer = record.peer,
            .local = record.local,
            .socket = address_of(service, record),
            .reason = refusal_name(Refusal::tcp_wrappers),
            .rule = plan_->where(service.plan->admission.tcp_wrappers_origin),
            .suppressed = *suppressed,
            .facts = service.plan->log.refused});
}

bool Supervisor::never_ran(Service& service, const ProcessRecord& record, int status) {
    if ((record.flags & launch_steps_in) == 0 || (record.flags & launch_begun) != 0)
        return false;
    if ((record.flags & (launch_refused | launch_failed)) != 0) return true;
    ++service.record->failed;
    service.last_failure = "superd-exec ended before the service: " + exit_text(status);
    outputs_.log().log(FailEvent{.service = service.name(),
            .connection = record.id,
            .peer = record.peer,
            .stage = stage_name(SpawnStage::step_in),
            .detail = exit_text(status)});
    return true;
}

void Supervisor::on_launch_failed(std::uint32_t index, const LaunchResult& result) {
    const ProcessRecord& record = processes_.records().at(index);
    if (record.kind == ProcessKind::relay) {
        relays_.on_launch_failed(index, result);
        return;
    }
    if (record.kind == ProcessKind::key) {
        outputs_.log().log(FailEvent{.service = "superd-key",
                .stage = stage_name(result.stage),
                .error = result.error});
        return relays_.on_key_ended(index);
    }
    if (is_own_program(record.kind)) {
        own_programs_.on_launch_failed(index, result);
        if (record.kind == ProcessKind::announce)
            announcements_.of_record(record.listener).on_ended();
        return;
    }
    if (record.kind == ProcessKind::warm) {
        warming_.handlers().on_launch_failed(index, result);
        return;
    }
    Service& service = *by_index_[record.service];
    --service.launching;
    const ProcessKind kind = record.kind;
    if (kind != ProcessKind::command) note_launch_failure(service, record, result);
    Instance* const instance = lives_.instance_of(service, index);
    forget_process(index);
    if (instance == nullptr && kind == ProcessKind::command)
        checkups_.on_command_not_launched(index, command_failure(result));
    if (instance != nullptr && kind == ProcessKind::command) {
        lives_.on_command_not_launched(service, *instance, command_failure(result));
    } else if (instance != nullptr) {
        const bool shortage = result.stage == SpawnStage::clone;
        lives_.on_not_launched(service, *instance,
                shortage ? EndKind::shortage : EndKind::launch, service.last_failure);
    }
    if (result.stage == SpawnStage::clone)
        hold(service, Hold::descriptors, loop_.now() + clone_pause);
    if (service.holds.has(Hold::launches)) release(service, Hold::launches);
    on_process_gone(service, kind);
    changed(service);
}

void Supervisor::note_launch_failure(
        Service& service, const ProcessRecord& record, const LaunchResult& result) {
    ++service.record->failed;
    if (!is_resident(record.kind)) ++service.record->failures;
    service.record->last_stage = static_cast<std::uint8_t>(result.stage);
    service.record->last_error = result.error;
    service.record->last_failure = to_nanoseconds(loop_.now());
    log_launch_failure(service, record, result);
}

void Supervisor::log_launch_failure(
        Service& service, const ProcessRecord& record, const LaunchResult& result) {
    const SpawnPlan& spawn = *spawn_plan_of(service);
    service.last_failure = describe_failure(spawn, result);
    const auto suppressed = limiter_.allow_failure(service.index, loop_.now());
    if (!suppressed) return;
    outputs_.log().log(FailEvent{.service = service.name(),
            .connection = record.id,
            .peer = record.peer,
            .stage = stage_name(result.stage),
            .subject = result.stage == SpawnStage::exec ? std::string_view(spawn.program) : "",
            .error = result.error,
            .detail = result.timed_out ? "not exec'd within launch_timeout: killed" : "",
            .suppressed = *suppressed});
}

// What it said before its end comes first: it may have named its successor.
bool Supervisor::goes_on(std::uint32_t index) {
    const ProcessRecord& record = processes_.records().at(index);
    if (is_own_program(record.kind) || record.kind == ProcessKind::handler) return false;
    Service& service = *by_index_[record.service];
    Instance* const instance = lives_.instance_of(service, index);
    return instance != nullptr && lives_.hears_of_another(*instance);
}

void Supervisor::on_ended(std::uint32_t index, int status) {
    const ProcessRecord& record = processes_.records().at(index);
    if (record.kind == ProcessKind::log) own_programs_.on_ended(index);
    if (record.kind == ProcessKind::relay) relays_.on_ended(index);
    if (record.kind == ProcessKind::key) relays_.on_key_ended(index);
    if (record.kind == ProcessKind::announce)
        announcements_.of_record(record.listener).on_ended();
    if (is_own_program(record.kind)) return;
    if (record.kind == ProcessKind::warm && !warming_.handlers().on_ended(index, status))
        return;
    Service& service = *by_index_[record.service];
    const ProcessKind kind = record.kind;
    if (never_ran(service, record, status)) {
        Instance* const instance = lives_.instance_of(service, index);
        forget_process(index);
        if (instance == nullptr && kind == ProcessKind::command)
            checkups_.on_command_not_launched(index, service.last_failure);
        if (instance != nullptr && kind == ProcessKind::command) {
            lives_.on_command_not_launched(service, *instance, service.last_failure);
        } else if (instance != nullptr) {
            Lives::note_cause(service, *instance, EndKind::launch, service.last_failure);
            lives_.on_ended(service, *instance, status);
        }
        on_process_gone(service, kind);
        changed(service);
        return;
    }
    if (kind == ProcessKind::command) {
        Instance* const of = lives_.instance_of(service, index);
        forget_process(index);
        if (of != nullptr)
            lives_.on_command_ended(service, *of, status);
        else
            checkups_.on_command_ended(index, status);
        on_process_gone(service, kind);
        changed(service);
        return;
    }
    ++service.record->exited;
    service.record->last_status = status;
    outputs_.log().log(ExitEvent{.service = service.name(),
            .connection = record.id,
            .pid = record.pid.load(std::memory_order_relaxed),
            .status = status,
            .duration = loop_.now() - from_nanoseconds(record.started),
            .peer = record.peer,
            .via = proxying_.via(index),
            .facts = service.plan->log.admitted});
    Instance* const instance = lives_.instance_of(service, index);
    forget_process(index);
    if (instance != nullptr) {
        lives_.on_ended(service, *instance, status);
    } else {
        const bool clean = service.stopping ||
                           classify_exit(status, usual_clean_exits()) == EndKind::clean;
        service.record->failures = clean ? 0 : service.record->failures + 1;
    }
    on_process_gone(service, kind);
    if (kind != ProcessKind::handler || !waiters_.empty()) changed(service);
}

void Supervisor::forget_process(std::uint32_t index) {
    const ProcessRecord& record = processes_.records().at(index);
    Service& service = *by_index_[record.service];
    const bool counts_on = securing_.hand_on(index);
    if (record.source != no_source) {
        SourceEntry& source = sources_.at(record.source);
        if (source.active > 0) --source.active;
    }
    if (!counts_on) --service.active;
    if (is_resident(record.kind)) --service.residents;
    if (record.kind != ProcessKind::relayed) --live_;
    holding_.forget_user(index);
    if (!tried_.empty()) tried_.erase(index);
    if (service.holds.has(Hold::connections)) release(service, Hold::connections);
    if (!any_process_hold_) return;
    any_process_hold_ = false;
    for (auto& [name, other] : services_)
        release(*other, Hold::processes);
}

// What still runs may be connections that the service had before it became a worker: the
// listeners are watched again without them.
void Supervisor::on_process_gone(Service& service, ProcessKind kind) {
    const bool was_last =
            is_resident(kind) && service.residents == 0 && service.plan->mode == Mode::worker;
    if (service.active == 0)
        on_service_empty(service, was_last);
    else if (was_last && !service.stopping && !stopping_ && service.wants_listeners())
        on_workers_gone(service);
    lives_.drop_extra(service);
}

void Supervisor::on_service_empty(Service& service, bool of_workers) {
    const bool again = std::exchange(service.again, false);
    service.stopping = false;
    service.kill_at = Mono::max();
    // Nobody has the listeners, whatever the mode is by now: a reload may have changed it.
    service.holds.clear(Hold::worker);
    if (!service.wants_listeners() || stopping_)
        remove_credentials(service.name(), options_.prefixes);
    if (service.removed) emptied_.push_back(&service);
    lining_up_.go_on_ending();
    if (stopping_) {
        maybe_finish();
        return;
    }
    if (!service.wants_listeners()) return;
    if (of_workers) on_workers_gone(service);
    doors_.watch(service);
    if (again) start_processes(service, true);
}

void Supervisor::signal_all(Service& service, int signal) {
    processes_.records().for_each([&](std::uint32_t index, const ProcessRecord& record) {
        if (record.service == service.index && !is_own_program(record.kind) &&
                record.kind != ProcessKind::warm)
            signal_one(index, signal);
    });
}

bool Supervisor::signal_one(std::uint32_t index, int signal) {
    if (processes_.records().at(index).kind != ProcessKind::relayed)
        return processes_.send_signal(index, signal);
    // Its handler's end is its own.
    if (processes_.records().at(index).partner != 0) return true;
    if (!end_parked(index)) relays_.end(index);
    return true;
}

// Workers and daemons by their lives; handlers by TERM, then CONT so that a stopped process
// sees it, and KILL after stop_timeout.
void Supervisor::end_processes(Service& service) {
    holding_.drop_all_of(service);
    service.record->rolling = 0;
    warming_.handlers().drop(service);
    const bool first = service.active > 0 && !std::exchange(service.stopping, true);
    lives_.stop_all(service);
    if (service.active == 0 || service.active == service.residents) return;
    signal_handlers(service, SIGTERM);
    signal_handlers(service, SIGCONT);
    if (!first) return;  // their KILL is on its way already
    service.kill_at = loop_.now() + service.plan->stop_timeout;
    arm_timer(service);
}

void Supervisor::signal_handlers(Service& service, int signal) {
    processes_.records().for_each([&](std::uint32_t index, const ProcessRecord& record) {
        if (record.service == service.index && !is_own_program(record.kind) &&
                !is_resident(record.kind) && record.kind != ProcessKind::warm)
            signal_one(index, signal);
    });
}

}  // namespace superd
