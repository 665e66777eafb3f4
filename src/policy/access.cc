// SPDX-License-Identifier: MIT
// allow and deny: interval tables and the choice between matches.
#include "policy/access.h"

#include <algorithm>
#include <utility>

#include "base/host_name.h"

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

// How specific a rule is, to be compared with others: everybody; blocks of everything; domains
// by their length; blocks by theirs, a host like a full address.
constexpr int everybody_rank = 0, everything_rank = 1, block_rank = 1000;

int rank_of_block(unsigned bits, bool v4) {
    const bool everything = bits == (v4 ? 96U : 0U);
    return everything ? everything_rank : block_rank + static_cast<int>(bits);
}

int rank_of_name(const AccessRule& rule) {
    if (rule.kind == MatchKind::host) return block_rank + 128;
    return everything_rank + 1 + static_cast<int>(rule.host.size());
}

bool matches(const AccessRule& rule, std::string_view name) {
    return rule.kind == MatchKind::host ? name == rule.host : is_below(name, rule.host);
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
            case MatchKind::domain: names_.push_back(i); break;
        }
    }
    blocks_ = PrefixTable(std::move(blocks));
}

AccessIndex::Found AccessIndex::find_address(const IpAddress& address) const {
    Found best;
    const auto offer = [&](const AccessRule& rule, unsigned bits) {
        const int rank = rank_of_block(bits, address.is_v4());
        if (rank > best.rank || (rank == best.rank && best.rule->allow && !rule.allow))
            best = {&rule, rank};
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

// found: what the address alone comes to. A rule by name matters where it is the more specific
// one, or as specific and a denial.
AccessDecision AccessIndex::decide_by_name(const Found& found, const PeerName& name) const {
    AccessDecision decision{!first_allow_, Refusal::not_allowed, nullptr};
    if (found.rule != nullptr) decision = {found.rule->allow, Refusal::denied, found.rule};
    const bool by_address = decision.allowed;
    int rank = found.rank;
    for (const std::uint32_t index : names_) {
        const AccessRule& rule = rules_[index];
        const int own = rank_of_name(rule);
        const bool outdone = own < rank || (own == rank && (rule.allow || !decision.allowed));
        if (outdone) continue;
        if (name.known == NameKnown::not_asked) {
            decision.needs_name = decision.needs_name || rule.allow != by_address;
            continue;
        }
        const bool counts =
                name.known == NameKnown::confirmed ? matches(rule, name.name) : !rule.allow;
        if (!counts) continue;
        decision = {rule.allow, Refusal::denied, &rule};
        rank = own;
    }
    return decision;
}

AccessDecision AccessIndex::decide(const Endpoint& peer, std::span<const std::uint32_t> groups,
        const PeerName& name) const {
    if (rules_.empty()) return {};
    if (missing_) return {false, Refusal::denied, &rules_[*missing_]};
    Found found;
    if (peer.family == Family::ip)
        found = find_address(peer.ip);
    else if (peer.family == Family::unix && has_identities_)
        found.rule = find_identity(peer, groups);
    if (found.rule == nullptr && everybody_) found = {&rules_[*everybody_], everybody_rank};
    if (peer.family == Family::ip && !names_.empty()) return decide_by_name(found, name);
    if (found.rule == nullptr) return {!first_allow_, Refusal::not_allowed, nullptr};
    return {found.rule->allow, Refusal::denied, found.rule};
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
