// SPDX-License-Identifier: MIT
// Timers in a hierarchical wheel: setting, moving and taking one away cost the same however
// many there are.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"

namespace superd {

// One timer, a member of what it is for. Takes itself out of its wheel when it goes.
class WheelTimer {
public:
    WheelTimer() = default;
    virtual ~WheelTimer();
    WheelTimer(const WheelTimer&) = delete;
    WheelTimer& operator=(const WheelTimer&) = delete;

    [[nodiscard]] bool is_set() const { return next_ != nullptr; }

    void cancel();
    virtual void on_time() = 0;

private:
    friend class Wheel;
    WheelTimer *next_ = nullptr, *previous_ = nullptr;  // a ring with the slot's head
    std::uint64_t due_ = 0;                             // ticks
};

// Four levels of 64 slots, a tick of 8 ms: half a second, 33 seconds, 35 minutes, 37 hours;
// what is later waits in the last slot and is put in again. A timer is never early, and late by
// a tick at most while advance() is called in time. Must outlive its timers.
class Wheel {
public:
    explicit Wheel(Mono now);
    Wheel(const Wheel&) = delete;
    Wheel& operator=(const Wheel&) = delete;

    // Again for one that is set: it is moved.
    void set(WheelTimer& timer, Mono due);
    // Calls what is due. A callback may set and cancel timers, its own included.
    void advance(Mono now);
    // Milliseconds until advance() has something to do; -1: nothing is set.
    [[nodiscard]] int timeout(Mono now) const;

private:
    static constexpr unsigned levels = 4, bits = 6, slots = 1U << bits;
    static constexpr Nanoseconds tick = std::chrono::milliseconds(8);

    struct Head final : WheelTimer {
        Head();

        void on_time() override {}

        [[nodiscard]] bool empty() const;
        void append(WheelTimer& timer);
        friend class Wheel;
    };

    [[nodiscard]] std::uint64_t tick_of(Mono time) const;
    void insert(WheelTimer& timer);
    void cascade(unsigned level);
    void fire(Head& slot);

    const Mono start_;
    std::uint64_t now_ = 0;  // ticks that have been dealt with
    std::array<std::array<Head, slots>, levels> slots_;
};

}  // namespace superd
