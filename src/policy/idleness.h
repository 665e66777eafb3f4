// SPDX-License-Identifier: MIT
// idle_stop: when nobody has needed a worker for long enough, and when to look again.
#pragma once

#include "base/clock.h"

namespace superd {

struct IdleDecision {
    bool stop = false;
    Nanoseconds next{0};  // until the next look, where it does not stop
};

// since: when somebody was last seen to need it, or when it was first looked at. Looks are a
// quarter of idle_stop apart, and the last one is on the moment.
[[nodiscard]] IdleDecision decide_idle(Nanoseconds idle_stop, Mono since, Mono now);

}  // namespace superd
