// SPDX-License-Identifier: MIT
// What a superd has before it serves: its lock, its state, the descriptors that it starts with.
#pragma once

#include <optional>

#include "base/fd.h"
#include "cmd/superd_options.h"
#include "config/config.h"
#include "config/plan.h"
#include "sys/background.h"
#include "sys/handover.h"
#include "sys/state.h"

namespace superd {

struct Place {
    Background background;
    Fd lock;
    State state;
};

// A place, or what the process ends with; what went wrong has been printed.
using PlaceOrStatus = tl::expected<Place, int>;

// Folders, the launch slots, the lock of the run directory, the pid file, an empty state. With
// --background the caller's process comes back with a status.
[[nodiscard]] PlaceOrStatus take_place(const DaemonOptions& options);

// --resume: what the program before left (sys/handover.h). Where it cannot be read that program
// is begun again and this does not return.
[[nodiscard]] PlaceOrStatus resume_place(
        const DaemonOptions& options, const Beginning& beginning);

// superd --check-state: whether resume_place() would do, with the state's text on descriptor 0
// and the plan on 3. Prints one line; returns the exit status.
[[nodiscard]] int check_state(const DaemonOptions& options);

// superd-log or its like beside this program (a build tree), else where it was installed to.
[[nodiscard]] std::string find_own_program(const std::string& name);

[[nodiscard]] ReadOptions read_options_of(const DaemonOptions& options);

// A plan from the copies of the files that the last
// accepted one was made from; nothing where they cannot be read.
[[nodiscard]] std::optional<Plan> read_kept_files(const DaemonOptions& options);

}  // namespace superd
