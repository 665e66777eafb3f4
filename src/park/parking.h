// SPDX-License-Identifier: MIT
// Inside libsuperd-park.so: what its parts know of each other.
#pragma once

#include <atomic>

namespace superd::park {

// superd's channel; -1: the connection is there, or nobody asked for anything.
extern std::atomic<int> channel;

// Of a program that still waits for its connection. One load, for every call that is caught.
inline bool waits() {
    return __builtin_expect(channel.load(std::memory_order_relaxed) >= 0, 0);
}

// Comes back when the connection is on 0 and 1, or ends the process.
void park();

inline void park_for(int fd) {
    if (waits() && (fd == 0 || fd == 1)) park();
}

inline void park_always() {
    if (waits()) park();
}

// Somebody wants its number.
void move_channel();

// word: park_parked ...; reason: behind park_unfit.
void say(char word, char reason = 0);

// Looks up what the calls that are caught stand for: before there are threads and signals.
void resolve_calls();

// An interpreter that keeps a copy of the environment is told: "NAME=value", each ended by NUL.
void tell_interpreter(const char* variables, long size);

}  // namespace superd::park
