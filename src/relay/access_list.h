// SPDX-License-Identifier: MIT
// allow and deny of a datagram service, in a form that superd hands to a relay: only blocks, in
// a memory file, whatever their number.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/fd.h"
#include "base/result.h"
#include "policy/access.h"

namespace superd {

// The most specific block decides, of equal ones a denying one; what no block covers is let in
// where there is no allow rule.
class AccessList {
public:
    AccessList() = default;  // lets everybody in

    AccessList(std::vector<PrefixTable::Entry> entries, bool others)
            : table_(std::move(entries)), others_(others) {}

    [[nodiscard]] bool allows(const IpAddress& address) const {
        const auto match = table_.find(address);
        return match ? match->value != 0 : others_;
    }

private:
    PrefixTable table_;  // value: 1 allows, 0 denies
    bool others_ = true;
};

// Rules of other kinds than blocks, named networks and everybody deny whom they speak of:
// nobody with a datagram has a user. A rule that names a network that is not there denies all.
// denied: blocks that are kept out whatever the rules say, sorted.
[[nodiscard]] Result<Fd> write_access_list(std::span<const AccessRule> rules,
        std::span<const NetworkPlan> networks, std::span<const Network> denied = {});
// One that lets nobody in.
[[nodiscard]] Result<Fd> write_closed_list();
// file is a loan and is read from its start. Nothing where it is not what write_access_list()
// makes.
[[nodiscard]] std::optional<AccessList> read_access_list(int file);

}  // namespace superd
