// SPDX-License-Identifier: MIT
// Watches the listeners that workers have, for clients that nobody takes out of the queue
// (policy/pool.h).
//
// The listeners of a service are watched through an epoll set of its own: a poll of libuv's
// would make them non-blocking for the workers too, which share the open file. Nothing wakes
// superd while nobody comes, while a pool is as large as it may be, or while it cannot grow.
// Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "engine/service.h"
#include "loop/loop.h"
#include "policy/pool.h"

namespace superd {

// The places of a service as policy/pool.h looks at them.
[[nodiscard]] std::vector<PoolPlace> pool_places(const Service& service);
[[nodiscard]] PoolBounds bounds_of(const Service& service);

class Pools {
public:
    // Clients of the service have waited for too long; by its index.
    using OnPressed = std::function<void(std::uint32_t index)>;

    Pools(Loop& loop, OnPressed on_pressed);
    ~Pools();
    Pools(const Pools&) = delete;
    Pools& operator=(const Pools&) = delete;

    // Begins or ends the watch, by what the service is now. Costs nothing for most.
    void follow(const Service& service);

private:
    struct Watch;
    using Sockets = std::vector<std::pair<int, std::uint64_t>>;  // descriptor and inode

    [[nodiscard]] static Sockets sockets_of(const Service& service);
    [[nodiscard]] std::unique_ptr<Watch> begin(const Service& service, Sockets sockets);
    void look(Watch& watch);

    Loop& loop_;
    const OnPressed on_pressed_;
    std::map<std::uint32_t, std::unique_ptr<Watch>> watches_;  // by index
    std::vector<std::unique_ptr<Watch>> ended_;  // until the turn is over: one may be calling
};

}  // namespace superd
