// SPDX-License-Identifier: MIT
// superd's command line.
#pragma once

#include <string>

#include "sys/handover.h"

namespace superd {

struct DaemonOptions {
    std::string file = SUPERD_SYSCONFDIR "/superd.toml";
    std::string as, pid_file, run, state, socket;
    bool check = false, debug = false, background = false, no_guard = false;
    int take_from = 0;  // pid; 0: nobody
    std::string spawn;  // "", "shared", "vfork", "fork"
    // Told by a superd, not by people.
    bool check_state = false;
    Resume resume;
};

// Exits for --version, --help and wrong usage.
[[nodiscard]] DaemonOptions parse_options(int argc, char** argv);
// Folders, the control socket and paths that were not named, by user and environment; all of
// them absolute afterwards.
void fill_defaults(DaemonOptions& options);

[[nodiscard]] bool is_root();

}  // namespace superd
