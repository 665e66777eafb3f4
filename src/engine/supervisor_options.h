// SPDX-License-Identifier: MIT
// What a supervisor is told once, by the program that makes it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "config/config.h"
#include "config/plan.h"
#include "engine/directories.h"
#include "engine/relays.h"
#include "policy/spawn_plan.h"
#include "sys/handover.h"
#include "sys/spawner.h"

namespace superd {

struct SupervisorOptions {
    ReadOptions read;  // of superd.toml, for reloads
    std::string version;
    std::string run_directory;    // "/run/superd"
    std::string state_directory;  // "/var/lib/superd"
    std::string log_program;      // absolute path of superd-log; empty: lines go to stderr
    std::string exec_program;     // of superd-exec; empty: what needs it is not started
    std::string park_library;     // libsuperd-park.so; empty: no handler is started ahead
    IdentityPlan log_identity;    // of superd-log
    std::string resolve_program;  // superd-resolve; empty: every name and user stays unknown
    IdentityPlan resolve_identity;
    std::string announce_program;  // superd-announce; empty: nothing is announced
    IdentityPlan announce_identity;
    RelayOptions relay;
    int log_stderr = 2;  // its stderr, a loan; -1: /dev/null, for the caller's is not kept
    Prefixes prefixes;
    SpawnerOptions spawner;
    SpawnContext spawn_context;
    bool root = false;
    bool debug = false;  // stderr is a sink too, and debug lines are written
    std::function<void(std::string_view)> notify;  // sd_notify text; may be empty
    // The same with a descriptor; false: later. Empty: nobody hears it.
    std::function<bool(const std::string&, int)> store;
    Nanoseconds watchdog{0};               // Heartbeat's period; 0: nobody asked for it
    const Beginning* beginning = nullptr;  // for an upgrade, a loan; null: there is none
};

}  // namespace superd
