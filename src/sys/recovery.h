// SPDX-License-Identifier: MIT
// What a new superd finds of the launches that the last one had in hand, and what is to be done
// with each, so that no connection is lost and none answered twice.
//
// To be called before anything else is opened, and before a Spawner is made. Afterwards the
// descriptors that are open are those of the state, those of `keep` and those in the result.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"
#include "sys/state.h"

namespace superd {

enum class Recovered : std::uint8_t {
    start,    // no child has it: submit it again. record.connection is its descriptor, owned by
              // the caller; -1 for a worker or daemon, which the caller starts as it sees fit
    running,  // a child runs or has ended: Reaper::add it
    failed,   // its child could not start and has ended: say so, then as `running`
    give_up,  // two launches or eight superds died over it: its connection is closed; log, free
    forget,   // nothing is left of it: free the record
};

struct RecoveredRecord {
    std::uint32_t record = 0;
    Recovered action = Recovered::forget;
};

// A connection that was accepted and not written down. The caller owns the descriptor.
struct FoundConnection {
    int fd = -1;
    std::uint32_t listener = 0;  // index in State::listeners() of the listener it came to
    std::uint64_t cookie = 0;
    Endpoint peer, local;  // of UNIX peers the credentials too
};

struct Recovery {
    std::vector<RecoveredRecord> records;  // each that is not free
    std::vector<FoundConnection> connections;
    unsigned closed = 0;  // descriptors that nobody knew
};

// Waits, at most two seconds each, for children that have been cloned and still share the
// descriptor table; one that does not leave it is killed. keep: descriptors of the caller's own
// that stay.
[[nodiscard]] Recovery recover_launches(State& state, std::span<const int> keep);

// The first part of it alone: afterwards no child shares the table.
void settle_launches(State& state);

// The decision on one record. Pure.
struct LaunchTrace {
    RecordState state = RecordState::free;
    bool cloned = false;      // pid is set
    bool alive = false;       // ... and has not ended
    bool failed = false;      // the child wrote an errno
    bool began_exec = false;  // ... got as far as exec
    bool connected = false;   // the connection is still here
    bool needs_connection = true;
    unsigned attempts = 0, deaths = 0;
};

[[nodiscard]] Recovered decide_recovery(const LaunchTrace& trace);

inline constexpr unsigned most_attempts = 2, most_deaths = 8;

}  // namespace superd
