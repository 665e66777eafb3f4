// SPDX-License-Identifier: MIT
// Asks another program whether it can take superd's place, in a process of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "engine/errand.h"
#include "loop/loop.h"
#include "sys/handover.h"

namespace superd {

class Upgrader {
public:
    // The version of the program, or why it cannot. From the loop, once, unless the Upgrader
    // goes first.
    using Callback = std::function<void(Result<std::string>)>;

    ~Upgrader();
    Upgrader(const Upgrader&) = delete;
    Upgrader& operator=(const Upgrader&) = delete;

    // beginning: a loan; null: superd has no guard that could become another program.
    Upgrader(Loop& loop, const State& state, const Beginning* beginning);

    // program: a path. It is started as superd was, with the state as it is now. One that does
    // not answer within `patience` is killed.
    void ask(const std::string& program, Callback callback);

    [[nodiscard]] bool busy() const { return callback_ != nullptr; }

private:
    static constexpr Nanoseconds patience = std::chrono::seconds(30);

    [[nodiscard]] Result<Errand> begin(const std::string& program);
    void finish();
    void kill() const;

    Loop& loop_;
    const State& state_;
    const Beginning* beginning_;
    Errand errand_;
    std::unique_ptr<Poll> poll_;
    Timer deadline_;
    Callback callback_;
    bool timed_out_ = false;
};

// The file that this program was started from, or the one that has taken its place there.
[[nodiscard]] std::string own_program();

}  // namespace superd
