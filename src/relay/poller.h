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

// Is told what epoll says of one descriptor. Must be removed before it or the descriptor goes.
class Watcher {
public:
    virtual ~Watcher() = default;
    virtual void on_events(std::uint32_t events) = 0;
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

    // In, out and hangup, edge-triggered; false with errno set where epoll has no room.
    [[nodiscard]] bool add(int fd, Watcher& watcher);
    // The same, level-triggered, for reading only.
    [[nodiscard]] bool add_level(int fd, Watcher& watcher);
    // Also takes back events of this turn that have not been told yet.
    void remove(int fd, Watcher& watcher);

    // Once, on the next turn; a task that goes must be taken back.
    void again(Task& task);
    void take_back(Task& task);

    // Waits at most max_ms (-1: as long as nothing happens), then tells events, tasks, timers.
    void turn(int max_ms);

    // Of this turn.
    [[nodiscard]] Mono now() const { return now_; }

    [[nodiscard]] Wheel& wheel() { return wheel_; }

private:
    const Clock& clock_;
    Fd epoll_;
    Mono now_;
    Wheel wheel_;
    std::vector<Task*> tasks_, running_;

    struct Told {
        Watcher* watcher;
        std::uint32_t events;
    };

    std::vector<Told> told_;
};

}  // namespace superd
