// SPDX-License-Identifier: MIT
// How many lines about refusals are written: so many a minute for each service and reason.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "base/clock.h"
#include "policy/refusal.h"

namespace superd {

// Costs about 300 bytes for each service that has refused anybody.
class LogLimiter {
public:
    explicit LogLimiter(std::uint32_t lines_a_minute = 5) : limit_(lines_a_minute) {}

    // A line may be written: how many like it were left out since the last one. Nothing: it is
    // left out, and counted.
    [[nodiscard]] std::optional<std::uint64_t> allow(
            std::uint32_t service, Refusal reason, Mono now);

    void forget_service(std::uint32_t service) { services_.erase(service); }

private:
    struct Window {
        Mono start{};
        std::uint32_t lines = 0;
        bool used = false;
        std::uint64_t suppressed = 0;
    };

    std::uint32_t limit_;
    std::unordered_map<std::uint32_t, std::array<Window, refusal_count>> services_;
};

}  // namespace superd
