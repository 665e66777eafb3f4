// SPDX-License-Identifier: MIT
// The table of sources: linear probing over a bounded neighbourhood.
#include "policy/sources.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstring>

#include "policy/siphash.h"

namespace superd {

namespace {

// How many places a source may stand in. Nothing is ever moved, so a look-up searches them all.
constexpr std::size_t neighbours = 16;

bool is_free(const SourceEntry& entry) {
    return entry.source.family == Family::none;
}

// A connection is held, or a penalty lasts: the entry must not be forgotten.
bool is_needed(const SourceEntry& entry, std::int64_t now) {
    return entry.active > 0 || entry.penalised_until > now;
}

std::uint64_t hash(const SipKey& key, const Source& source, std::uint32_t service) {
    std::array<std::uint8_t, 21> bytes{};
    std::memcpy(bytes.data(), source.bytes.data(), 16);
    bytes[16] = static_cast<std::uint8_t>(source.family);
    std::memcpy(bytes.data() + 17, &service, 4);
    return siphash(key, bytes);
}

// Visits the places of (source, service) until visit returns true.
template <class Visit>
void search(std::size_t size, std::uint64_t hash, Visit visit) {
    const std::size_t mask = size - 1;
    for (std::size_t i = 0; i < std::min(neighbours, size); ++i)
        if (visit(static_cast<std::uint32_t>((hash + i) & mask))) return;
}

}  // namespace

SourceTable::SourceTable(std::span<SourceEntry> memory, std::span<const std::uint8_t, 16> seed)
        : memory_(memory),
          key_{load_little_endian(seed.data()), load_little_endian(seed.data() + 8)} {
    assert(std::has_single_bit(memory.size()));
}

std::optional<std::uint32_t> SourceTable::find(
        const Source& source, std::uint32_t service) const {
    std::optional<std::uint32_t> found;
    search(memory_.size(), hash({key_[0], key_[1]}, source, service), [&](std::uint32_t place) {
        const SourceEntry& entry = memory_[place];
        if (is_free(entry) || entry.service != service || entry.source != source) return false;
        found = place;
        return true;
    });
    return found;
}

std::optional<std::uint32_t> SourceTable::find_or_make(
        const Source& source, std::uint32_t service, Mono now) {
    if (source.family == Family::none) return std::nullopt;
    if (const auto found = find(source, service)) return found;
    const std::int64_t time = now.time_since_epoch().count();
    // A free place before one that was used, the one used longest ago before the others: its
    // bucket is the fullest.
    std::optional<std::uint32_t> best;
    search(memory_.size(), hash({key_[0], key_[1]}, source, service), [&](std::uint32_t place) {
        const SourceEntry& entry = memory_[place];
        if (!is_free(entry) && is_needed(entry, time)) return false;
        if (!best || is_free(entry) || entry.tokens_at < memory_[*best].tokens_at) best = place;
        return is_free(entry);
    });
    if (best) {
        memory_[*best] = SourceEntry{};
        memory_[*best].source = source;
        memory_[*best].service = service;
    }
    return best;
}

void SourceTable::forget_service(std::uint32_t service) {
    for (SourceEntry& entry : memory_)
        if (!is_free(entry) && entry.service == service) entry = SourceEntry{};
}

void SourceTable::reset_active() {
    for (SourceEntry& entry : memory_)
        if (entry.active != 0) entry.active = 0;
}

}  // namespace superd
