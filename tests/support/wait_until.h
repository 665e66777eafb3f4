// SPDX-License-Identifier: MIT
// Waiting for what another process does without telling: a counter in shared memory, a state
// in /proc.
#pragma once

#include <chrono>
#include <fstream>
#include <string>

#include <poll.h>
#include <sys/types.h>

namespace superd::test {

// Generous, for it costs only the test that fails: a machine may do ten other things besides.
inline constexpr auto patience = std::chrono::seconds(60);

// Looks again and again until it holds; false: it did not within `patience`.
template <class Condition>
bool wait_until(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    const timespec between{.tv_sec = 0, .tv_nsec = 100'000};
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        ::ppoll(nullptr, 0, &between, nullptr);
    }
    return true;
}

// The process waits in a system call.
inline bool is_asleep(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string stat;
    std::getline(file, stat);
    const auto name_end = stat.rfind(") ");
    return name_end != std::string::npos && stat.compare(name_end + 2, 1, "S") == 0;
}

}  // namespace superd::test
