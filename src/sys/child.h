// SPDX-License-Identifier: MIT
// What runs between clone and exec.
#pragma once

#include <cstddef>
#include <cstdint>

#include "policy/spawn_plan.h"
#include "sys/clone.h"
#include "sys/exec_report.h"
#include "sys/state.h"

namespace superd {

// All that a child needs, laid out by the thread that makes it (sys/launch_buffer.h). The child
// reads it, and writes to `sources`, the pids' texts and the record only.
struct ChildWork {
    Sharing sharing = Sharing::memory_and_table;
    int slot = -1;                  // memory_and_table: the first number of the own slot
    int exec_pipe = -1;             // nothing: close-on-exec, held open until exec
    int* sources = nullptr;         // descriptor n is to be what sources[n] is now; -1: closed
    std::size_t source_count = 0;   // at least 3
    std::size_t blocking_from = 0;  // descriptors of which O_NONBLOCK is taken away
    std::size_t blocking_count = 0;
    int ipv4_client = -1;  // a TCP connection that is to be of IPv4 where it is of IPv6; or -1
    char* const* argv = nullptr;
    char* const* environment = nullptr;
    char* listen_pid = nullptr;      // behind "LISTEN_PID="; room for 11 bytes; or null
    char* watchdog_pid = nullptr;    // behind "WATCHDOG_PID=", the same
    char* local_pid = nullptr;       // behind "UNIXLOCALPID=", the same
    const char* oom_text = nullptr;  // digits of oom_score_adjust; or null
    std::size_t oom_length = 0;
    const unsigned long* cpu_mask = nullptr;
    std::size_t cpu_mask_size = 0;           // bytes
    std::uint64_t ignored_signals = 0;       // bit n-1: signal n is ignored in superd
    const char* cgroup_processes = nullptr;  // a cgroup.procs to step into; or null
    const SpawnPlan* plan = nullptr;
    ProcessRecord* record = nullptr;
    // The descriptor, once they are in place, of a program that steps in before the service and
    // does the rest of the sequence; -1: none does.
    int step_in = -1;
    // In superd-exec: the rules that Landlock is to hold; -1: none.
    int landlock = -1;
    // In superd-exec: where to say what becomes of it, and the message but for its verdict.
    int report_fd = -1;
    ExecReport report;
};

// ChildFunction; the argument is a ChildWork. Ends 127 where the program is not there, 126 for
// everything else, with stage and errno in the record.
int child_main(void* work);

// The part of it that superd-exec does: from the limits to the exec.
[[noreturn]] void finish_launch(const ChildWork& work);

}  // namespace superd
