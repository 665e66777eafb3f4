// SPDX-License-Identifier: MIT
// What each source (address, /64, uid) holds and may still do, for each service.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/address.h"
#include "base/clock.h"

namespace superd {

// No place in the table: not counted.
inline constexpr std::uint32_t no_source = ~std::uint32_t{0};

// Plain data; lives in the shared state so that it survives a superd that is killed.
struct SourceEntry {
    Source source;  // family none: free
    std::uint32_t service = 0;
    std::uint32_t active = 0;          // connections held now
    double tokens = 0;                 // rate_per_source's bucket
    std::int64_t tokens_at = 0;        // CLOCK_MONOTONIC, ns; 0: bucket never used
    std::int64_t penalised_until = 0;  // CLOCK_MONOTONIC, ns; 0: not
};

// An open-addressing table over memory that somebody else owns. Its size is the bound of what
// sources can cost; keys are hashed with a secret seed (SipHash), for attackers choose them.
class SourceTable {
public:
    // memory's size is a power of two. seed: 16 random bytes, kept with the memory.
    SourceTable(std::span<SourceEntry> memory, std::span<const std::uint8_t, 16> seed);

    // The entry of (source, service), made where there is none. Among the neighbours searched
    // the one that says least (no connection, full bucket, no penalty) gives way; where all of
    // them hold connections or penalties there is no place: nothing is returned, and the caller
    // refuses.
    [[nodiscard]] std::optional<std::uint32_t> find_or_make(
            const Source& source, std::uint32_t service, Mono now);
    [[nodiscard]] std::optional<std::uint32_t> find(
            const Source& source, std::uint32_t service) const;

    [[nodiscard]] SourceEntry& at(std::uint32_t index) const { return memory_[index]; }

    // Forgets what belongs to a service that is gone.
    void forget_service(std::uint32_t service);
    // For a new superd: counts are made anew from the processes that live.
    void reset_active();

private:
    std::span<SourceEntry> memory_;
    std::uint64_t key_[2];
};

}  // namespace superd
