// SPDX-License-Identifier: MIT
// One place of a service for a process that lives on by itself: its daemon, or one of its
// workers. Places stay over restarts; processes come and go.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "engine/contact.h"
#include "loop/loop.h"
#include "policy/life.h"
#include "policy/restart.h"

namespace superd {

inline constexpr std::uint32_t no_process = ~std::uint32_t{0};

struct Instance {
    std::uint32_t number = 0;          // of the service's; ProcessRecord::listener has it too
    LifeRecord* record = nullptr;      // what outlives superd of it; never null
    std::unique_ptr<LifeRecord> own;   // the record, where the shared table was full
    std::unique_ptr<Contact> contact;  // null: its program has never had any
    LifeState state = LifeState::down;
    std::uint32_t process = no_process;  // record of the program
    std::uint32_t command = no_process;  // record of the command in hand
    Mono running_since = Mono::max();    // max: it does not
    Mono deadline = Mono::max();         // of the state
    Nanoseconds pause{0};                // before the next start, where it waits
    EndKind cause = EndKind::none;       // of the end that is under way, or was the last
    std::string cause_text;              // "it ended: status 1"
    std::string health;                  // what its last health check came to; empty: none was
    bool taken_out = false;              // by failed health checks, until it passes again
    std::optional<std::uint64_t> memory_kills;  // counted when its program was launched
    bool limit_reached = false;                 // failed, or paused for long, for that reason
    Mono recycled_after{};         // not before the others of its pool are up again
    Mono unheeded_said{};          // when messages that do not count were last logged
    Mono store_full_said{};        // when descriptors that were not kept were
    std::unique_ptr<Timer> timer;  // made when the first deadline is

    [[nodiscard]] bool at_rest() const { return is_at_rest(state); }

    // Its place goes when its process has.
    [[nodiscard]] bool leaves() const { return record->leaves != 0; }
};

}  // namespace superd
