// SPDX-License-Identifier: MIT
#include "engine/own_programs.h"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "policy/backoff.h"
#include "policy/rate.h"
#include "sys/reaper.h"

namespace superd {

OwnPrograms::OwnPrograms(
        Loop& loop, Processes& processes, Outputs& outputs, const SupervisorOptions& options)
        : loop_(loop),
          processes_(processes),
          outputs_(outputs),
          options_(options),
          log_restart_(loop, [this] {
              if (log_record_ == ~std::uint32_t{0}) start_log();
          }) {}

void OwnPrograms::start_log() {
    if (options_.log_program.empty() || stopping_) return;
    auto channel = outputs_.open_channel();
    const auto index = channel ? processes_.records().take() : std::nullopt;
    if (!index) {
        outputs_.fall_back();
        log_restart_.start(backoff_delay(++log_failures_));
        return;
    }
    log_record_ = *index;
    log_channel_ = std::move(*channel);
    launch(*index, ProcessKind::log,
            {"superd-log", options_.log_program, options_.log_identity}, log_channel_.get());
}

void OwnPrograms::start_log_soon() {
    log_restart_.start(backoff_delay(log_failures_));
}

void OwnPrograms::keep_log_running() {
    if (!continue_if_stopped(log_pidfd())) return;
    outputs_.log().log(NoticeEvent{.level = Level::warning,
            .text = "superd-log had been stopped by a signal: it was continued"});
}

int OwnPrograms::log_pidfd() const {
    return log_record_ == ~std::uint32_t{0} ? -1
                                            : processes_.records().at(log_record_).pidfd.load();
}

bool OwnPrograms::start_resolve(Fd channel) {
    if (options_.resolve_program.empty() || stopping_) return false;
    const auto index = processes_.records().take();
    if (!index) return false;
    resolve_channel_ = std::move(channel);
    launch(*index, ProcessKind::resolve,
            {"superd-resolve", options_.resolve_program, options_.resolve_identity},
            resolve_channel_.get());
    return true;
}

bool OwnPrograms::start_announce(Announcing where, int theirs, int ours) {
    if (options_.announce_program.empty() || stopping_) return false;
    const auto index = processes_.records().take();
    if (!index) return false;
    ProcessRecord& record = processes_.records().at(*index);
    record.listener = static_cast<std::uint32_t>(where);
    record.connection.store(ours, std::memory_order_relaxed);
    launch(*index, ProcessKind::announce,
            {"superd-announce", options_.announce_program, options_.announce_identity,
                    {std::string(announcing_word(where))}},
            theirs);
    return true;
}

// channel: a loan until the launch is reported; it becomes descriptor 0.
void OwnPrograms::launch(
        std::uint32_t index, ProcessKind kind, const Program& program, int channel) {
    ProcessRecord& record = processes_.records().at(index);
    record.kind = kind;
    record.service = ~std::uint32_t{0};
    record.started = to_nanoseconds(loop_.now());
    record.state.store(RecordState::accepted, std::memory_order_release);
    auto plan = std::make_shared<SpawnPlan>();
    plan->service = program.name;
    plan->program = program.path;
    plan->argv = {program.name};
    plan->argv.insert(plan->argv.end(), program.arguments.begin(), program.arguments.end());
    plan->fixed_environment = {"PATH=/usr/bin:/bin"};
    plan->mode = Mode::worker;
    plan->identity = program.identity;
    plan->launch_timeout = std::chrono::seconds(10);
    Launch launch;
    launch.record = index;
    launch.service = ~std::uint32_t{0};
    launch.plan = std::move(plan);
    launch.listeners = {channel};
    launch.listeners_blocking = false;
    launch.standard_error = options_.log_stderr;
    launch.standard_output = options_.log_stderr;
    processes_.launch(std::move(launch));
}

void OwnPrograms::on_started(std::uint32_t index) {
    const ProcessKind kind = processes_.records().at(index).kind;
    if (kind == ProcessKind::log) log_channel_.reset();
    if (kind == ProcessKind::resolve) resolve_channel_.reset();
}

// Who waits for superd-resolve or superd-announce sees the channel hung up, and waits before it
// starts another one.
void OwnPrograms::on_launch_failed(std::uint32_t index, const LaunchResult& result) {
    const ProcessKind kind = processes_.records().at(index).kind;
    if (kind == ProcessKind::resolve) {
        resolve_channel_.reset();
        log_failure("superd-resolve", options_.resolve_program, result);
    } else if (kind == ProcessKind::announce) {
        log_failure("superd-announce", options_.announce_program, result);
    } else if (kind == ProcessKind::log) {
        log_channel_.reset();
        outputs_.fall_back();
        log_failure("superd-log", options_.log_program, result);
        on_ended(index);
    }
}

void OwnPrograms::log_failure(
        const char* name, const std::string& path, const LaunchResult& result) {
    outputs_.log().log(FailEvent{.service = name,
            .stage = stage_name(result.stage),
            .subject = path,
            .error = result.error});
}

void OwnPrograms::on_ended(std::uint32_t index) {
    if (log_record_ != index) return;  // also: one that a former superd had started
    log_record_ = ~std::uint32_t{0};
    const auto lived = loop_.now() - from_nanoseconds(processes_.records().at(index).started);
    if (lived > backoff_ceiling) log_failures_ = 0;
    log_restart_.start(backoff_delay(log_failures_++));
}

}  // namespace superd
