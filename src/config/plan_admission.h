// SPDX-License-Identifier: MIT
// The part of the plan that says who may come in, when, and how many.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/units.h"
#include "config/plan_base.h"

namespace superd {

// host: one host's name; domain: every name below one. Both by a reverse look-up that the
// name's own addresses confirm.
enum class MatchKind : std::uint8_t {
    network,
    named_network,
    uid,
    gid,
    everybody,
    host,
    domain
};

// One entry of allow or deny.
struct AccessRule {
    MatchKind kind = MatchKind::network;
    bool allow = false;
    Network network;           // MatchKind::network
    std::uint32_t id = 0;      // uid or gid
    std::string network_name;  // MatchKind::named_network, without '@'
    std::string host;          // lower case: "db.example.org", "example.org" for a domain
    std::string text;          // as written: "@office", "10.0.0.0/8", "user:git"
    Origin origin;

    bool operator==(const AccessRule&) const = default;

    template <class P = AccessRule>
    static constexpr auto fields() {
        return std::tuple{Field{"kind", &P::kind}, Field{"allow", &P::allow},
                Field{"network", &P::network}, Field{"id", &P::id},
                Field{"network_name", &P::network_name}, Field{"host", &P::host},
                Field{"text", &P::text}, Field{"origin", &P::origin}};
    }
};

// [networks]: a name with its blocks, or with a file that is read again when it changes.
struct NetworkPlan {
    std::string name;
    std::vector<Network> blocks;
    std::string file;  // empty: blocks were written in the configuration
    Origin origin;

    bool operator==(const NetworkPlan&) const = default;

    template <class P = NetworkPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"name", &P::name}, Field{"blocks", &P::blocks},
                Field{"file", &P::file}, Field{"origin", &P::origin}};
    }
};

// rate and rate_per_source: a token bucket of `burst` that fills with `limit`.
struct RatePlan {
    Frequency limit;
    std::uint32_t burst = 0;  // never 0 in a resolved plan
    Nanoseconds pause{0};     // 0: only until a token is there
    Origin origin;

    bool operator==(const RatePlan&) const = default;

    template <class P = RatePlan>
    static constexpr auto fields() {
        return std::tuple{Field{"limit", &P::limit}, Field{"burst", &P::burst},
                Field{"pause", &P::pause}, Field{"origin", &P::origin}};
    }
};

// One window of `hours`: on each day of `days` (bit 0 Monday ... bit 6 Sunday) from `from` to
// `to` minutes after local midnight; to <= from ends on the following day.
struct HoursWindow {
    std::uint8_t days = 0x7f;
    std::uint16_t from = 0;
    std::uint16_t to = 24 * 60;
    Origin origin;

    bool operator==(const HoursWindow&) const = default;

    template <class P = HoursWindow>
    static constexpr auto fields() {
        return std::tuple{Field{"days", &P::days}, Field{"from", &P::from}, Field{"to", &P::to},
                Field{"origin", &P::origin}};
    }
};

// A bound and where it was written; no value: unlimited.
struct Bound {
    std::optional<std::uint32_t> value;
    Origin origin;

    bool operator==(const Bound&) const = default;

    template <class P = Bound>
    static constexpr auto fields() {
        return std::tuple{Field{"value", &P::value}, Field{"origin", &P::origin}};
    }
};

// What the peer's ident server (RFC 1413) is asked for.
enum class Ident : std::uint8_t { off, log, require };

// A file that is sent to clients: its text is read with the configuration, so that sending it
// neither waits for a disk nor finds it gone.
struct BannerPlan {
    std::string path;  // empty: none
    std::string text;

    bool operator==(const BannerPlan&) const = default;

    static constexpr auto fields() {
        return std::tuple{Field{"path", &BannerPlan::path}, Field{"text", &BannerPlan::text}};
    }
};

enum class OnLimit : std::uint8_t { queue, refuse };

struct AdmissionPlan {
    std::vector<AccessRule> access;  // in the order written; see policy/access.h
    Bound max_connections, max_per_source;
    std::optional<RatePlan> rate, rate_per_source;
    std::vector<HoursWindow> hours;  // empty: always
    std::optional<double> max_load;  // one-minute load average
    Origin max_load_origin;
    OnLimit on_limit = OnLimit::queue;
    std::string refuse_text;
    Ident ident = Ident::off;
    Nanoseconds ident_timeout{std::chrono::seconds(10)};
    bool tcp_wrappers = false;
    std::string tcp_wrappers_name;  // the daemon's name in hosts.allow; empty: the program's
    Origin tcp_wrappers_origin;
    // Sent at once to everybody, to those let in, to those refused.
    BannerPlan banner, banner_admitted, banner_refused;

    bool operator==(const AdmissionPlan&) const = default;

    template <class P = AdmissionPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"access", &P::access},
                Field{"max_connections", &P::max_connections},
                Field{"max_per_source", &P::max_per_source}, Field{"rate", &P::rate},
                Field{"rate_per_source", &P::rate_per_source}, Field{"hours", &P::hours},
                Field{"max_load", &P::max_load}, Field{"max_load_origin", &P::max_load_origin},
                Field{"on_limit", &P::on_limit}, Field{"refuse_text", &P::refuse_text},
                Field{"ident", &P::ident}, Field{"ident_timeout", &P::ident_timeout},
                Field{"tcp_wrappers", &P::tcp_wrappers},
                Field{"tcp_wrappers_name", &P::tcp_wrappers_name},
                Field{"tcp_wrappers_origin", &P::tcp_wrappers_origin},
                Field{"banner", &P::banner}, Field{"banner_admitted", &P::banner_admitted},
                Field{"banner_refused", &P::banner_refused}};
    }
};

}  // namespace superd
