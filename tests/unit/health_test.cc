// SPDX-License-Identifier: MIT
// What the results of health checks come to.
#include "policy/health.h"

#include "support/catch.h"

using namespace superd;

namespace {

HealthPlan plan_of(HealthAction action) {
    HealthPlan plan;
    plan.kind = HealthKind::tcp;
    plan.action = action;
    plan.failures = 3;
    plan.successes = 2;
    return plan;
}

}  // namespace

TEST_CASE("health: failures in a row are counted, a success makes up for them") {
    const HealthPlan plan = plan_of(HealthAction::restart);
    HealthTally tally;
    CHECK(count_check(plan, tally, false) == HealthStep::none);
    CHECK(count_check(plan, tally, false) == HealthStep::none);
    CHECK(count_check(plan, tally, true) == HealthStep::none);
    CHECK(count_check(plan, tally, false) == HealthStep::none);
    CHECK(count_check(plan, tally, false) == HealthStep::none);
    CHECK(count_check(plan, tally, false) == HealthStep::restart);
    CHECK_FALSE(tally.out);
}

TEST_CASE("health: one that is taken out is back after successes in a row") {
    const HealthPlan plan = plan_of(HealthAction::take_out);
    HealthTally tally;
    for (int i = 0; i < 2; ++i)
        CHECK(count_check(plan, tally, false) == HealthStep::none);
    CHECK(count_check(plan, tally, false) == HealthStep::take_out);
    CHECK(tally.out);
    for (int i = 0; i < 5; ++i)
        CHECK(count_check(plan, tally, false) == HealthStep::none);
    CHECK(count_check(plan, tally, true) == HealthStep::none);
    CHECK(count_check(plan, tally, false) == HealthStep::none);
    CHECK(count_check(plan, tally, true) == HealthStep::none);
    CHECK(count_check(plan, tally, true) == HealthStep::bring_back);
    CHECK_FALSE(tally.out);
}
