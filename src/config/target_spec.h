// SPDX-License-Identifier: MIT
// Addresses to connect to: those of listeners, with a host's name where one may stand.
#pragma once

#include <string_view>
#include <tl/expected.hpp>

#include "config/address_spec.h"
#include "config/plan.h"

namespace superd {

// "tcp:db1.internal:5432", "tcp6:[::1]:22", "unix:/run/x.sock". origin is left empty; host is
// set where it is a name.
[[nodiscard]] tl::expected<TargetPlan, WrongAddress> parse_target(
        std::string_view text, const PortLookup& lookup = {});

}  // namespace superd
