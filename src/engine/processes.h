// SPDX-License-Identifier: MIT
// All processes that superd started: their records, their launch, their end.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "engine/records.h"
#include "loop/loop.h"
#include "sys/exec_report.h"
#include "sys/reaper.h"
#include "sys/spawner.h"

namespace superd {

// News of processes, by record index. Loop thread.
class ProcessSink {
public:
    virtual ~ProcessSink() = default;
    virtual void on_started(std::uint32_t index) = 0;
    // The record is still held: the sink reads it, then gives it back.
    virtual void on_launch_failed(std::uint32_t index, const LaunchResult& result) = 0;
    // It has ended, and is about to be reaped. True: another process has taken its place.
    virtual bool goes_on(std::uint32_t index) = 0;
    // status: as waitpid(2)'s, -1 unknown. The pid is still reserved during the call;
    // afterwards it is reaped and the record given back.
    virtual void on_ended(std::uint32_t index, int status) = 0;
    // superd-exec tells what becomes of a launch; it may be faster than on_started.
    virtual void on_exec_report(std::uint32_t index, const ExecReport& report) = 0;
};

class Processes {
public:
    Processes(Loop& loop, State& state, const SpawnerOptions& options, ProcessSink& sink);

    [[nodiscard]] ProcessRecords& records() { return records_; }

    [[nodiscard]] const ProcessRecords& records() const { return records_; }

    [[nodiscard]] Spawner& spawner() { return spawner_; }

    // launch.record is filled in and `accepted`.
    void launch(Launch launch);
    // A process that a former superd started: watched from now on.
    void adopt(std::uint32_t index);
    // The record's process is another one from now on, which lives as far as is known.
    void follow(std::uint32_t index, std::int32_t pid, Fd pidfd);
    // By pidfd; false where it has gone already.
    bool send_signal(std::uint32_t index, int signal);
    // Takes what has ended and is nobody's; asked for by SIGCHLD, seldom. A bounded number:
    // true where there may be more.
    [[nodiscard]] bool sweep_orphans();
    // The guard has seen an exit that only it can see.
    void on_guard_news();

private:
    void take_results();
    void take_reports();
    void take_ended();
    void on_tick();

    ProcessRecords records_;
    ProcessSink& sink_;
    Spawner spawner_;
    Reaper reaper_;
    Poll results_poll_;
    Poll ended_poll_;
    int report_fd_;
    Poll reports_poll_;
    Timer tick_;
    std::vector<LaunchResult> results_;  // kept for their room
    std::vector<Ended> ended_;
};

}  // namespace superd
