// SPDX-License-Identifier: MIT
#include "relay/source_rates.h"

namespace superd {

SourceRates::SourceRates(std::optional<RatePlan> rate, const SipKey& key)
        : rate_(std::move(rate)), key_(key) {
    if (rate_) entries_ = std::make_unique<std::array<Entry, ways * sets>>();
}

SourceRates::Entry& SourceRates::find(const Source& source) {
    const std::uint64_t hash = siphash(key_, source.bytes);
    Entry* const set = entries_->data() + (hash & (sets - 1)) * ways;
    Entry* oldest = set;
    for (Entry* entry = set; entry != set + ways; ++entry) {
        if (entry->source == source && entry->tokens_at != 0) return *entry;
        if (entry->tokens_at < oldest->tokens_at) oldest = entry;
    }
    *oldest = {.source = source};
    return *oldest;
}

bool SourceRates::take(const Endpoint& peer, Mono now) {
    if (!rate_) return true;
    Entry& entry = find(Source::of(peer));
    return superd::take(*rate_, {&entry.tokens, &entry.tokens_at, &entry.paused_until}, now);
}

}  // namespace superd
