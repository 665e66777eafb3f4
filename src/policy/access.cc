// SPDX-License-Identifier: MIT
// allow and deny: interval tables and the choice between matches.
#include "policy/access.h"

#include <algorithm>
#include <utility>

namespace superd {

namespace {

// The last address of a block.
IpAddress last_of(const Network& block) {
    IpAddress last = block.base;
    for (unsigned bit = block.bits; bit < 128; ++bit)
        last.bytes[bit / 8] =
                static_cast<std::uint8_t>(last.bytes[bit / 8] | (0x80u >> (bit % 8)));
    return last;
}

// The one behind it; nothing behind the very last.
std::optional<IpAddress> successor(IpAddress address) {
    for (std::size_t i = address.bytes.size(); i-- > 0;)
        if (++address.bytes[i] != 0) return address;
    return std::nullopt;
}

// Of two blocks of a sorted list. Not Network::contains(), which keeps IPv4 out of ::/0: here
// the mapped addresses are a place like any other.
bool covers(const Network& outer, const Network& inner) {
    return mask(inner.base, outer.bits) == outer.base;
}

// Outer blocks before those inside them.
bool before(const PrefixTable::Entry& a, const PrefixTable::Entry& b) {
    if (a.block.base != b.block.base) return a.block.base < b.block.base;
    return a.block.bits < b.block.bits;
}

}  // namespace

PrefixTable::PrefixTable(std::vector<Entry> entries) {
    std::stable_sort(entries.begin(), entries.end(), before);
    entries.erase(std::unique(entries.begin(), entries.end(),
                          [](const Entry& a, const Entry& b) { return a.block == b.block; }),
            entries.end());

    // Blocks nest or are apart, so a walk from left to right with the open ones on a stack
    // meets every change of "which block is innermost here".
    std::vector<Interval>& out = intervals_;
    const auto add = [&out](const IpAddress& start, std::int16_t bits, std::uint32_t value) {
        if (!out.empty() && out.back().start == start) out.pop_back();
        out.push_back({start, value, bits});
    };
    std::vector<const Entry*> open;
    const auto close_innermost = [&] {
        const auto next = successor(last_of(open.back()->block));
        open.pop_back();
        if (!next) return;
        if (open.empty()) return add(*next, -1, 0);
        add(*next, open.back()->block.bits, open.back()->value);
    };
    for (const Entry& entry : entries) {
        while (!open.empty() && !covers(open.back()->block, entry.block))
            close_innermost();
        add(entry.block.base, entry.block.bits, entry.value);
        open.push_back(&entry);
    }
    while (!open.empty())
        close_innermost();
    out.shrink_to_fit();
}

std::optional<PrefixTable::Match> PrefixTable::find(const IpAddress& address) const {
    auto next = std::ranges::upper_bound(intervals_, address, {}, &Interval::start);
    if (next == intervals_.begin()) return std::nullopt;
    const Interval& found = *--next;
    if (found.bits < 0) return std::nullopt;
    // A block of IPv6 that reaches around the mapped addresses does not mean IPv4.
    if (found.bits < 96 && address.is_v4()) return std::nullopt;
    return Match{static_cast<std::uint8_t>(found.bits), found.value};
}

std::shared_ptr<const PrefixTable> make_network_table(std::span<const Network> blocks) {
    std::vector<PrefixTable::Entry> entries;
    entries.reserve(blocks.size());
    for (const Network& block : blocks)
        entries.push_back({block, 0});
    return std::make_shared<const PrefixTable>(std::move(entries));
}

NetworkTables make_network_tables(std::span<const NetworkPlan> networks) {
    NetworkTables tables;
    for (const NetworkPlan& network : networks)
        tables[network.name] = make_network_table(network.blocks);
    return tables;
}

AccessIndex::AccessIndex(std::span<const AccessRule> rules, const NetworkTables& tables)
        : rules_(rules.begin(), rules.end()) {
    // Denials first: of equals the first one counts, in the tables and in every search below.
    std::stable_partition(
            rules_.begin(), rules_.end(), [](const AccessRule& rule) { return !rule.allow; });
    std::vector<PrefixTable::Entry> blocks;
    for (std::uint32_t i = 0; i < rules_.size(); ++i) {
        const AccessRule& rule = rules_[i];
        if (rule.allow && !first_allow_) first_allow_ = i;
        switch (rule.kind) {
            case MatchKind::network: blocks.push_back({rule.network, i}); break;
            case MatchKind::named_network: {
                const auto table = tables.find(rule.network_name);
                if (table != tables.end() && table->second)
                    named_.push_back({table->second, i});
                else if (!missing_)
                    missing_ = i;
                break;
            }
            case MatchKind::gid: needs_groups_ = true; [[fallthrough]];
            case MatchKind::uid: has_identities_ = true; break;
            case MatchKind::everybody:
                if (!everybody_) everybody_ = i;
                break;
            case MatchKind::host:
            case MatchKind::domain:  // a name that nobody looked up lets nobody in
                if (!missing_) missing_ = i;
                break;
        }
    }
    blocks_ = PrefixTable(std::move(blocks));
}

const AccessRule* AccessIndex::find_address(const IpAddress& address) const {
    const AccessRule* best = nullptr;
    int best_bits = -1;
    const auto offer = [&](const AccessRule& rule, int bits) {
        if (bits > best_bits || (bits == best_bits && best->allow && !rule.allow)) {
            best = &rule;
            best_bits = bits;
        }
    };
    if (const auto match = blocks_.find(address)) offer(rules_[match->value], match->bits);
    for (const Named& named : named_)
        if (const auto match = named.table->find(address))
            offer(rules_[named.rule], match->bits);
    return best;
}

const AccessRule* AccessIndex::find_identity(
        const Endpoint& peer, std::span<const std::uint32_t> groups) const {
    const AccessRule* group_rule = nullptr;
    for (const AccessRule& rule : rules_) {
        if (rule.kind == MatchKind::uid && rule.id == peer.uid) return &rule;
        if (rule.kind != MatchKind::gid || group_rule) continue;
        if (rule.id == peer.gid || std::ranges::find(groups, rule.id) != groups.end())
            group_rule = &rule;
    }
    return group_rule;
}

AccessDecision AccessIndex::decide(
        const Endpoint& peer, std::span<const std::uint32_t> groups) const {
    if (rules_.empty()) return {};
    if (missing_) return {false, Refusal::denied, &rules_[*missing_]};
    const AccessRule* rule = nullptr;
    if (peer.family == Family::ip)
        rule = find_address(peer.ip);
    else if (peer.family == Family::unix && has_identities_)
        rule = find_identity(peer, groups);
    if (!rule && everybody_) rule = &rules_[*everybody_];
    if (!rule) return {!first_allow_, Refusal::not_allowed, nullptr};
    return {rule->allow, Refusal::denied, rule};
}

bool AccessIndex::uses(std::string_view network_name) const {
    return std::ranges::any_of(rules_, [&](const AccessRule& rule) {
        return rule.kind == MatchKind::named_network && rule.network_name == network_name;
    });
}

Origin AccessIndex::allow_origin() const {
    return first_allow_ ? rules_[*first_allow_].origin : Origin{};
}

}  // namespace superd
