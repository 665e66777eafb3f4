// SPDX-License-Identifier: MIT
// The part of the plan that says how many processes of a service there are, how they follow one
// another, and of what it is a copy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "config/plan_base.h"

namespace superd {

// ServicePlan::workers is how many there are at least.
struct PoolPlan {
    std::uint32_t most = 0;                            // workers at most; 0: never more
    Nanoseconds after{std::chrono::milliseconds(50)};  // clients waited so long: one more
    bool overlap = false;         // a new generation is ready before the old one ends
    bool einhorn = false;         // EINHORN_FD_COUNT and its like, beside LISTEN_FDS
    bool server_starter = false;  // SERVER_STARTER_PORT and its like

    bool operator==(const PoolPlan&) const = default;

    template <class P = PoolPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"most", &P::most}, Field{"after", &P::after},
                Field{"overlap", &P::overlap}, Field{"einhorn", &P::einhorn},
                Field{"server_starter", &P::server_starter}};
    }
};

// Of a service that is one copy of several: of which, and what %i is in it. The service itself
// is called OF@NAME.
struct CopyPlan {
    std::string of, name;

    bool operator==(const CopyPlan&) const = default;

    template <class P = CopyPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"of", &P::of}, Field{"name", &P::name}};
    }
};

// A service with replicas, which is there only as its copies.
struct CopiesPlan {
    std::string name;
    Origin origin;
    std::uint32_t written = 0;            // how many the file asks for
    std::optional<std::uint32_t> scaled;  // ... and how many somebody does at run time
    std::vector<std::string> names;       // of the copies that there are: "0", "1"
    bool is_list = false;                 // the file names them one by one

    bool operator==(const CopiesPlan&) const = default;

    template <class P = CopiesPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"name", &P::name}, Field{"origin", &P::origin},
                Field{"written", &P::written}, Field{"scaled", &P::scaled},
                Field{"names", &P::names}, Field{"is_list", &P::is_list}};
    }
};

}  // namespace superd
