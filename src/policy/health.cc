// SPDX-License-Identifier: MIT
#include "policy/health.h"

namespace superd {

HealthStep count_check(const HealthPlan& plan, HealthTally& tally, bool passed) {
    if (passed) {
        tally.failures = 0;
        ++tally.successes;
        if (!tally.out || tally.successes < plan.successes) return HealthStep::none;
        tally.out = false;
        return HealthStep::bring_back;
    }
    tally.successes = 0;
    ++tally.failures;
    if (tally.out || tally.failures < plan.failures) return HealthStep::none;
    if (plan.action == HealthAction::restart) return HealthStep::restart;
    tally.out = true;
    return HealthStep::take_out;
}

}  // namespace superd
