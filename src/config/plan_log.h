// SPDX-License-Identifier: MIT
// The part of the plan that says where lines go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "config/plan_base.h"

namespace superd {

enum class SinkKind : std::uint8_t { stderr_text, file, syslog, journal };
enum class LogFormat : std::uint8_t { text, json, xinetd };

// A log file that superd-log ends by itself and keeps under a name with the time.
struct RotationPlan {
    std::uint64_t size = 10u << 20;            // bytes: a new file is begun before it has more
    std::optional<Nanoseconds> age{};          // and when it is older
    std::uint32_t keep = 10;                   // ended files
    std::optional<std::uint64_t> keep_size{};  // bytes of ended files
    bool compress = true;                      // ended files, with gzip

    bool operator==(const RotationPlan&) const = default;

    template <class P = RotationPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"rotate_size", &P::size}, Field{"rotate_age", &P::age},
                Field{"keep", &P::keep}, Field{"keep_size", &P::keep_size},
                Field{"compress", &P::compress}};
    }
};

struct SinkPlan {
    SinkKind kind = SinkKind::stderr_text;
    std::string path;           // SinkKind::file
    std::uint8_t facility = 3;  // SinkKind::syslog: RFC 5424's number, daemon by default
    std::optional<std::uint8_t>
            severity{};  // SinkKind::syslog: for all lines; empty: their own
    // SinkKind::file: at soft bytes a warning, at hard bytes nothing more is written.
    std::optional<std::uint64_t> soft_size{}, hard_size{};
    std::optional<RotationPlan> rotation{};  // SinkKind::file, and then neither soft nor hard

    bool operator==(const SinkPlan&) const = default;

    template <class P = SinkPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"kind", &P::kind}, Field{"path", &P::path},
                Field{"facility", &P::facility}, Field{"severity", &P::severity},
                Field{"soft_size", &P::soft_size}, Field{"hard_size", &P::hard_size},
                Field{"rotation", &P::rotation}};
    }
};

// What the lines of a service carry, as bits; xinetd's log_on_success and log_on_failure.
enum LogFacts : std::uint8_t {
    log_pid = 1,
    log_host = 2,
    log_user = 4,  // what ident said
    log_exit = 8,
    log_duration = 16,
    log_traffic = 32,
    log_attempt = 64
};

// Where a service's START, EXIT, REFUSE and FAIL lines go, and what they carry.
struct ServiceLogPlan {
    std::vector<SinkPlan> sinks;  // empty: superd's own log
    std::uint8_t admitted =
            log_pid | log_host | log_user | log_exit | log_duration | log_traffic;
    std::uint8_t refused = log_host | log_user | log_attempt;

    bool operator==(const ServiceLogPlan&) const = default;

    template <class P = ServiceLogPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"log", &P::sinks}, Field{"log_admitted", &P::admitted},
                Field{"log_refused", &P::refused}};
    }
};

}  // namespace superd
