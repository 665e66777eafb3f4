// SPDX-License-Identifier: MIT
// The last words to a client: sent whole, and not overtaken by a reset.
//
// A close(2) with unread data is a reset, and a reset throws away what the peer has not read
// yet. So the sender's half is closed first and what the client sends is discarded, in the
// kernel and without a byte being copied to this process, until it has closed its half.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "config/plan_listener.h"

namespace superd {

// How much of text the socket takes now; never blocks. Nothing where the client has gone.
[[nodiscard]] Result<std::size_t> send_some(int fd, std::string_view text);
// All of it, waiting for room until the deadline: ETIMEDOUT. For superd-exec, not for a loop.
[[nodiscard]] Result<void> send_whole(int fd, std::string_view text, Mono deadline);

enum class Discarded : std::uint8_t {
    all,    // nothing is left now; more may come
    some,   // there is more, but enough was done for one turn
    ended,  // the client has closed its half, or is gone
};
// Throws away what was received. Kinds that cannot be read without reading say `ended`.
[[nodiscard]] Discarded discard_received(int fd, ListenerKind kind);

// Closes the sender's half and discards until the client closes its own or the deadline has
// come. Blocks: for superd-exec.
void say_farewell(int fd, ListenerKind kind, Mono deadline);

}  // namespace superd
