// SPDX-License-Identifier: MIT
// Token buckets over plain fields that somebody else keeps (SourceEntry, ServiceRecord), so
// that they survive a superd that is killed.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "config/plan.h"

namespace superd {

// Where one bucket's fields lie. A bucket that was never used (tokens_at 0) is full.
struct Bucket {
    double* tokens = nullptr;
    std::int64_t* tokens_at = nullptr;     // CLOCK_MONOTONIC, ns; 0: never used
    std::int64_t* paused_until = nullptr;  // CLOCK_MONOTONIC, ns; 0: not paused
};

// What the bucket would hold at `now`; changes nothing.
[[nodiscard]] double tokens_at(const RatePlan& rate, const Bucket& bucket, Mono now);
// True while a pause lasts or no whole token is there; changes nothing.
[[nodiscard]] bool is_exhausted(const RatePlan& rate, const Bucket& bucket, Mono now);
// When the next one may come: `now`, the end of the pause, or the next token, whichever is
// last. Counts the pause that is_exhausted() would be answered with by begin_pause().
[[nodiscard]] Mono next_token(const RatePlan& rate, const Bucket& bucket, Mono now);

// Takes one token. Where there is none nothing is taken, and a pause begins if the rate has one
// and none lasts: false.
[[nodiscard]] bool take(const RatePlan& rate, const Bucket& bucket, Mono now);
// Begins the rate's pause where the bucket is empty and none lasts; nothing otherwise.
void begin_pause(const RatePlan& rate, const Bucket& bucket, Mono now);

// CLOCK_MONOTONIC in nanoseconds and back, as the plain fields hold it.
[[nodiscard]] inline std::int64_t to_nanoseconds(Mono time) {
    return time.time_since_epoch().count();
}

[[nodiscard]] inline Mono from_nanoseconds(std::int64_t time) {
    return Mono(Nanoseconds(time));
}

}  // namespace superd
