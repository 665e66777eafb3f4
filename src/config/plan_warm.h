// SPDX-License-Identifier: MIT
// The part of the plan that says how many handlers are started ahead of their clients.
#pragma once

#include <cstdint>
#include <optional>
#include <tuple>

#include "config/plan_base.h"

namespace superd {

struct PrestartPlan {
    std::uint32_t count = 0;                                    // 0: none
    std::optional<Nanoseconds> max_age{std::chrono::hours(1)};  // of one that waits; empty: any

    bool operator==(const PrestartPlan&) const = default;

    template <class P = PrestartPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"count", &P::count}, Field{"max_age", &P::max_age}};
    }
};

}  // namespace superd
