// SPDX-License-Identifier: MIT
// The part of the plan that says when what runs is stopped or replaced although nothing failed,
// and how it is looked after from outside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>

#include "base/clock.h"
#include "config/plan_base.h"
#include "config/plan_life.h"

namespace superd {

// How a daemon or worker is asked whether it serves.
enum class HealthKind : std::uint8_t {
    none,
    exec,  // a command ends with status 0
    tcp,   // a connection comes about
    http,  // GET is answered with 2xx or 3xx
    local  // unix: a connection to a UNIX socket comes about
};

enum class HealthAction : std::uint8_t {
    restart,  // the process is stopped, which counts as a failure
    take_out  // it is left alone, and its service is not ready until it passes again
};

struct HealthPlan {
    HealthKind kind = HealthKind::none;
    HealthAction action = HealthAction::restart;
    Command command;      // HealthKind::exec
    std::string address;  // canonical: "tcp:127.0.0.1:80", "unix:/run/x.sock"
    std::string host;     // HealthKind::http: as it is written, with its port
    std::string target;   // ... its path and query
    Nanoseconds every{std::chrono::seconds(10)};
    Nanoseconds timeout{std::chrono::seconds(5)};
    Nanoseconds start_delay{0};   // from when it is ready to the first check
    std::uint32_t failures = 3;   // in a row, and the action is taken
    std::uint32_t successes = 1;  // in a row, and one that was taken out is back

    bool operator==(const HealthPlan&) const = default;

    template <class P = HealthPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"kind", &P::kind}, Field{"action", &P::action},
                Field{"command", &P::command}, Field{"address", &P::address},
                Field{"host", &P::host}, Field{"target", &P::target}, Field{"every", &P::every},
                Field{"timeout", &P::timeout}, Field{"start_delay", &P::start_delay},
                Field{"failures", &P::failures}, Field{"successes", &P::successes}};
    }
};

struct UpkeepPlan {
    std::optional<Nanoseconds> idle_stop;       // Mode::worker; empty: it is never idle
    std::optional<Nanoseconds> max_age;         // of a process; empty: as old as it gets
    std::optional<std::uint64_t> max_requests;  // that a process says it has served
    HealthPlan health;

    bool operator==(const UpkeepPlan&) const = default;

    template <class P = UpkeepPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"idle_stop", &P::idle_stop}, Field{"max_age", &P::max_age},
                Field{"max_requests", &P::max_requests}, Field{"health", &P::health}};
    }
};

}  // namespace superd
