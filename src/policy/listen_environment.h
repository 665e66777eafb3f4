// SPDX-License-Identifier: MIT
// Where a worker's sockets are, in the words of other starters than systemd.
//
// Einhorn: EINHORN_FD_COUNT, EINHORN_FD_0 and so on, EINHORN_FDS for older programs, and
// EINHORN_MASTER_PID, which a program compares with its parent's. Server::Starter:
// SERVER_STARTER_PORT, "8080=3;127.0.0.1:80=4;/run/x.sock=5" of its TCP and UNIX listeners, and
// SERVER_STARTER_GENERATION, which grows with each generation and begins with 1. All say what
// LISTEN_FDS says, whose descriptors they are.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "config/plan.h"

namespace superd {

struct GivenSocket {
    const ListenerPlan* plan = nullptr;  // never null
    std::uint32_t port = 0;              // tcp: as bound
};

struct StarterFacts {
    std::span<const GivenSocket> sockets;  // in the order of their descriptors, from 3 up
    int parent = 0;                        // pid
    std::uint32_t generation = 1;
};

// Appends "NAME=value" strings: those that the pool's plan asks for.
void append_starter_variables(
        std::vector<std::string>& out, const PoolPlan& plan, const StarterFacts& facts);

}  // namespace superd
