// SPDX-License-Identifier: MIT
// Control groups of version 2: they hold the processes of a service together, bound what these
// take, and count it.
//
// One directory of superd's own below the group that it runs in; in it one for each service,
// which has the bounds, and in that one for each process that lives on by itself. See
// cgroups(7) and Documentation/admin-guide/cgroup-v2.rst of Linux.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace superd {

class CgroupTree {
public:
    // Where a hierarchy of version 2 with cgroup.kill (Linux 5.14) is mounted and this process
    // may make groups in it; nothing where one of these is not so. `name`: the directory, which
    // only this superd and those after it use. It is made when the first group is.
    [[nodiscard]] static std::optional<CgroupTree> find(const std::string& name);

    [[nodiscard]] const std::string& path() const { return path_; }

    // A group's name is "SERVICE/NUMBER"; that of a service is one, too.
    [[nodiscard]] std::string path_of(std::string_view group) const;
    // The group's directory for CLONE_INTO_CGROUP; it is made where there is none.
    [[nodiscard]] Result<Fd> open(std::string_view group) const;
    // Those that run in it; none where there is no such group.
    [[nodiscard]] std::vector<pid_t> processes(std::string_view group) const;
    // To each of them; to how many.
    unsigned signal(std::string_view group, int signal) const;
    // KILL for all of them, those too that are being forked now.
    [[nodiscard]] Result<void> kill(std::string_view group) const;
    // Nothing happens where processes are left in it.
    void remove(std::string_view group) const;
    // All groups without processes, then the directory itself where nobody is left in it.
    void remove_empty() const;

    // Has the kernel's controller of that name ("memory") count for each service. Groups with
    // controllers below them hold no processes themselves, so where it must be, all of those
    // in superd's own group step into one of their own first.
    [[nodiscard]] Result<void> enable(const std::string& controller) const;
    // A file of a group, whole; nothing where there is none.
    [[nodiscard]] std::optional<std::string> read(
            std::string_view group, const std::string& file) const;
    [[nodiscard]] Result<void> write(
            std::string_view group, const std::string& file, const std::string& text) const;

private:
    CgroupTree(std::string own, const std::string& name)
            : own_(std::move(own)), path_(own_ + "/" + name) {}

    [[nodiscard]] Result<void> step_aside() const;

    std::string own_;   // the group that superd was started in
    std::string path_;  // superd's own directory in it
};

// What the processes of a group take together; empty: nobody counts it.
struct GroupUsage {
    Nanoseconds processor{0};
    std::optional<std::uint64_t> memory, tasks;  // bytes; processes and threads
    // Percent of the last ten seconds that some of them waited for it.
    std::optional<double> processor_pressure, memory_pressure, io_pressure;
};

// How many processes the kernel has killed for want of memory since the machine was started,
// those of memory cgroups too (oom_kill in /proc/vmstat); 0 where it does not say.
[[nodiscard]] std::uint64_t memory_kills_of_all();

// The mount point of a hierarchy of version 2 in the text of /proc/self/mountinfo, and the
// process's own group in that of /proc/self/cgroup; empty where there is none.
[[nodiscard]] std::string cgroup_mount_in(std::string_view mountinfo);
[[nodiscard]] std::string own_cgroup_in(std::string_view cgroup);

// The number behind a word of a file of lines "word number", as memory.events is one and
// /proc/vmstat.
[[nodiscard]] std::optional<std::uint64_t> count_in(
        std::string_view text, std::string_view word);
// avg10 of the line "some" in a file like memory.pressure: percent of the last ten seconds.
[[nodiscard]] std::optional<double> pressure_in(std::string_view text);

}  // namespace superd
