// SPDX-License-Identifier: MIT
// A test case that cannot run here, or not as a whole, says so; support/count_catch counts it.
#pragma once

#include <cstdio>
#include <set>
#include <string>

#include "support/catch.h"

namespace superd::test {

// Prints "SKIP name: reason" once for each test case. Not from a child process.
inline void skip(const std::string& reason) {
    static std::set<std::string> said;
    const std::string name = Catch::getResultCapture().getCurrentTestName();
    if (!said.insert(name).second) return;
    std::printf("SKIP %s: %s\n", name.c_str(), reason.c_str());
    std::fflush(stdout);
}

}  // namespace superd::test
