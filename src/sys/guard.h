// SPDX-License-Identifier: MIT
// The guard: shares its descriptor table and the state with superd and starts it again.
//
// One thread, no libuv, no libsystemd, no descriptor of its own. What superd and the guard say
// to each other is in StateHeader; signals only announce that something is there:
//
//   guard_signal() to superd     an entry of `exits` is new
//   guard_signal() to the guard  an entry of `exits` was acknowledged, or `heartbeat` was set
//   guard_gone_signal() to superd  by the kernel: the guard has died. superd stops in order, so
//                                that a new guard and its superd do not accept beside it
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "base/clock.h"
#include "base/result.h"
#include "sys/handover.h"
#include "sys/state.h"

namespace superd {

// Exit codes of superd to the guard; anything else is a crash.
inline constexpr int exit_stop = 0;
inline constexpr int exit_upgrade = 75;
inline constexpr int exit_first_start_failed = 78;

// In place of a heartbeat: the superd before was killed for the lack of one.
inline constexpr std::int64_t heartbeat_of_hung = -1;

[[nodiscard]] int guard_signal();
[[nodiscard]] int guard_gone_signal();

struct GuardOptions {
    bool no_guard = false;  // --no-guard: body runs in this process (valgrind, debuggers)
    // Two heartbeats are due in it; after one and a half of it without any superd is killed.
    Nanoseconds hung = std::chrono::seconds(30);
    // For tests that cannot wait: what the pauses after quick deaths are multiples of, and how
    // long a superd must live for its death not to count as quick.
    Nanoseconds pause_unit = std::chrono::seconds(1);
    Nanoseconds quick = std::chrono::seconds(10);
    // How to begin another program in this one's place; a loan. Null: exit_upgrade is a crash.
    const Beginning* beginning = nullptr;
};

// Runs body(state) in a child made with clone(CLONE_FILES) and no exec, forwards TERM, INT,
// QUIT, HUP, USR1 and USR2 to it, and starts it again after a death nobody asked for: at once,
// then after 1, 2, 4 ... 60 s when it dies within 10 s of its start. A superd that somebody
// killed with KILL while it served (StateHeader::serving) is started again at once: that is not
// its fault. body's return value is its exit code.
//
// When body begins all signals are blocked and dispositions are the default; its process is a
// child subreaper, leads a process group of its own and, as root, is not dumpable.
//
// Reaps what becomes its child only after superd has seen the exit: StateHeader::exits.
//
// Where header.heartbeat is above 0 and grows too old, superd is killed; a new superd begins
// with 0, and after such a death with heartbeat_of_hung. An old heartbeat alone proves nothing:
// superd and the guard may both have been stopped for that time, or have had no processor. So
// the guard looks twice, each time after three quarters of `hung` by its own clock: more than
// superd needs for a heartbeat, even where its timer begins anew when it goes on. A second look
// that comes late counts as a first one.
// CLOCK_MONOTONIC stands still while the machine is suspended.
//
// After exit_upgrade the guard becomes the program that StateHeader::successor names
// (sys/handover.h); where that fails StateHeader::handover_failure says why and superd is
// started again. A superd that took another one's place and dies before it serves is not
// started again: the guard becomes the former program once more.
//
// Returns the exit code of the whole: StateHeader::final_code after a stop, 1 after
// exit_first_start_failed or a second death in the middle of a stop (after the first one superd
// is started once more, to stop).
[[nodiscard]] int run_guard(
        State& state, const GuardOptions& options, const std::function<int(State&)>& body);

// How a superd ended.
struct Death {
    bool killed = false;  // by SIGKILL
    bool served = false;  // it had said so in StateHeader::serving
    Nanoseconds lived{0};
};

// The pause before the next start. Pure.
class RestartPauses {
public:
    explicit RestartPauses(const GuardOptions& options) : options_(options) {}

    [[nodiscard]] Nanoseconds after(const Death& death);

private:
    GuardOptions options_;
    unsigned quick_deaths_ = 0;  // in a row
};

}  // namespace superd
