// SPDX-License-Identifier: MIT
// Addresses that nobody may connect from for a time, at any service: what a sensor caught, what
// an administrator or a tool has named.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/clock.h"

namespace superd {

struct Denial {
    Source source;           // an IPv4 address or an IPv6 /64
    std::int64_t since = 0;  // CLOCK_REALTIME, seconds
    std::int64_t until = 0;  // the same; 0: for good
    std::string by;          // the service, or "superctl"; a word
    std::string reason;      // free text as it was given: escape() it; may be empty

    bool operator==(const Denial&) const = default;
};

inline constexpr std::int64_t longest_denial = 100LL * 365 * 86'400;  // seconds
inline constexpr std::size_t most_denials = 10'240, denial_text_limit = 200;

// "superctl: probing ports, until 2026-11-23T02:48:02Z": for the log and for people; as free as
// the reason is.
[[nodiscard]] std::string denial_text(const Denial& denial);

// One line of the file they are kept in, without its end, and back. Nothing for a line that
// format_denial() would not have made.
[[nodiscard]] std::string format_denial(const Denial& denial);
[[nodiscard]] std::optional<Denial> parse_denial(std::string_view line);
// "198.51.100.7", "2001:db8::/64" or any address in it, as Source::text() writes it.
[[nodiscard]] std::optional<Source> parse_source(std::string_view text);

// Those in force, in the order in which they came. Pointers and references to entries last
// until the next change.
class Denials {
public:
    explicit Denials(std::size_t limit = most_denials) : limit_(limit) {}

    // Takes the place of an older one for the same source; at the limit the oldest of all goes.
    // Texts are cut to denial_text_limit.
    void add(Denial denial);
    // False: there was none.
    bool remove(const Source& source);
    void clear();
    // Forgets those that are over.
    void expire(Wall now);

    // What keeps this peer out now; null: nothing. Only IP peers are ever kept out.
    [[nodiscard]] const Denial* find(const Endpoint& peer, Wall now) const;

    // The blocks that are kept out now, sorted, and when the first of them no longer is
    // (seconds of CLOCK_REALTIME; 0: never).
    struct InForce {
        std::vector<Network> blocks;
        std::int64_t until = 0;
    };

    [[nodiscard]] InForce in_force(Wall now) const;

    [[nodiscard]] bool empty() const { return order_.empty(); }

    [[nodiscard]] const std::list<Denial>& all() const { return order_; }

private:
    const std::size_t limit_;
    std::list<Denial> order_;  // the oldest first
    std::map<Source, std::list<Denial>::iterator> by_source_;
};

}  // namespace superd
