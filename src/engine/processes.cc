// SPDX-License-Identifier: MIT
#include "engine/processes.h"

#include <array>
#include <cstdlib>
#include <utility>

#include <unistd.h>

#include "sys/process.h"

namespace superd {

namespace {

// While launches are in hand somebody must see that they neither hang nor wait for a thread.
constexpr auto tick_interval = std::chrono::milliseconds(5);
constexpr std::size_t pipe_size = 65536;  // pipe(7)

Reaper make_reaper(const State& state) {
    auto reaper = Reaper::create(state);
    if (!reaper) std::abort();  // no descriptors at the very start: the guard tries again
    return std::move(*reaper);
}

}  // namespace

Processes::Processes(Loop& loop, State& state, const SpawnerOptions& options, ProcessSink& sink)
        : records_(state),
          sink_(sink),
          spawner_(state, options),
          reaper_(make_reaper(state)),
          results_poll_(loop, spawner_.event_fd(), [this](int, int) { take_results(); }),
          ended_poll_(loop, reaper_.fd(),
                  [this](int, int) {
                      // A process has started before it ends, and has told why.
                      take_results();
                      take_reports();
                      reaper_.wait(ended_);
                      take_ended();
                  }),
          report_fd_(state.header().report_fd[0]),
          reports_poll_(loop, report_fd_, [this](int, int) { take_reports(); }),
          tick_(loop, [this] { on_tick(); }) {
    results_poll_.start(Poll::readable);
    ended_poll_.start(Poll::readable);
    reports_poll_.start(Poll::readable);
}

void Processes::launch(Launch launch) {
    spawner_.submit(std::move(launch));
    if (!tick_.active()) tick_.start(tick_interval, tick_interval);
}

void Processes::on_tick() {
    spawner_.tick(std::chrono::steady_clock::now());
    if (spawner_.pending() == 0) tick_.stop();
}

void Processes::adopt(std::uint32_t index) {
    (void)reaper_.add(index);
}

void Processes::follow(std::uint32_t index, std::int32_t pid, Fd pidfd) {
    (void)reaper_.follow(index, pid, std::move(pidfd));
}

bool Processes::send_signal(std::uint32_t index, int signal) {
    return signal_process(records_.at(index), signal);
}

bool Processes::sweep_orphans() {
    take_results();
    take_reports();
    const unsigned strangers = reaper_.sweep(ended_);
    take_ended();
    return strangers == Reaper::most_strangers;
}

void Processes::on_guard_news() {
    take_reports();
    reaper_.on_guard_signal(ended_);
    take_ended();
}

void Processes::take_results() {
    spawner_.drain(results_);
    for (std::size_t i = 0; i < results_.size(); ++i) {
        const LaunchResult result = results_[i];
        if (result.stage == SpawnStage::none) {
            (void)reaper_.add(result.record);
            sink_.on_started(result.record);
            continue;
        }
        sink_.on_launch_failed(result.record, result);
        if (records_.at(result.record).pid.load(std::memory_order_relaxed) > 0)
            reaper_.reap(result.record);
        records_.give_back(result.record);
    }
    results_.clear();
}

// A message whose record has been given to somebody else since comes too late. As much is read
// as a pipe holds, so all that was there before; what is written meanwhile is for the next
// turn.
void Processes::take_reports() {
    std::array<ExecReport, 64> reports;
    for (std::size_t taken = 0; taken <= pipe_size; taken += sizeof reports) {
        const ssize_t n = ::read(report_fd_, reports.data(), sizeof reports);
        if (n <= 0) return;
        const std::size_t count = static_cast<std::size_t>(n) / sizeof reports[0];
        for (std::size_t i = 0; i < count; ++i) {
            const ExecReport report = reports[i];
            if (report.record >= records_.capacity()) continue;
            const ProcessRecord& record = records_.at(report.record);
            if (record.state.load(std::memory_order_acquire) != RecordState::free &&
                    record.id == report.connection)
                sink_.on_exec_report(report.record, report);
        }
        if (count < reports.size()) return;
    }
}

void Processes::take_ended() {
    // The sink may start processes; it never asks for ends.
    for (std::size_t i = 0; i < ended_.size(); ++i) {
        const Ended end = ended_[i];
        if (sink_.goes_on(end.record)) continue;
        sink_.on_ended(end.record, end.status);
        reaper_.reap(end.record);
        records_.give_back(end.record);
    }
    ended_.clear();
}

}  // namespace superd
