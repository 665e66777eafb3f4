// SPDX-License-Identifier: MIT
// The saved state in words: what a superd writes for another version of itself that takes its
// place (sys/handover.h).
//
// The tables of sys/state.h are plain memory, the same for every superd of one build. Between
// builds they travel as text, one record a line, each field by its name:
//
//   superd-state 1 1
//   handover version=0.1 plan_fd=12 ...
//   header next_connection=812 ...
//   process 3 state=3 pid=4711 service=1 peer.ip=00..
//   end 4
//
// The first line has the version of the format and the oldest reader that understands it. A
// field that is zero is not written; one that is missing is zero, one that is unknown is
// skipped, and so is a line of an unknown kind: older and newer superds read each other. The
// last line counts the ones before it, so that a text that was cut off is none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sys/state.h"

namespace superd {

// What is passed on beside the tables. Numbers are descriptors; -1: none.
struct Handover {
    std::string version;         // of the superd that wrote it
    std::int32_t state_fd = -1;  // its tables' memory file, to be closed
    std::int32_t plan_fd = -1;   // the committed plan, and how long it is
    std::uint64_t plan_size = 0;
    std::uint64_t plan_sequence = 0;
    std::int32_t lock_fd = -1;  // of the run directory
    std::uint64_t channels =
            0;  // version of what superd and its own programs say to each other
};

[[nodiscard]] std::string write_state(const State& state, const Handover& handover);

// Fills state, which is new. The committed plan is not read: handover says where it is.
// Any text is safe; the error says what is wrong with which line.
[[nodiscard]] Result<Handover> read_state(std::string_view text, State& state);

}  // namespace superd
