// SPDX-License-Identifier: MIT
// Pauses after failures, and what becomes of a datagram that no worker reads.
#pragma once

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/clock.h"

namespace superd {

inline constexpr Nanoseconds backoff_first = std::chrono::milliseconds(100);
inline constexpr Nanoseconds backoff_ceiling = std::chrono::seconds(60);
inline constexpr Nanoseconds fruitless_ceiling = std::chrono::seconds(1);

// Before the next try after so many in vain: none, first, then twice the one before each, up to
// ceiling, which is no lower than first.
[[nodiscard]] Nanoseconds growing_pause(
        Nanoseconds first, Nanoseconds ceiling, std::uint32_t failures);

// The same from 0.1 s to 60 s.
[[nodiscard]] Nanoseconds backoff_delay(std::uint32_t failures);

// For a stream worker that went soon and left clients in the queue, so often in a row. Short:
// they may be others than those that woke it.
[[nodiscard]] Nanoseconds fruitless_delay(std::uint32_t starts);

// Who waits at a listener.
struct ClientQueue {
    std::uint32_t length = 0;
    std::uint32_t first = 0;  // stands for the one who has waited longest; 0: not known who
    bool operator==(const ClientQueue&) const = default;
};

// False where a listener's queue shows that workers took somebody out of it between their
// start and their end.
[[nodiscard]] bool may_be_fruitless(
        const std::optional<ClientQueue>& before, const std::optional<ClientQueue>& after);

// Which datagram stands first in a socket's queue. Equal values: the same datagram.
struct DatagramIdentity {
    Endpoint from;              // UNIX datagrams: only the family
    std::int64_t received = 0;  // CLOCK_REALTIME, ns
    bool operator==(const DatagramIdentity&) const = default;
};

// Starts that one datagram may see without being read.
inline constexpr std::uint32_t unread_starts = 3;

// One datagram listener of a worker service. A pause grows with every start that left the
// queue's first datagram where it was, whichever datagram that is, and ends with the first one
// read.
class UnreadWatch {
public:
    struct Verdict {
        bool drop = false;     // throw the first datagram away and count it
        Nanoseconds pause{0};  // then do not watch the socket for that long
    };

    // A worker is about to be started because of `first`.
    void on_start(const std::optional<DatagramIdentity>& first);
    // The last worker has gone and `first` stands in the queue now; nothing: it is empty.
    [[nodiscard]] Verdict on_workers_gone(const std::optional<DatagramIdentity>& first);

    [[nodiscard]] std::uint32_t failures() const { return failures_; }

private:
    std::optional<DatagramIdentity> started_for_;
    std::uint32_t starts_ = 0;    // that left started_for_ unread
    std::uint32_t failures_ = 0;  // starts in a row that read nothing
};

}  // namespace superd
