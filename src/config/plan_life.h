// SPDX-License-Identifier: MIT
// The part of the plan that says how a service is kept alive.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "config/plan_admission.h"
#include "config/plan_base.h"

namespace superd {

enum class Restart : std::uint8_t { no, on_failure, on_abnormal, on_success, always };

// An exit status, or a signal, that is a good end.
struct CleanExit {
    bool is_signal = false;
    std::uint8_t code = 0;

    bool operator==(const CleanExit&) const = default;

    template <class P = CleanExit>
    static constexpr auto fields() {
        return std::tuple{Field{"is_signal", &P::is_signal}, Field{"code", &P::code}};
    }
};

// The exits that are clean where clean_exit does not stand: 0, HUP, INT, TERM, PIPE.
[[nodiscard]] std::vector<CleanExit> usual_clean_exits();

// When a service that has been started is ready.
enum class ReadyKind : std::uint8_t {
    exec,    // as soon as its program runs
    notify,  // when it says READY=1 to $NOTIFY_SOCKET
    fd,      // when it writes a newline to a descriptor of its own
    listen,  // when a socket takes connections
    exit     // when it has run its course
};

struct ReadyPlan {
    ReadyKind kind = ReadyKind::exec;
    std::uint32_t fd = 0;  // ReadyKind::fd: its number
    std::string address;   // ReadyKind::listen: canonical; empty: any of the program's own

    bool operator==(const ReadyPlan&) const = default;

    template <class P = ReadyPlan>
    static constexpr auto fields() {
        return std::tuple{
                Field{"kind", &P::kind}, Field{"fd", &P::fd}, Field{"address", &P::address}};
    }
};

// Whose messages to $NOTIFY_SOCKET count.
enum class NotifyAccess : std::uint8_t {
    none,  // there is no such socket
    main,  // the program's itself
    all    // those of every process of its session
};

// A program by its absolute path, and its arguments.
using Command = std::vector<std::string>;

// How a program is told to read its configuration again; neither: it cannot be.
struct ReloadPlan {
    std::uint8_t signal = 0;  // sent to it
    bool wait = false;        // ... and it answers RELOADING=1 and then READY=1
    Command command;          // run instead

    bool operator==(const ReloadPlan&) const = default;

    [[nodiscard]] bool known() const { return signal != 0 || !command.empty(); }

    template <class P = ReloadPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"signal", &P::signal}, Field{"wait", &P::wait},
                Field{"command", &P::command}};
    }
};

struct LifePlan {
    Restart restart = Restart::no;
    Nanoseconds restart_delay{std::chrono::milliseconds(100)};  // doubled with each in a row
    Nanoseconds restart_delay_max{std::chrono::seconds(60)};
    std::optional<Frequency> restart_limit;  // empty: it is never given up
    std::vector<CleanExit> clean_exit = usual_clean_exits();
    ReadyPlan ready;
    NotifyAccess notify_access = NotifyAccess::none;
    std::uint32_t fd_store = 0;  // descriptors that are kept for a process at most
    std::optional<Nanoseconds> start_timeout{std::chrono::seconds(30)};  // empty: it may take
    std::optional<Nanoseconds> run_timeout;                              // as long as it likes
    std::optional<Nanoseconds> watchdog;                                 // empty: nobody asks
    Nanoseconds abort_timeout{std::chrono::seconds(10)};  // after ABRT, for a core
    std::vector<Command> exec_pre, exec_post, exec_stop, exec_stop_post;
    ReloadPlan reload;
    Nanoseconds reload_timeout{std::chrono::seconds(30)};

    bool operator==(const LifePlan&) const = default;

    template <class P = LifePlan>
    static constexpr auto fields() {
        return std::tuple{Field{"restart", &P::restart},
                Field{"restart_delay", &P::restart_delay},
                Field{"restart_delay_max", &P::restart_delay_max},
                Field{"restart_limit", &P::restart_limit}, Field{"clean_exit", &P::clean_exit},
                Field{"ready", &P::ready}, Field{"notify_access", &P::notify_access},
                Field{"fd_store", &P::fd_store}, Field{"start_timeout", &P::start_timeout},
                Field{"run_timeout", &P::run_timeout}, Field{"watchdog", &P::watchdog},
                Field{"abort_timeout", &P::abort_timeout}, Field{"exec_pre", &P::exec_pre},
                Field{"exec_post", &P::exec_post}, Field{"exec_stop", &P::exec_stop},
                Field{"exec_stop_post", &P::exec_stop_post}, Field{"reload", &P::reload},
                Field{"reload_timeout", &P::reload_timeout}};
    }
};

}  // namespace superd
