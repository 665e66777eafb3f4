// SPDX-License-Identifier: MIT
#include "config/plan.h"

namespace superd {

std::string Plan::where(const Origin& origin) const {
    if (origin.line == 0 || origin.file >= files.size()) return "built-in";
    return files[origin.file] + ":" + std::to_string(origin.line);
}

}  // namespace superd
