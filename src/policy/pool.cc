// SPDX-License-Identifier: MIT
#include "policy/pool.h"

#include <algorithm>

namespace superd {

namespace {

// Looks within the time that a client may wait.
constexpr int looks = 8;

std::uint32_t staying(std::span<const PoolPlace> places) {
    return static_cast<std::uint32_t>(std::count_if(
            places.begin(), places.end(), [](const PoolPlace& one) { return !one.leaves; }));
}

}  // namespace

PoolBounds pool_bounds(std::uint32_t least, std::uint32_t most) {
    return {least, std::max(least, most)};
}

std::uint32_t pool_size(PoolBounds bounds, std::uint32_t asked) {
    return std::clamp(asked, bounds.least, bounds.most);
}

bool may_grow(PoolBounds bounds, std::span<const PoolPlace> places, bool is_rolling) {
    if (is_rolling || staying(places) >= bounds.most) return false;
    const bool any = staying(places) > 0;
    return any && std::all_of(places.begin(), places.end(),
                          [](const PoolPlace& one) { return one.leaves || is_up(one.state); });
}

std::optional<std::size_t> surplus_place(
        PoolBounds bounds, std::span<const PoolPlace> places, bool is_rolling) {
    if (is_rolling || staying(places) <= bounds.least) return std::nullopt;
    // One that does not serve anyhow is the first to go.
    for (const bool idle : {true, false})
        for (std::size_t i = places.size(); i-- > 0;) {
            const PoolPlace& place = places[i];
            if (!place.leaves && !place.serves && (!idle || !is_up(place.state))) return i;
        }
    return std::nullopt;
}

Waiting::Step Waiting::step(bool readable, Mono now) {
    if (!readable) {
        since_.reset();
        return Step::listen;
    }
    if (!since_) since_ = now;
    if (now - *since_ < after_) return Step::look;
    since_.reset();
    return Step::grow;
}

Nanoseconds Waiting::pause() const {
    return std::max<Nanoseconds>(after_ / looks, std::chrono::milliseconds(1));
}

}  // namespace superd
