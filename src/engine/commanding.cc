// SPDX-License-Identifier: MIT
// The commands of a life: exec_pre, exec_post, reload, exec_stop and exec_stop_post, one after
// the other and one at a time.
//
// After a kill of superd a command that runs is waited for; one that had not begun, or whose
// end nobody has written down, is run again: at least once, as every such command must bear.
#include <csignal>

#include <fmt/format.h>
#include <sys/wait.h>

#include "engine/lives.h"
#include "policy/rate.h"

namespace superd {

namespace {

std::string_view key_of(LifeState state) {
    switch (state) {
        case LifeState::preparing: return "exec_pre";
        case LifeState::settling: return "exec_post";
        case LifeState::reloading: return "reload";
        case LifeState::halting: return "exec_stop";
        default: return "exec_stop_post";
    }
}

// Null: there are no more.
const Command* command_at(const LifePlan& plan, LifeState state, std::size_t index) {
    if (state == LifeState::reloading)
        return index == 0 && !plan.reload.command.empty() ? &plan.reload.command : nullptr;
    const auto& list = state == LifeState::preparing  ? plan.exec_pre
                       : state == LifeState::settling ? plan.exec_post
                       : state == LifeState::halting  ? plan.exec_stop
                                                      : plan.exec_stop_post;
    return index < list.size() ? &list[index] : nullptr;
}

// As systemd calls them, for the commands that are written for it.
std::string_view result_word(EndKind kind) {
    switch (kind) {
        case EndKind::none:
        case EndKind::clean:
        case EndKind::idle:
        case EndKind::recycled: return "success";
        case EndKind::signal: return "signal";
        case EndKind::core: return "core-dump";
        case EndKind::timeout: return "timeout";
        case EndKind::watchdog: return "watchdog";
        case EndKind::unhealthy: return "health";
        case EndKind::memory: return "oom-kill";
        case EndKind::shortage: return "resources";
        case EndKind::status:
        case EndKind::launch:
        case EndKind::unknown: break;
    }
    return "exit-code";
}

}  // namespace

std::vector<std::string> Lives::variables_of(const Instance& instance) const {
    std::vector<std::string> variables;
    if (instance.process != no_process) {
        const std::int32_t pid = processes_.records().at(instance.process).pid.load();
        variables.push_back(fmt::format("MAINPID={}", pid));
    }
    if (instance.state != LifeState::cleaning) return variables;
    variables.push_back(fmt::format("SERVICE_RESULT={}", result_word(instance.cause)));
    const int status = instance.record->last_status;
    if (status < 0) return variables;
    const bool killed = WIFSIGNALED(status);
    const char* const name = killed ? ::sigabbrev_np(WTERMSIG(status)) : nullptr;
    variables.push_back(fmt::format("EXIT_CODE={}", !killed             ? "exited"
                                                    : WCOREDUMP(status) ? "dumped"
                                                                        : "killed"));
    variables.push_back(
            "EXIT_STATUS=" + (name != nullptr ? std::string(name)
                                     : killed ? std::to_string(WTERMSIG(status))
                                              : std::to_string(WEXITSTATUS(status))));
    return variables;
}

// The state was entered just now.
void Lives::run(Service& service, Instance& instance) {
    LifeRecord& record = *instance.record;
    record.command = 0;
    if (instance.state == LifeState::reloading) {
        record.reload_at = to_nanoseconds(loop_.now());
        record.reload_heard = record.reload_done = 0;
        service.reload_failure.clear();
        const ReloadPlan& reload = service.plan->life.reload;
        if (reload.signal != 0 && instance.process != no_process)
            processes_.send_signal(instance.process, reload.signal);
        if (reload.wait) {
            record.reload_done = 1;
            return;
        }
    }
    run_next(service, instance);
}

void Lives::run_next(Service& service, Instance& instance) {
    LifeRecord& record = *instance.record;
    const Command* const command =
            command_at(service.plan->life, instance.state, record.command);
    if (command == nullptr) {
        const bool goes_on = instance.state == LifeState::reloading && record.reload_heard != 0;
        if (instance.state == LifeState::reloading) record.reload_done = 1;
        if (!goes_on) live(service, instance, LifeEvent::command_ok);
        return;
    }
    drop_command(instance);
    if (!host_.start_command(service, instance, *command, variables_of(instance)))
        fail_command(service, instance, EndKind::shortage,
                fmt::format("{} {}: superd has no room for its process", key_of(instance.state),
                        command->front()));
}

// One that is in the way of the next: it had been told to end before.
void Lives::drop_command(Instance& instance) {
    if (instance.command == no_process) return;
    processes_.send_signal(instance.command, SIGKILL);
    instance.command = no_process;
}

void Lives::fail_command(Service& service, Instance& instance, EndKind kind, std::string text) {
    const LifeState state = instance.state;
    if (state == LifeState::reloading)
        service.reload_failure = std::move(text);  // said when the state is left
    else if (is_coming_up(state))
        note_cause(service, instance, kind, std::move(text));
    else
        say(service, Level::warning, text);
    live(service, instance, LifeEvent::command_bad);
}

void Lives::on_command_launched(Instance& instance) {
    // It may have been told to end while it could not yet hear it.
    if (instance.state == LifeState::stopping)
        processes_.send_signal(instance.command, SIGTERM);
    if (instance.state == LifeState::killing) processes_.send_signal(instance.command, SIGKILL);
}

void Lives::on_command_not_launched(
        Service& service, Instance& instance, const std::string& why) {
    instance.command = no_process;
    if (!runs_commands(instance.state)) {
        if (instance.process == no_process) live(service, instance, LifeEvent::ended);
        return;
    }
    fail_command(service, instance, EndKind::launch,
            fmt::format("{}: {}", key_of(instance.state), why));
}

void Lives::on_command_ended(Service& service, Instance& instance, int status) {
    instance.command = no_process;
    if (!runs_commands(instance.state)) {
        if (instance.process == no_process) live(service, instance, LifeEvent::ended);
        return;
    }
    LifeRecord& record = *instance.record;
    const Command* const command =
            command_at(service.plan->life, instance.state, record.command);
    if (status == 0) {
        ++record.command;
        return run_next(service, instance);
    }
    const EndKind kind = classify_exit(status, {{false, 0}});
    fail_command(service, instance, kind,
            fmt::format("{}{}{}: {}", key_of(instance.state), command != nullptr ? " " : "",
                    command != nullptr ? command->front() : "", exit_text(status)));
}

}  // namespace superd
