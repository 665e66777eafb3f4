// SPDX-License-Identifier: MIT
// Why a connection was not let in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace superd {

enum class Refusal : std::uint8_t {
    not_allowed,
    denied,
    hours,
    max_connections,
    max_per_source,
    rate,
    rate_per_source,
    load,
    max_processes,
    no_descriptors,
    tcp_wrappers,
    stopping,
    ident,
    preface,
    tls_handshake,
    count
};
inline constexpr std::size_t refusal_count = static_cast<std::size_t>(Refusal::count);

[[nodiscard]] std::string_view refusal_name(Refusal refusal);

}  // namespace superd
