// SPDX-License-Identifier: MIT
// How many lines about refusals and failures are written: so many a minute for each service
// and reason.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "base/clock.h"
#include "policy/refusal.h"

namespace superd {

// How many lines of one kind are written.
class LineBudget {
public:
    // As LogLimiter::allow().
    [[nodiscard]] std::optional<std::uint64_t> allow(std::uint32_t lines_a_minute, Mono now);

private:
    Mono start_{};
    std::uint32_t lines_ = 0;
    bool used_ = false;
    std::uint64_t suppressed_ = 0;
};

// Refusals and failed launches, each reason with a budget of its own. Costs about 300 bytes for
// each service that has refused anybody.
class LogLimiter {
public:
    explicit LogLimiter(std::uint32_t lines_a_minute = 5) : limit_(lines_a_minute) {}

    // A line may be written: how many like it were left out since the last one. Nothing: it is
    // left out, and counted.
    [[nodiscard]] std::optional<std::uint64_t> allow(
            std::uint32_t service, Refusal reason, Mono now);
    [[nodiscard]] std::optional<std::uint64_t> allow_failure(std::uint32_t service, Mono now);

    void forget_service(std::uint32_t service);

private:
    std::uint32_t limit_;
    std::unordered_map<std::uint32_t, std::array<LineBudget, refusal_count>> refusals_;
    std::unordered_map<std::uint32_t, LineBudget> failures_;
};

}  // namespace superd
