// SPDX-License-Identifier: MIT
// What a reload would do, service by service.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/plan.h"

namespace superd {

// keep: nothing changed. in_place: takes effect at once or at the next start; listeners and
// processes stay. rebind: at least one listener is closed, opened or changed.
enum class Change : std::uint8_t { keep, in_place, rebind, added, removed };

struct ServiceDiff {
    std::string name;
    Change change = Change::keep;
    std::vector<std::string> keys;  // the option keys that differ
    bool restart = false;           // a running worker or daemon only notices after a restart
};

// Services of both plans by name, in order; origins do not count.
[[nodiscard]] std::vector<ServiceDiff> diff_plans(const Plan& from, const Plan& to);

// Two listeners that can share one descriptor over a reload: same address and the same options
// that only bind(2) or socket(2) can set.
[[nodiscard]] bool same_socket(const ListenerPlan& a, const ListenerPlan& b);

}  // namespace superd
