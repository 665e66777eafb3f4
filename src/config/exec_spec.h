// SPDX-License-Identifier: MIT
// What superd-exec is told about the service that it steps in for: everything between its own
// start and the exec of the service's program. Values only; the same for all launches of one
// plan, so that it is written down once, in a sealed memory file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "config/plan_base.h"
#include "config/plan_process.h"

namespace superd {

struct ExecSpec {
    std::string service;
    std::string program;                   // path for execve(2)
    std::vector<std::string> argv;         // argv[0] as the program sees it
    std::vector<std::string> environment;  // "NAME=value": what no connection changes
    IdentityPlan identity;
    std::optional<std::uint32_t> umask;
    std::optional<std::int32_t> nice, oom_score_adjust;
    std::vector<RlimitPlan> rlimits;
    std::string directory, root;
    std::vector<std::uint32_t> cpu_affinity;
    std::optional<std::uint8_t> ionice_class, ionice_level;
    SandboxPlan sandbox;
    Nanoseconds timeout{0};  // for all of it; launch_timeout

    std::string daemon;  // what hosts_access(3) is asked about; empty: it is not asked
    bool peer_label = false;
    std::string banner;           // what superd could not send at once is sent first
    std::string banner_admitted;  // text
    std::string refusal;          // text for those that hosts_access(3) denies

    bool operator==(const ExecSpec&) const = default;

    static constexpr auto fields() {
        using P = ExecSpec;
        return std::tuple{Field{"service", &P::service}, Field{"program", &P::program},
                Field{"argv", &P::argv}, Field{"environment", &P::environment},
                Field{"identity", &P::identity}, Field{"umask", &P::umask},
                Field{"nice", &P::nice}, Field{"oom_score_adjust", &P::oom_score_adjust},
                Field{"rlimits", &P::rlimits}, Field{"directory", &P::directory},
                Field{"root", &P::root}, Field{"cpu_affinity", &P::cpu_affinity},
                Field{"ionice_class", &P::ionice_class},
                Field{"ionice_level", &P::ionice_level}, Field{"sandbox", &P::sandbox},
                Field{"timeout", &P::timeout}, Field{"daemon", &P::daemon},
                Field{"peer_label", &P::peer_label}, Field{"banner", &P::banner},
                Field{"banner_admitted", &P::banner_admitted}, Field{"refusal", &P::refusal}};
    }
};

}  // namespace superd
