// SPDX-License-Identifier: MIT
// The last accepted configuration, kept in the state directory for a cold start with a broken
// file: the resolved plan, and copies of the files it was read from: a superd that cannot read
// the plan of another version makes its own from them.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "config/plan.h"

namespace superd {

// STATE/last-good
[[nodiscard]] std::string last_good_folder(const std::string& state_directory);
// There: plan, the copies 0-superd.toml … and their index (ReadOptions::copies); each replaced
// by rename. Failure loses nothing but this copy: it is returned to be said. encoded:
// encode_plan() of the plan.
Result<void> keep_last_good(
        const std::string& state_directory, const Plan& plan, const std::string& encoded);
// Nothing where there is none or it cannot be read.
[[nodiscard]] std::optional<Plan> load_last_good(const std::string& state_directory);

}  // namespace superd
