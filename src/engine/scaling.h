// SPDX-License-Identifier: MIT
// superctl scale: another number of copies of a service than the file asks for.
//
// The number stands in the plan, beside what the file had asked for, and with the plan it
// outlives a superd that is killed, an upgrade and every reload that finds the same number in
// the file. Who is to be new is made of the files as they were accepted last, of which there
// are copies (engine/last_good.h): what has been edited since stays unseen until a reload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/diff.h"
#include "config/plan.h"
#include "engine/manager.h"

namespace superd {

// The numbers in force that are not the file's, for its next reading.
[[nodiscard]] std::vector<ScaledCopies> scaled_copies(const Plan& plan);
// The same with another number for one of them, which refuse_scale() has passed.
[[nodiscard]] std::vector<ScaledCopies> scaled_copies(
        const Plan& plan, std::string_view name, std::uint32_t count);

// Why there cannot be so many copies of it; nothing: there can.
[[nodiscard]] std::optional<Outcome> refuse_scale(
        const Plan& plan, std::string_view name, std::uint32_t count);

// The plan in force with the copies of one service as `read` has them, and with them what
// others say of those copies in after, requires, wants and conflicts. Nothing where the two
// were not made of the same files.
[[nodiscard]] std::optional<Plan> with_copies(
        const Plan& in_force, const Plan& read, std::string_view name);

// "3 copies"; with what the file asks for where that is another number.
[[nodiscard]] std::string describe_copies(const CopiesPlan& copies);

}  // namespace superd
