// SPDX-License-Identifier: MIT
// allow and deny of a worker, flattened for the kernel.
#include "policy/client_filter.h"

#include <algorithm>
#include <optional>

namespace superd {

namespace {

const Network everything{{}, 0};

Network mapped() {
    Network network;
    network.base.bytes[10] = network.base.bytes[11] = 0xff;
    network.bits = 96;
    return network;
}

bool before(const FilterEntry& a, const FilterEntry& b) {
    if (a.block.base != b.block.base) return a.block.base < b.block.base;
    return a.block.bits < b.block.bits;
}

// A denial before an allowance of the same block, which then does not count.
bool counts_before(const FilterEntry& a, const FilterEntry& b) {
    if (a.block != b.block) return before(a, b);
    return a.verdict > b.verdict;
}

std::vector<FilterEntry> same_for_all(FilterVerdict verdict) {
    std::vector<FilterEntry> entries{{everything, verdict}, {mapped(), verdict}};
    std::sort(entries.begin(), entries.end(), before);
    return entries;
}

class Flattener {
public:
    explicit Flattener(std::span<const NetworkPlan> networks) : networks_(networks) {}

    void add(const AccessRule& rule) {
        const FilterVerdict verdict = rule.allow ? FilterVerdict::allow : FilterVerdict::denied;
        has_allow_ = has_allow_ || rule.allow;
        switch (rule.kind) {
            case MatchKind::network: entries_.push_back({rule.network, verdict}); break;
            case MatchKind::named_network: add_named(rule.network_name, verdict); break;
            case MatchKind::everybody:
                if (!everybody_ || verdict == FilterVerdict::denied) everybody_ = verdict;
                has_everybody_ = true;
                break;
            default: impossible_ = true;
        }
    }

    [[nodiscard]] std::vector<FilterEntry> take() {
        if (impossible_) return same_for_all(FilterVerdict::denied);
        const FilterVerdict usual = has_everybody_ ? *everybody_
                                    : has_allow_   ? FilterVerdict::not_allowed
                                                   : FilterVerdict::allow;
        std::sort(entries_.begin(), entries_.end(), counts_before);
        keep_first_of_equals();
        // What was written for one of these two blocks stays before what is said by default.
        for (const FilterEntry& entry : same_for_all(usual))
            entries_.push_back(entry);
        std::stable_sort(entries_.begin(), entries_.end(), before);
        keep_first_of_equals();
        return std::move(entries_);
    }

private:
    void add_named(const std::string& name, FilterVerdict verdict) {
        const auto found = std::find_if(networks_.begin(), networks_.end(),
                [&](const NetworkPlan& network) { return network.name == name; });
        if (found == networks_.end()) {
            impossible_ = true;
            return;
        }
        for (const Network& block : found->blocks)
            entries_.push_back({block, verdict});
    }

    void keep_first_of_equals() {
        const auto equal = [](const FilterEntry& a, const FilterEntry& b) {
            return a.block == b.block;
        };
        entries_.erase(std::unique(entries_.begin(), entries_.end(), equal), entries_.end());
    }

    std::span<const NetworkPlan> networks_;
    std::vector<FilterEntry> entries_;
    std::optional<FilterVerdict> everybody_;
    bool has_everybody_ = false;
    bool has_allow_ = false;
    bool impossible_ = false;
};

}  // namespace

std::vector<FilterEntry> make_filter_entries(
        const ServicePlan& service, std::span<const NetworkPlan> networks) {
    if (service.mode != Mode::worker || service.admission.access.empty()) return {};
    Flattener flattener(networks);
    for (const AccessRule& rule : service.admission.access)
        flattener.add(rule);
    return flattener.take();
}

bool lies_in(const Network& block, std::span<const Network> blocks) {
    for (const std::uint8_t bits : {std::uint8_t{64}, std::uint8_t{128}}) {
        const Network around{mask(block.base, bits), bits};
        if (block.bits >= bits && std::binary_search(blocks.begin(), blocks.end(), around))
            return true;
    }
    return false;
}

std::vector<FilterEntry> keep_out(
        std::vector<FilterEntry> entries, std::span<const Network> blocks) {
    if (entries.empty()) entries = open_filter_entries();
    std::erase_if(
            entries, [&](const FilterEntry& entry) { return lies_in(entry.block, blocks); });
    for (const Network& block : blocks)
        entries.push_back({block, FilterVerdict::denied});
    std::sort(entries.begin(), entries.end(), before);
    return entries;
}

std::uint32_t filter_mark(std::span<const FilterEntry> entries) {
    std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
    const auto mix = [&hash](std::uint64_t value) {
        hash = (hash ^ value) * 0x100000001b3u;
    };
    for (const FilterEntry& entry : entries) {
        for (const std::uint8_t byte : entry.block.base.bytes)
            mix(byte);
        mix(entry.block.bits);
        mix(static_cast<std::uint64_t>(entry.verdict));
    }
    return static_cast<std::uint32_t>(hash >> 32) | 0x80000000u;
}

std::vector<FilterEntry> open_filter_entries() {
    return same_for_all(FilterVerdict::allow);
}

}  // namespace superd
