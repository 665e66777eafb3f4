// SPDX-License-Identifier: MIT
// What a new superd makes of the handlers that the last one had started ahead (engine/warm.h):
// none of them is ever given a connection by it.
//
// Those that wait are killed. Where a connection was on its way to one, that one itself decides
// whose it is: once it has said `taken` it is a handler like any other, and the record of the
// connection goes; if it ends without having said so it has not seen the connection, whose
// record then asks for a handler, as ever.
#pragma once

#include "sys/state.h"

namespace superd {

// After settle_launches(), before any record is decided on. Waits at most two seconds for each
// that a connection was on its way to.
void settle_warm(State& state);

// The connection that `from` speaks of is this process's by now: the facts go over to it, and
// `from` is freed. In an order in which a kill between any two steps is understood by
// settle_warm(). Descriptors are the caller's.
void become_handler(ProcessRecord& warm, ProcessRecord& from);

// The process behind the channel has said that it has the connection.
[[nodiscard]] bool has_taken(int channel);

}  // namespace superd
