// SPDX-License-Identifier: MIT
// Geometric pauses, and the three chances of a datagram.
#include "policy/backoff.h"

#include <algorithm>

namespace superd {

Nanoseconds growing_pause(Nanoseconds first, Nanoseconds ceiling, std::uint32_t failures) {
    if (failures == 0 || first == Nanoseconds::zero()) return Nanoseconds(0);
    ceiling = std::max(first, ceiling);
    Nanoseconds pause = first;
    // 63 doublings at most, and none that would overflow.
    for (std::uint32_t i = 1; i < failures && pause < ceiling; ++i)
        pause = pause > ceiling / 2 ? ceiling : pause * 2;
    return pause;
}

Nanoseconds backoff_delay(std::uint32_t failures) {
    return growing_pause(backoff_first, backoff_ceiling, failures);
}

Nanoseconds fruitless_delay(std::uint32_t starts) {
    return std::min(backoff_delay(starts), fruitless_ceiling);
}

// Queues are served in order. As many as before or more: whoever was taken may have had a
// successor.
bool may_be_fruitless(
        const std::optional<ClientQueue>& before, const std::optional<ClientQueue>& after) {
    if (!before || !after) return true;
    const bool known = before->first != 0 && after->first != 0;
    return known ? before->first == after->first : after->length >= before->length;
}

void UnreadWatch::on_start(const std::optional<DatagramIdentity>& first) {
    if (first != started_for_) starts_ = 0;
    started_for_ = first;
}

UnreadWatch::Verdict UnreadWatch::on_workers_gone(
        const std::optional<DatagramIdentity>& first) {
    if (!first || first != started_for_) {
        starts_ = failures_ = 0;
        return {};
    }
    ++starts_;
    ++failures_;
    const bool drop = starts_ >= unread_starts;
    if (drop) starts_ = 0;
    return {drop, backoff_delay(failures_)};
}

}  // namespace superd
