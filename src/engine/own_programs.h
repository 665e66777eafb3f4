// SPDX-License-Identifier: MIT
// superd's own helpers as processes: superd-log, superd-resolve and superd-announce. What they
// say over their channels is of those who asked for them; relays have engine/relay_processes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/outputs.h"
#include "engine/processes.h"
#include "engine/supervisor_options.h"
#include "loop/loop.h"
#include "sys/announce_channel.h"

namespace superd {

// Owned by the supervisor. index: of a process's record. Loop thread.
class OwnPrograms {
public:
    OwnPrograms(Loop& loop, Processes& processes, Outputs& outputs,
            const SupervisorOptions& options);

    // superd-log runs as long as superd does: one that ends is started again after a while.
    void start_log();
    // Its channel is lost: the same.
    void start_log_soon();
    // A service whose stream is full waits for superd-log: whoever stopped that stopped all of
    // them. The kernel tells a parent of it, as it tells of an end.
    void keep_log_running();
    // -1: there is none.
    [[nodiscard]] int log_pidfd() const;

    // False: not now.
    [[nodiscard]] bool start_resolve(Fd channel);
    [[nodiscard]] bool start_announce(Announcing where, int theirs, int ours);

    // superd stops: nothing is started any more.
    void stop() { stopping_ = true; }

    // ---- news of processes of these kinds
    void on_started(std::uint32_t index);
    void on_launch_failed(std::uint32_t index, const LaunchResult& result);
    void on_ended(std::uint32_t index);

private:
    struct Program {
        std::string name, path;
        IdentityPlan identity;
        std::vector<std::string> arguments{};
    };

    void launch(std::uint32_t index, ProcessKind kind, const Program& program, int channel);
    void log_failure(const char* name, const std::string& path, const LaunchResult& result);

    Loop& loop_;
    Processes& processes_;
    Outputs& outputs_;
    const SupervisorOptions& options_;
    Timer log_restart_;
    std::uint32_t log_record_ = ~std::uint32_t{0};
    std::uint32_t log_failures_ = 0;
    Fd log_channel_;      // superd-log's end, until it has been started
    Fd resolve_channel_;  // superd-resolve's end, the same
    bool stopping_ = false;
};

}  // namespace superd
