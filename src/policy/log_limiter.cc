// SPDX-License-Identifier: MIT
// Bounding the lines about refusals and failures.
#include "policy/log_limiter.h"

#include <utility>

namespace superd {

std::optional<std::uint64_t> LineBudget::allow(std::uint32_t lines_a_minute, Mono now) {
    if (!used_ || now - start_ >= std::chrono::minutes(1)) {
        used_ = true;
        start_ = now;
        lines_ = 0;
    }
    if (lines_ >= lines_a_minute) {
        ++suppressed_;
        return std::nullopt;
    }
    ++lines_;
    return std::exchange(suppressed_, 0);
}

std::optional<std::uint64_t> LogLimiter::allow(
        std::uint32_t service, Refusal reason, Mono now) {
    const auto index = static_cast<std::size_t>(reason);
    if (index >= refusal_count) return 0;
    return refusals_[service][index].allow(limit_, now);
}

std::optional<std::uint64_t> LogLimiter::allow_failure(std::uint32_t service, Mono now) {
    return failures_[service].allow(limit_, now);
}

void LogLimiter::forget_service(std::uint32_t service) {
    refusals_.erase(service);
    failures_.erase(service);
}

}  // namespace superd
