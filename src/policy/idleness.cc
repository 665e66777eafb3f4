// SPDX-License-Identifier: MIT
#include "policy/idleness.h"

#include <algorithm>

namespace superd {

IdleDecision decide_idle(Nanoseconds idle_stop, Mono since, Mono now) {
    const Nanoseconds left = since + idle_stop - now;
    if (left <= Nanoseconds::zero()) return {true, Nanoseconds{0}};
    return {false, std::min(left, idle_stop / 4)};
}

}  // namespace superd
