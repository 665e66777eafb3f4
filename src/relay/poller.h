// SPDX-License-Identifier: MIT
// The relay's event loop: epoll, edge-triggered, and a wheel of timers. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"

#include "relay/wheel.h"

namespace superd {

// Is told what epoll says of one descriptor. Must be removed or forgotten before it goes.
class Watcher {
public:
    virtual ~Watcher() = default;
    virtual void on_events(std::uint32_t events) = 0;

private:
    friend class Poller;
    static constexpr std::uint32_t nowhere = ~std::uint32_t{0};
    std::uint32_t place_ = nowhere;  // in the poller's table
};

// Has more to do although no event will say so: a share of a turn is used up.
class Task {
public:
    virtual ~Task() = default;
    virtual void on_turn() = 0;

private:
    friend class Poller;
    bool queued_ = false;
};

class Poller {
public:
    explicit Poller(const Clock& clock);
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    // In, out, hangup and urgent data, edge-triggered; false with errno set where epoll has no
    // room. A watcher watches one descriptor at a time.
    [[nodiscard]] bool add(int fd, Watcher& watcher);
    // The same, level-triggered, for reading only.
    [[nodiscard]] bool add_level(int fd, Watcher& watcher);
    // It is told no more, nor events of this turn that it has not been told yet.
    void remove(int fd, Watcher& watcher);
    // The same for a descriptor that is about to be closed, which takes it out of the set. If
    // another process still has a copy then, what epoll says of that one meets nobody.
    void forget(Watcher& watcher);

    // Once, on the next turn; a task that goes must be taken back.
    void again(Task& task);
    void take_back(Task& task);

    // Waits at most max_ms (-1: as long as nothing happens), then tells events, tasks, timers.
    void turn(int max_ms);

    // Of this turn.
    [[nodiscard]] Mono now() const { return now_; }

    [[nodiscard]] Wheel& wheel() { return wheel_; }

private:
    // Of a watcher, for ever: epoll gives back its number and its generation.
    struct Place {
        Watcher* watcher = nullptr;
        std::uint32_t generation = 0;
    };

    [[nodiscard]] bool watch(int fd, Watcher& watcher, std::uint32_t events);

    const Clock& clock_;
    Fd epoll_;
    Mono now_;
    Wheel wheel_;
    std::vector<Task*> tasks_, running_;
    std::vector<Place> places_;
    std::vector<std::uint32_t> free_places_;
};

}  // namespace superd
