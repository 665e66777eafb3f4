// SPDX-License-Identifier: MIT
// The token bucket.
#include "policy/rate.h"

#include <algorithm>
#include <cmath>

namespace superd {

namespace {

double nanoseconds_a_token(const RatePlan& rate) {
    return static_cast<double>(rate.limit.period.count()) /
           static_cast<double>(rate.limit.count);
}

// A token that rounding left a billionth short of whole is whole.
constexpr double whole = 1.0 - 1e-9;

bool is_paused(const Bucket& bucket, Mono now) {
    return *bucket.paused_until > to_nanoseconds(now);
}

Mono when_whole(const RatePlan& rate, double tokens, Mono now) {
    if (tokens >= whole) return now;
    const double wait = std::ceil((1.0 - tokens) * nanoseconds_a_token(rate));
    return now + Nanoseconds(std::max<std::int64_t>(1, static_cast<std::int64_t>(wait)));
}

}  // namespace

double tokens_at(const RatePlan& rate, const Bucket& bucket, Mono now) {
    if (*bucket.tokens_at == 0) return rate.burst;
    // Not before the last use: a bucket never loses by a clock read late.
    const std::int64_t since =
            std::max<std::int64_t>(0, to_nanoseconds(now) - *bucket.tokens_at);
    const double filled =
            *bucket.tokens + static_cast<double>(since) / nanoseconds_a_token(rate);
    // What stands in the memory may come from a plan with another burst.
    return std::clamp(filled, 0.0, static_cast<double>(rate.burst));
}

bool is_exhausted(const RatePlan& rate, const Bucket& bucket, Mono now) {
    return is_paused(bucket, now) || tokens_at(rate, bucket, now) < whole;
}

Mono next_token(const RatePlan& rate, const Bucket& bucket, Mono now) {
    const double tokens = tokens_at(rate, bucket, now);
    if (is_paused(bucket, now))
        return std::max(from_nanoseconds(*bucket.paused_until), when_whole(rate, tokens, now));
    if (tokens >= whole) return now;
    return std::max(now + rate.pause, when_whole(rate, tokens, now));
}

void begin_pause(const RatePlan& rate, const Bucket& bucket, Mono now) {
    if (rate.pause.count() == 0 || !is_exhausted(rate, bucket, now) || is_paused(bucket, now))
        return;
    *bucket.paused_until = to_nanoseconds(next_token(rate, bucket, now));
}

bool take(const RatePlan& rate, const Bucket& bucket, Mono now) {
    if (is_exhausted(rate, bucket, now)) {
        begin_pause(rate, bucket, now);
        return false;
    }
    *bucket.tokens = std::max(0.0, tokens_at(rate, bucket, now) - 1.0);
    *bucket.tokens_at = std::max<std::int64_t>(1, to_nanoseconds(now));
    *bucket.paused_until = 0;
    return true;
}

}  // namespace superd
