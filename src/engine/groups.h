// SPDX-License-Identifier: MIT
// All processes that came of one daemon or worker, taken together.
//
// Where control groups can be had each has one of its own, which no process leaves by forking
// or by a session of its own; else what is meant is the process group that the program leads.
// Groups go by the service's name and the number of its place, so that the next superd finds
// them again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/fd.h"
#include "base/result.h"
#include "config/plan_process.h"
#include "sys/cgroup.h"
#include "sys/state.h"

namespace superd {

class Groups {
public:
    explicit Groups(const State& state);
    // Groups in which nothing runs go with superd; one that is killed leaves them.
    ~Groups();
    Groups(const Groups&) = delete;
    Groups& operator=(const Groups&) = delete;

    struct Place {
        std::shared_ptr<const Fd> directory;  // null: there is no such group
        std::string processes;                // its cgroup.procs
    };

    // For a launch that begins.
    [[nodiscard]] Place open(std::string_view service, std::uint32_t number) const;

    // Has the plan's bounds in force for what is launched in it from now on; the first of them
    // that is not, and why: "memory_max: the kernel has no such controller here".
    [[nodiscard]] Result<void> bound(std::string_view service, const LimitsPlan& limits) const;
    // What the processes of a service take together; nothing where nobody counts it.
    [[nodiscard]] std::optional<GroupUsage> usage(std::string_view service) const;
    // How many processes the kernel has killed for want of memory: those of the service where
    // it counts them so, else all of them. Only a difference says anything.
    [[nodiscard]] std::uint64_t memory_kills(std::string_view service) const;

    // Whether pid is in it; nothing where there is no such group, or its program is not in it.
    [[nodiscard]] std::optional<bool> holds(
            std::string_view service, const ProcessRecord& process, std::int32_t pid) const;

    // To all of them, the program among them; to how many.
    unsigned signal(std::string_view service, const ProcessRecord& process, int signal) const;
    // All of them, as far as can be told.
    [[nodiscard]] std::vector<pid_t> members(
            std::string_view service, const ProcessRecord& process) const;
    // KILL to all that are left now that the program has ended, or does not; how many there
    // were, 0 where only control groups could tell. The program's pid must still be reserved.
    unsigned end(std::string_view service, const ProcessRecord& process) const;

private:
    [[nodiscard]] const std::optional<CgroupTree>& tree() const;

    [[nodiscard]] Result<void> bound_one(std::string_view service, std::string_view key,
            std::string_view file, const std::string& value) const;

    const StateHeader& header_;
    mutable bool looked_ = false;
    mutable std::optional<CgroupTree> tree_;
};

}  // namespace superd
