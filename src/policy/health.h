// SPDX-License-Identifier: MIT
// What the results of health checks come to.
#pragma once

#include <cstdint>

#include "config/plan_upkeep.h"

namespace superd {

// Of one process, since it was started.
struct HealthTally {
    std::uint32_t failures = 0, successes = 0;  // in a row
    bool out = false;                           // taken out
};

enum class HealthStep : std::uint8_t { none, restart, take_out, bring_back };

// Counts one more result, and says what follows from it.
[[nodiscard]] HealthStep count_check(const HealthPlan& plan, HealthTally& tally, bool passed);

}  // namespace superd
