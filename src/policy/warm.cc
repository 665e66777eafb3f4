// SPDX-License-Identifier: MIT
#include "policy/warm.h"

#include <algorithm>

namespace superd {

namespace {

constexpr Nanoseconds first_pause = std::chrono::seconds(1);
constexpr Nanoseconds longest_pause = std::chrono::minutes(10);
constexpr Nanoseconds full_look = std::chrono::seconds(1);

}  // namespace

Nanoseconds warm_pause(std::uint32_t misses) {
    if (misses == 0) return Nanoseconds{0};
    const std::uint32_t doublings = std::min<std::uint32_t>(misses - 1, 16);
    return std::min(longest_pause, first_pause * (std::int64_t{1} << doublings));
}

WarmDecision decide_warm(const WarmPool& pool, std::uint32_t room, Mono now) {
    WarmDecision decision;
    const std::uint32_t there = pool.starting + pool.parked;
    if (there >= pool.wanted) {
        decision.end = there - pool.wanted;
        return decision;
    }
    if (pool.misses > 0 && now < pool.not_before) {
        decision.again = pool.not_before;
        return decision;
    }
    // After a miss one is tried alone: what it comes to decides about the others.
    const std::uint32_t missing = pool.wanted - there;
    const std::uint32_t most = pool.misses == 0 ? missing : pool.starting == 0 ? 1 : 0;
    decision.start = std::min(most, room);
    if (decision.start < most) decision.again = now + full_look;
    return decision;
}

void note_miss(WarmPool& pool, Mono now) {
    ++pool.misses;
    pool.not_before = now + warm_pause(pool.misses);
}

void note_parked(WarmPool& pool) {
    pool.misses = 0;
}

}  // namespace superd
