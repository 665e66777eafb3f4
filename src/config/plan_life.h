// SPDX-License-Identifier: MIT
// The part of the plan that says how a service is kept alive.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "config/plan_admission.h"
#include "config/plan_base.h"

namespace superd {

enum class Restart : std::uint8_t { no, on_failure, on_abnormal, on_success, always };

// An exit status, or a signal, that is a good end.
struct CleanExit {
    bool is_signal = false;
    std::uint8_t code = 0;

    bool operator==(const CleanExit&) const = default;

    template <class P = CleanExit>
    static constexpr auto fields() {
        return std::tuple{Field{"is_signal", &P::is_signal}, Field{"code", &P::code}};
    }
};

// The exits that are clean where clean_exit does not stand: 0, HUP, INT, TERM, PIPE.
[[nodiscard]] std::vector<CleanExit> usual_clean_exits();

struct LifePlan {
    Restart restart = Restart::no;
    Nanoseconds restart_delay{std::chrono::milliseconds(100)};  // doubled with each in a row
    Nanoseconds restart_delay_max{std::chrono::seconds(60)};
    std::optional<Frequency> restart_limit;  // empty: it is never given up
    std::vector<CleanExit> clean_exit = usual_clean_exits();

    bool operator==(const LifePlan&) const = default;

    template <class P = LifePlan>
    static constexpr auto fields() {
        return std::tuple{Field{"restart", &P::restart},
                Field{"restart_delay", &P::restart_delay},
                Field{"restart_delay_max", &P::restart_delay_max},
                Field{"restart_limit", &P::restart_limit}, Field{"clean_exit", &P::clean_exit}};
    }
};

}  // namespace superd
