// SPDX-License-Identifier: MIT
// The part of the plan that says when a service starts: at what times, and after whom.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "config/plan_base.h"

namespace superd {

// Moments of the local calendar. All of weekday, month and day must be right.
struct CalendarRule {
    std::string text;                  // as written: "Mon..Fri 03:30"
    std::uint8_t weekdays = 0x7f;      // bit 0 is Monday
    std::uint16_t months = 0xfff;      // bit 0 is January
    std::uint32_t days = 0xffffffff;   // bits 1 to 31; bit 0 is the month's last
    std::vector<std::uint32_t> times;  // seconds of the day, in order

    bool operator==(const CalendarRule&) const = default;

    template <class P = CalendarRule>
    static constexpr auto fields() {
        return std::tuple{Field{"text", &P::text}, Field{"weekdays", &P::weekdays},
                Field{"months", &P::months}, Field{"days", &P::days},
                Field{"times", &P::times}};
    }
};

// What becomes of a moment at which superd was not there.
enum class Missed : std::uint8_t { skip, run };

struct TimerPlan {
    std::optional<Nanoseconds> every;
    std::vector<CalendarRule> at;
    Nanoseconds jitter{0};  // a run comes so much later at most, by chance
    Missed missed = Missed::skip;

    // Runs come by the clock, and not with superd.
    [[nodiscard]] bool any() const { return every || !at.empty(); }

    bool operator==(const TimerPlan&) const = default;

    template <class P = TimerPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"every", &P::every}, Field{"at", &P::at},
                Field{"jitter", &P::jitter}, Field{"missed", &P::missed}};
    }
};

// Another service, and where it is named.
struct ServiceName {
    std::string name;
    Origin origin;

    bool operator==(const ServiceName&) const = default;

    template <class P = ServiceName>
    static constexpr auto fields() {
        return std::tuple{Field{"name", &P::name}, Field{"origin", &P::origin}};
    }
};

struct DependencyPlan {
    std::vector<ServiceName> after;      // it starts when these are there, if they are to be
    std::vector<ServiceName> requires_;  // ... and not without these, nor goes on without them
    std::vector<ServiceName> wants;      // these are started with it
    std::vector<ServiceName> conflicts;  // these are stopped when it starts

    [[nodiscard]] bool any() const {
        return !after.empty() || !requires_.empty() || !wants.empty() || !conflicts.empty();
    }

    bool operator==(const DependencyPlan&) const = default;

    template <class P = DependencyPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"after", &P::after}, Field{"requires", &P::requires_},
                Field{"wants", &P::wants}, Field{"conflicts", &P::conflicts}};
    }
};

}  // namespace superd
