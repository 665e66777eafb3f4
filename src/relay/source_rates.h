// SPDX-License-Identifier: MIT
// A token bucket for each source of datagrams, in a table of a fixed size: whoever forges
// sources fills it and finds an answer no sooner.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/address.h"
#include "config/plan.h"
#include "policy/rate.h"
#include "policy/siphash.h"

namespace superd {

class SourceRates {
public:
    // key: makes the places of sources unforeseeable.
    SourceRates(std::optional<RatePlan> rate, const SipKey& key);

    // Takes a token of the source; always true without a rate.
    [[nodiscard]] bool take(const Endpoint& peer, Mono now);

private:
    // A source is in one of four places; the one longest unused makes room.
    static constexpr std::size_t ways = 4, sets = 1024;

    struct Entry {
        Source source;
        double tokens = 0;
        std::int64_t tokens_at = 0, paused_until = 0;
    };

    [[nodiscard]] Entry& find(const Source& source);

    const std::optional<RatePlan> rate_;
    const SipKey key_;
    std::unique_ptr<std::array<Entry, ways * sets>> entries_;  // none without a rate
};

}  // namespace superd
