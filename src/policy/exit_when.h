// SPDX-License-Identifier: MIT
// exit_when: when superd stops by itself, and with which exit code. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "policy/state_names.h"

namespace superd {

// What is known of one service.
struct EndFacts {
    std::string_view name;
    ServiceState state = ServiceState::stopped;
    bool ran = false;    // it has ended or failed to start, at least once
    bool comes = false;  // by the clock: it is started again whatever it has come to
    int status = -1;     // of its last process, as waitpid(2)'s; -1: unknown, or there was none
    bool started = false;  // its last start came as far as a process
    int error = 0;         // ... else errno
};

struct FinalExit {
    std::string_view service;  // whose end it is; empty: of all
    int code = 0;
};

// Nothing as long as superd is to go on. exit_when: as in the plan.
[[nodiscard]] std::optional<FinalExit> decide_exit(
        std::string_view exit_when, std::span<const EndFacts> services);

// As a shell has it: the exit status; 128 and the signal; 127 where there is no such program,
// 126 where it could not be started. What has failed is never 0.
[[nodiscard]] int final_code_of(const EndFacts& service);

}  // namespace superd
