// SPDX-License-Identifier: MIT
// superd-exec: what steps in between fork and exec where a service asked for something that
// needs a library or may take its time: hosts_access(3), SELinux, the banner of those let in,
// namespaces of its own.
//
// It runs as superd's user in the child that superd has cloned, with the service's descriptors
// 0 .. n-1 in place, and behind them: n the sealed memory file with the ExecSpec, n+1 the write
// end of the report pipe, n+2 itself. argv is its name, a StepInCall and the variables that
// this connection adds to the environment. It says what becomes of the launch by ExecReport and
// then execs the service's program, which sees nothing of it; or ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/plan_listener.h"

namespace superd {

struct StepInCall {
    unsigned descriptors = 0;  // n
    unsigned socket = 0;       // which of them is the connection
    ListenerKind kind = ListenerKind::tcp;
    std::uint32_t record = 0;
    std::uint64_t connection = 0;
    std::uint32_t banner_sent = 0;  // bytes of ExecSpec::banner that superd has sent already

    [[nodiscard]] std::string text() const;
    [[nodiscard]] static std::optional<StepInCall> parse(std::string_view text);
};

// The whole of superd-exec's main(). Comes back with 0 where it was the first process of a pid
// namespace (sys/pid_namespace.h) that is at its end; else only where it was not started by
// superd.
int run_step_in(int argc, char** argv);

}  // namespace superd
