// SPDX-License-Identifier: MIT
// The guard: shares its descriptor table and the state with superd and starts it again.
//
// One thread, no libuv, no libsystemd. See design §3 and systems.md 3, 13, 14.
#pragma once

#include <functional>

#include "base/result.h"
#include "sys/state.h"

namespace superd {

// Exit codes of superd to the guard; anything else is a crash.
inline constexpr int exit_stop = 0;
inline constexpr int exit_upgrade = 75;
inline constexpr int exit_first_start_failed = 78;

struct GuardOptions {
    bool no_guard = false;  // --no-guard: body runs in this process (valgrind, debuggers)
};

// Runs body(state) in a child made with clone(CLONE_FILES) and no exec, forwards TERM, INT, QUIT,
// HUP, USR1 and USR2 to it, and starts it again after a death nobody asked for: at once, then
// after 1, 2, 4 ... 60 s when it dies within 10 s of its start. body's return value is its exit
// code. All signals are blocked in body's process when it begins, dispositions are the default.
// Returns the exit code of the whole: 0 after a stop, 1 after exit_first_start_failed.
// Reaps what becomes its child only after superd has seen the exit: StateHeader::exits, announced
// by SIGRTMIN to superd; superd answers with SIGRTMIN to the guard.
[[nodiscard]] int run_guard(State& state, const GuardOptions& options,
        const std::function<int(State&)>& body);

}  // namespace superd
