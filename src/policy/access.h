// SPDX-License-Identifier: MIT
// Who may come in: allow and deny, compiled for look-up.
//
// The most specific match wins; of two equally specific ones the denial. For addresses the
// longer block is the more specific, for UNIX peers a uid before a group; `everybody` comes
// last. Where nothing matches a peer is let in unless there is an allow list.
//
// A host's name is as specific as a full address. A domain is less specific than any block of
// addresses but those of everything (0.0.0.0/0, ::/0), and a longer domain more than a shorter
// one. A name counts when it is confirmed: of a peer without such a name nothing is known, so
// every denial by name that could decide denies it, and no allow by name allows it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "config/plan.h"
#include "policy/refusal.h"

namespace superd {

// Longest-prefix match, immutable once made: the blocks flattened into sorted intervals, one
// binary search a look-up whatever the number of blocks. About 48 bytes a block.
class PrefixTable {
public:
    struct Entry {
        Network block;
        std::uint32_t value = 0;
    };

    struct Match {
        std::uint8_t bits = 0;  // length of the block that matched
        std::uint32_t value = 0;
    };

    PrefixTable() = default;
    // Of entries with the same block the first one counts.
    explicit PrefixTable(std::vector<Entry> entries);

    [[nodiscard]] std::optional<Match> find(const IpAddress& address) const;

    [[nodiscard]] std::size_t intervals() const { return intervals_.size(); }

private:
    struct Interval {
        IpAddress start;  // to the start of the next one
        std::uint32_t value = 0;
        std::int16_t bits = -1;  // -1: no block covers it
    };

    std::vector<Interval> intervals_;
};

// The blocks of [networks] by name, each compiled once and shared by the services that use it.
using NetworkTables = std::map<std::string, std::shared_ptr<const PrefixTable>, std::less<>>;

[[nodiscard]] std::shared_ptr<const PrefixTable> make_network_table(
        std::span<const Network> blocks);
// Of the plan's networks as it holds them; those with a file are as empty or full as `blocks`.
[[nodiscard]] NetworkTables make_network_tables(std::span<const NetworkPlan> networks);

// What is known of a peer's name.
enum class NameKnown : std::uint8_t { not_asked, confirmed, unknown };

struct PeerName {
    NameKnown known = NameKnown::not_asked;
    std::string_view name{};  // confirmed: as parse_host_name() gives it
};

struct AccessDecision {
    bool allowed = true;
    Refusal reason = Refusal::denied;  // where not allowed: denied by a rule, or not_allowed
    const AccessRule* rule =
            nullptr;          // what decided; null: nothing matched. Lives in the index
    bool needs_name = false;  // the name was not asked for, and would decide: this is only
                              // what the addresses say
};

// The rules of one service. A rule that names a network that is not in `tables` denies
// everybody: a list that is not there must not let anybody in.
class AccessIndex {
public:
    AccessIndex() = default;
    AccessIndex(std::span<const AccessRule> rules, const NetworkTables& tables);

    // groups: a UNIX peer's supplementary groups; its primary one is in the endpoint.
    [[nodiscard]] AccessDecision decide(const Endpoint& peer,
            std::span<const std::uint32_t> groups = {}, const PeerName& name = {}) const;

    [[nodiscard]] bool empty() const { return rules_.empty(); }

    // True where a rule asks for a name.
    [[nodiscard]] bool has_names() const { return !names_.empty(); }

    // True where a rule asks for a group: the caller then fetches a UNIX peer's groups.
    [[nodiscard]] bool needs_groups() const { return needs_groups_; }

    // True where a rule names this network: the index is to be made anew when its file changes.
    [[nodiscard]] bool uses(std::string_view network_name) const;
    // Where the allow list stands, for the log line of not_allowed; line 0 where there is none.
    [[nodiscard]] Origin allow_origin() const;

private:
    struct Named {
        std::shared_ptr<const PrefixTable> table;
        std::uint32_t rule;
    };

    // A rule that matches, and how specific it is.
    struct Found {
        const AccessRule* rule = nullptr;
        int rank = -1;
    };

    [[nodiscard]] Found find_address(const IpAddress& address) const;
    [[nodiscard]] AccessDecision decide_by_name(
            const Found& address, const PeerName& name) const;
    [[nodiscard]] const AccessRule* find_identity(
            const Endpoint& peer, std::span<const std::uint32_t> groups) const;

    std::vector<AccessRule> rules_;
    PrefixTable blocks_;  // value: index into rules_
    std::vector<Named> named_;
    std::vector<std::uint32_t> names_;  // rules with a host or a domain
    std::optional<std::uint32_t> everybody_, missing_, first_allow_;
    bool needs_groups_ = false;
    bool has_identities_ = false;
};

}  // namespace superd
