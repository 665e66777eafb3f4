// SPDX-License-Identifier: MIT
// Handlers that are started ahead: how many to start now, and when to look again. Pure.
//
// A program that cannot be parked is not tried again and again: each try in a row that comes to
// nothing doubles the pause before the next one, up to a ceiling, and one that parks ends it.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace superd {

// What one service's come to.
struct WarmPool {
    std::uint32_t wanted = 0;
    std::uint32_t starting = 0;  // launched, not parked yet
    std::uint32_t parked = 0;
    std::uint32_t misses = 0;  // tries in a row that did not park
    Mono not_before{};         // the end of the pause after the last of them
};

struct WarmDecision {
    std::uint32_t start = 0;
    std::uint32_t end = 0;      // of those that are too many
    std::optional<Mono> again;  // when to look, if nothing happens before
};

// room: processes that superd may still start.
[[nodiscard]] WarmDecision decide_warm(const WarmPool& pool, std::uint32_t room, Mono now);

// A try came to nothing.
void note_miss(WarmPool& pool, Mono now);
// One has parked.
void note_parked(WarmPool& pool);

// From the first pause to the longest.
[[nodiscard]] Nanoseconds warm_pause(std::uint32_t misses);

}  // namespace superd
