// SPDX-License-Identifier: MIT
// How one generation of a service's processes follows another, so that it never serves with
// fewer than before.
//
// Each place of a service has the number of the generation that its process was started in. A
// roll begins with a new number, and ends when no place has an older one. In between, from
// whatever is there, one thing is done at a time:
//
//   a new one has fallen      the roll is given up: the old ones that are left stay
//   one place too many, and   the old place goes: it drains, and is not counted any more
//     an old one among them
//     need not serve on
//   one place too many        its process is still coming up: nothing is done until it is there
//   an old one is left        a place is added, and its process started
//   none                      done
//
// "Need not serve on" is: it does not serve, or as many others do as there are to be. So there
// is never more than one more than there are to be, but for those that drain, and as many of
// them serve at any time as did when the roll began.
//
// Nothing but what is seen decides, so a roll goes on where it was after superd was killed, and
// a second one that is asked for in between simply finds everything old.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "policy/life.h"

namespace superd {

struct RollPlace {
    std::uint32_t generation = 0;
    LifeState state = LifeState::down;
    bool leaves = false;  // it goes when its process has: it is not counted
};

enum class RollAction : std::uint8_t { wait, start, retire, done, give_up };

struct RollStep {
    RollAction action = RollAction::wait;
    std::size_t place = 0;  // retire: which; give_up: which one fell
};

// wanted: how many places there are to be; generation: the one that follows.
[[nodiscard]] RollStep decide_roll(
        std::span<const RollPlace> places, std::size_t wanted, std::uint32_t generation);

}  // namespace superd
