// SPDX-License-Identifier: MIT
// Which numbers the services of this superd have by dynamic_user.
#include "engine/given_users.h"

#include "config/dynamic_users.h"

namespace superd {

std::string given_users(
        const std::map<std::string, std::unique_ptr<Service>, std::less<>>& services) {
    DynamicNumbers numbers;
    for (const auto& [name, service] : services)
        if (service->plan->exec.sandbox.dynamic_user)
            numbers.emplace(name, service->plan->exec.identity.uid);
    return dynamic_users_text(numbers);
}

}  // namespace superd
