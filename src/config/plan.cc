// SPDX-License-Identifier: MIT
#include "config/plan.h"

#include <csignal>

namespace superd {

std::string Plan::where(const Origin& origin) const {
    if (origin.line == 0 || origin.file >= files.size()) return "built-in";
    return files[origin.file] + ":" + std::to_string(origin.line);
}

std::vector<CleanExit> usual_clean_exits() {
    return {{false, 0}, {true, SIGHUP}, {true, SIGINT}, {true, SIGTERM}, {true, SIGPIPE}};
}

}  // namespace superd
