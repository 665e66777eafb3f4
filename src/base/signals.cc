// SPDX-License-Identifier: MIT
#include "base/signals.h"

#include <csignal>
#include <cstring>

namespace superd {

std::optional<int> signal_by_name(std::string_view name) {
    if (name.starts_with("SIG")) name.remove_prefix(3);
    for (int signal = 1; signal < NSIG; ++signal) {
        const char* known = ::sigabbrev_np(signal);
        if (known != nullptr && name == known) return signal;
    }
    return std::nullopt;
}

std::string signal_name(int signal) {
    const char* known = ::sigabbrev_np(signal);
    return known != nullptr ? known : std::to_string(signal);
}

}  // namespace superd
