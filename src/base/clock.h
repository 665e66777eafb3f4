// SPDX-License-Identifier: MIT
// Time as decisions see it (monotonic) and as people see it (wall clock), injected for tests.
#pragma once

#include <chrono>

namespace superd {

using Mono = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
using Wall = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;
using Nanoseconds = std::chrono::nanoseconds;

class Clock {
public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual Mono now() const = 0;  // CLOCK_MONOTONIC: what decisions use
    [[nodiscard]] virtual Wall wall()
            const = 0;  // CLOCK_REALTIME: log lines and access hours only
};

class SystemClock final : public Clock {
public:
    [[nodiscard]] Mono now() const override { return std::chrono::steady_clock::now(); }

    [[nodiscard]] Wall wall() const override { return std::chrono::system_clock::now(); }
};

// Ticks by hand.
class FakeClock final : public Clock {
public:
    [[nodiscard]] Mono now() const override { return mono_; }

    [[nodiscard]] Wall wall() const override { return wall_; }

    void advance(Nanoseconds by) {
        mono_ += by;
        wall_ += by;
    }

    void set_wall(Wall wall) { wall_ = wall; }

private:
    Mono mono_{std::chrono::hours(1)};
    Wall wall_{std::chrono::hours(24 * 365 * 50)};
};

}  // namespace superd
