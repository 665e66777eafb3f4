// SPDX-License-Identifier: MIT
// The words of xinetd, inetd and systemd, and what superd.toml says instead.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace superd {

struct ForeignWord {
    std::string family;  // "xinetd", "inetd", "systemd"
    std::string word;    // as it is written there
    std::string advice;  // "write max_connections = N"
};

// "instances", "xinetd:instances", "systemd:ExecStart"; words of xinetd in any case. A word
// that is a key of superd.toml too is found only with its family before it.
[[nodiscard]] std::optional<ForeignWord> find_foreign(std::string_view word);

}  // namespace superd
