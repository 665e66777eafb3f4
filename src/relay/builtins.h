// SPDX-License-Identifier: MIT
// What the small services say: RFC 864 (chargen), 867 (daytime), 868 (time).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace superd {

// Lines of 72 of the 95 printing characters, each line begun one character later, CR LF behind
// each: after this many bytes they begin anew.
inline constexpr std::size_t chargen_line = 74;
inline constexpr std::size_t chargen_period = chargen_line * 95;

// From byte `offset` of the endless text on, as much as lies in one piece (at least one
// period). Static.
[[nodiscard]] std::string_view chargen_text(std::size_t offset);

// "Mon Nov 23 01:48:02 2026\r\n", local time.
[[nodiscard]] std::string daytime_text(Wall now);
// Seconds since 1900, four bytes in network order; wraps in 2036 as RFC 868 has it.
[[nodiscard]] std::string time_bytes(Wall now);

}  // namespace superd
