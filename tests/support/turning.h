// SPDX-License-Identifier: MIT
// Turning a loop by hand until what is waited for has come.
#pragma once

#include <chrono>

#include "loop/loop.h"

#include "support/wait_until.h"

namespace superd::test {

// Looks after each turn, and every few milliseconds at least: what is waited for need not be
// the loop's. False: it did not come to hold within `patience`.
template <class Condition>
bool turn_until(Loop& loop, Condition holds) {
    Timer beat(loop, [] {});
    beat.start(std::chrono::milliseconds(2), std::chrono::milliseconds(2));
    const Mono deadline = loop.now() + patience;
    while (!holds()) {
        if (loop.now() > deadline) return false;
        loop.turn(true);
    }
    return true;
}

}  // namespace superd::test
