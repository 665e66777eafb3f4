// SPDX-License-Identifier: MIT
// Bounding the lines about refusals.
#include "policy/log_limiter.h"

#include <utility>

namespace superd {

std::optional<std::uint64_t> LogLimiter::allow(
        std::uint32_t service, Refusal reason, Mono now) {
    const auto index = static_cast<std::size_t>(reason);
    if (index >= refusal_count) return 0;
    Window& window = services_[service][index];
    if (!window.used || now - window.start >= std::chrono::minutes(1)) {
        window.used = true;
        window.start = now;
        window.lines = 0;
    }
    if (window.lines >= limit_) {
        ++window.suppressed;
        return std::nullopt;
    }
    ++window.lines;
    return std::exchange(window.suppressed, 0);
}

}  // namespace superd
