// SPDX-License-Identifier: MIT
// The words for the reasons of a refusal.
#include "policy/refusal.h"

#include <array>

namespace superd {

namespace {

constexpr std::array<std::string_view, refusal_count> names{"not_allowed", "denied", "hours",
        "max_connections", "max_per_source", "rate", "rate_per_source", "load", "max_processes",
        "no_descriptors", "tcp_wrappers", "stopping", "ident", "preface", "tls_handshake"};

}  // namespace

std::string_view refusal_name(Refusal refusal) {
    const auto index = static_cast<std::size_t>(refusal);
    return index < names.size() ? names[index] : "?";
}

}  // namespace superd
