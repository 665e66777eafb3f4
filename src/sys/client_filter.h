// SPDX-License-Identifier: MIT
// allow and deny on a socket whose clients superd never sees: a filter in the kernel, attached
// before the socket listens and locked, so that the worker that is given it cannot take it off.
//
// Where bpf(2) is permitted the filter is a program that looks the source up in a
// longest-prefix table. The table is one element of an outer map: a new list is a new table put
// in its place, at once and without the socket noticing. Refusals are counted in a map. Without
// bpf(2) it is a classic filter that has the list compiled in: it cannot be changed, so a
// changed list is a new listener, and nothing is counted.
//
// On TCP only a SYN is judged, so a list that changes never cuts an established connection; who
// is refused gets no answer. On UDP every datagram is. Accepted connections inherit filter and
// lock: the worker's program cannot attach a filter of its own to them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <linux/filter.h>

#include "base/fd.h"
#include "base/result.h"
#include "config/plan.h"
#include "policy/client_filter.h"

namespace superd {

[[nodiscard]] constexpr bool can_be_filtered(const ListenerPlan& plan) {
    return (plan.kind == ListenerKind::tcp && !plan.mptcp) || plan.kind == ListenerKind::udp;
}

class ClientFilter {
public:
    struct Counts {
        std::uint64_t denied = 0, not_allowed = 0;
    };

    // Attaches and locks. ENOMEM or E2BIG where only a classic filter is possible and the list
    // is too long for one: then nothing is attached, and the socket must not be used.
    [[nodiscard]] static Result<ClientFilter> attach(
            int socket, ListenerKind kind, std::span<const FilterEntry> entries);
    // The same, but only where the list can be changed later: EPERM where bpf(2) is not
    // permitted.
    [[nodiscard]] static Result<ClientFilter> attach_changeable(
            int socket, ListenerKind kind, std::span<const FilterEntry> entries);
    // The filter of a socket that a former superd attached, by its id().
    [[nodiscard]] static Result<ClientFilter> adopt(std::uint32_t id);
    // A locked filter is on it, whosoever attached it.
    [[nodiscard]] static bool is_locked(int socket);

    // False: classic. Then update() fails with EOPNOTSUPP.
    [[nodiscard]] bool changeable() const { return bool(tables_); }

    // Nothing to do where the entries are those of last time.
    [[nodiscard]] Result<void> update(std::span<const FilterEntry> entries);

    // Number of the program in the kernel, to be kept for adopt(); 0 for a classic filter.
    [[nodiscard]] std::uint32_t id() const { return id_; }

    // What was refused since the last call, whichever superd made it.
    [[nodiscard]] Counts take_counts() const;

private:
    Fd tables_, counts_;
    std::uint32_t id_ = 0;
    std::uint32_t mark_ = 0;  // filter_mark() of what was put there last; 0: not known
};

// The classic filter: pure. Empty where the list is longer than a filter can be.
[[nodiscard]] std::vector<sock_filter> make_classic_filter(
        ListenerKind kind, std::span<const FilterEntry> entries);

}  // namespace superd
