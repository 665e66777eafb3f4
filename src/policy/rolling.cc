// SPDX-License-Identifier: MIT
#include "policy/rolling.h"

namespace superd {

namespace {

// It serves, or has run its course as it should.
bool serves(LifeState state) {
    return is_up(state) || state == LifeState::done;
}

struct Seen {
    std::size_t staying = 0, serving = 0, old = 0;
};

Seen look_at(std::span<const RollPlace> places, std::uint32_t generation) {
    Seen seen;
    for (const RollPlace& place : places) {
        if (place.leaves) continue;
        ++seen.staying;
        if (serves(place.state)) ++seen.serving;
        if (place.generation != generation) ++seen.old;
    }
    return seen;
}

// One that has ended, or is about to, without anybody's order.
bool has_fallen(const RollPlace& place) {
    return !serves(place.state) && !is_coming_up(place.state);
}

}  // namespace

RollStep decide_roll(
        std::span<const RollPlace> places, std::size_t wanted, std::uint32_t generation) {
    for (std::size_t i = 0; i < places.size(); ++i) {
        const RollPlace& place = places[i];
        if (!place.leaves && place.generation == generation && has_fallen(place))
            return {RollAction::give_up, i};
    }
    const Seen seen = look_at(places, generation);
    if (seen.old == 0)
        return {seen.serving == seen.staying ? RollAction::done : RollAction::wait, 0};
    if (seen.staying <= wanted) return {RollAction::start, 0};
    for (const bool idle : {true, false})
        for (std::size_t i = 0; i < places.size(); ++i) {
            const RollPlace& place = places[i];
            if (place.leaves || place.generation == generation) continue;
            if (idle ? !serves(place.state) : seen.serving > wanted)
                return {RollAction::retire, i};
        }
    return {RollAction::wait, 0};
}

}  // namespace superd
