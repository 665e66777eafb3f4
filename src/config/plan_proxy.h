// SPDX-License-Identifier: MIT
// The part of the plan about the PROXY protocol: who may send its header, and what is sent.
#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "config/plan_admission.h"
#include "config/plan_base.h"

namespace superd {

// A listener whose connections begin with a header where they come from a proxy of `from`.
struct ProxyProtocolPlan {
    std::vector<AccessRule> from;  // never empty; AccessRule::allow is set in all
    std::uint8_t versions = 3;     // bits: 1 and 2
    bool required = false;         // nobody else may connect
    Nanoseconds timeout{std::chrono::seconds(10)};  // for the whole header
    Origin origin;

    bool operator==(const ProxyProtocolPlan&) const = default;

    template <class P = ProxyProtocolPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"from", &P::from}, Field{"versions", &P::versions},
                Field{"required", &P::required}, Field{"timeout", &P::timeout},
                Field{"origin", &P::origin}};
    }
};

// What a redirect adds to a header of version 2.
struct ProxyTlvs {
    // In the order of option send_proxy_tlvs's words.
    enum Bit : std::uint8_t { crc32c = 1, unique_id = 2, alpn = 4, authority = 8, ssl = 16 };

    std::uint8_t bits = 0;

    bool operator==(const ProxyTlvs&) const = default;

    template <class P = ProxyTlvs>
    static constexpr auto fields() {
        return std::tuple{Field{"bits", &P::bits}};
    }
};

}  // namespace superd
