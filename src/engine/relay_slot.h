// SPDX-License-Identifier: MIT
// What Relays keeps of each relay; for its own two sources.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "engine/relays.h"
#include "loop/loop.h"

#include "relay/channel.h"

namespace superd {

// A relay that takes nothing for so long is killed, and another one started.
inline constexpr auto relay_patience = std::chrono::seconds(10);

// A message that no packet has taken yet.
struct Relays::Waiting {
    std::string message;
    std::vector<Fd> descriptors;
    std::uint32_t record = ~std::uint32_t{0};  // whose connection goes with it
    bool keeps_client = false;
    std::uint32_t profile = 0;  // the relay must have that one before; 0: none
};

struct Relays::Relay {
    unsigned number = 0;
    std::uint32_t record = ~std::uint32_t{0};  // of its process; ~0: there is none
    Fd channel;
    Fd theirs;  // its end, until it has been started
    std::unique_ptr<Poll> poll;
    std::deque<Waiting> waiting;  // for the end of the turn, and room in the channel
    std::set<std::uint32_t> profiles;  // that it was given
    // Its superd-key, where it has one.
    std::uint32_t key_record = ~std::uint32_t{0};
    Fd key_channel, key_theirs;
    Mono key_not_before{};
    std::uint32_t key_failures = 0;
    Mono waiting_since{};
    Mono not_before{};
    Mono started{};
    std::uint32_t failures = 0;
    bool answered = false;  // it has said ReadyMessage
    bool writing = false;   // the poll waits for room

    [[nodiscard]] bool lives() const { return record != ~std::uint32_t{0}; }

    // Not while it is being killed.
    [[nodiscard]] bool usable() const { return lives() && poll != nullptr; }
};

struct Relays::News {
    FromRelay message;
};

}  // namespace superd
