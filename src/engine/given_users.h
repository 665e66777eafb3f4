// SPDX-License-Identifier: MIT
// Which numbers the services of this superd have by dynamic_user, for the next reading of the
// file.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/service.h"

namespace superd {

// As config/dynamic_users.h has it. Services that have gone count as long as they are known
// here: their last processes may still run.
[[nodiscard]] std::string given_users(
        const std::map<std::string, std::unique_ptr<Service>, std::less<>>& services);

}  // namespace superd
