// SPDX-License-Identifier: MIT
// How many workers share the listeners of a service, between the least and the most.
//
// Clients of a worker come in unseen: what superd can see is that a listener is readable, which
// means that somebody is in its queue whom no worker has taken out yet. That is so for a moment
// with every client. One more worker is due when it stays so for the whole of `after`: the
// listener is looked at again and again within that time, and a single look that finds nobody
// ends it, for then the workers keep up. It costs nothing while nobody comes, and a few looks
// while somebody does.
//
// One at a time: who is being started, or has fallen and waits to be started again, is help on
// its way, and more of the same would not make it come sooner. So a pool grows only while all
// that it has are up, and while no other generation takes its place.
//
// A pool that has more than the least may give up one at a time, and never one that has a
// client: which is the youngest of the others, for the least are then those that have always
// been there. When to ask for that is decided elsewhere (engine/idling.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/clock.h"
#include "policy/life.h"

namespace superd {

// One place of a pool, as far as it matters here.
struct PoolPlace {
    LifeState state = LifeState::down;
    bool leaves = false;  // it goes when its process has
    bool serves = false;  // it has a client
};

struct PoolBounds {
    std::uint32_t least = 1, most = 1;
};

// The bounds of a plan whose most is not written (0): as many as there are at least.
[[nodiscard]] PoolBounds pool_bounds(std::uint32_t least, std::uint32_t most);
// How many places there are to be; asked: what a pool has grown to, 0 where it has not.
[[nodiscard]] std::uint32_t pool_size(PoolBounds bounds, std::uint32_t asked);
// Whether waiting clients are to be looked for, and one more worker would help them.
[[nodiscard]] bool may_grow(
        PoolBounds bounds, std::span<const PoolPlace> places, bool is_rolling);
// Which place a pool can do without; nothing where it needs all of them, or all that it can do
// without have clients.
[[nodiscard]] std::optional<std::size_t> surplus_place(
        PoolBounds bounds, std::span<const PoolPlace> places, bool is_rolling);

// Whether clients wait for longer than they should. Told of what a look at the listeners finds.
class Waiting {
public:
    explicit Waiting(Nanoseconds after) : after_(after) {}

    enum class Step : std::uint8_t {
        listen,  // until somebody comes
        look,    // again, in pause()
        grow     // somebody has waited for the whole time; it begins anew
    };

    // readable: somebody is in a queue now.
    [[nodiscard]] Step step(bool readable, Mono now);
    [[nodiscard]] Nanoseconds pause() const;

    [[nodiscard]] Nanoseconds after() const { return after_; }

private:
    Nanoseconds after_;
    std::optional<Mono> since_;  // when the first look found somebody
};

}  // namespace superd
