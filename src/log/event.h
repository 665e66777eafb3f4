// SPDX-License-Identifier: MIT
// One type for each fact that superd logs. All wording is in log/format.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/address.h"
#include "base/clock.h"
#include "config/plan_log.h"

namespace superd {

enum class Level : std::uint8_t { debug, info, notice, warning, error, critical };
[[nodiscard]] std::string_view level_name(Level level);

// All that a line can carry; log_admitted and log_refused take out of it (LogFacts).
inline constexpr std::uint8_t all_facts = 0xff;

// START: a process was started.
struct StartEvent {
    std::string_view service{};
    std::uint64_t connection = 0;  // 0: none (worker, daemon)
    int pid = 0;
    Endpoint peer{}, local{};   // family none: none
    std::string_view socket{};  // local where it is UNIX: "unix:/run/x"
    std::string_view user{};    // what the peer's ident server said; empty: not asked, not yet
    std::uint8_t facts = all_facts;
    Endpoint via{};  // the proxy whose header named peer; family none: none
    std::string_view tls{}, cipher{}, sni{};  // "TLSv1.3"; empty: none
};

// EXIT: a process has ended.
struct ExitEvent {
    std::string_view service{};
    std::uint64_t connection = 0;
    int pid = 0;
    int status = -1;  // wait status (waitpid(2)); -1: unknown
    Nanoseconds duration{0};
    Endpoint peer{};
    Endpoint via{};
    std::uint8_t facts = all_facts;
    // A connection that superd-relay served has no process: how it ended, and the bytes from
    // and to the client.
    std::string_view end{};
    std::uint64_t received = 0, sent = 0;
    int error = 0;  // errno behind `end`
};

// REFUSE: a connection was not let in.
struct RefuseEvent {
    std::string_view service{};
    std::uint64_t connection = 0;
    Endpoint peer{}, local{};
    Endpoint via{};
    std::string_view socket{};     // local where it is UNIX: "unix:/run/x"
    std::string_view reason{};     // refusal_name()
    std::string_view rule{};       // "/etc/superd.toml:31"
    std::string_view user{};       // what the peer's ident server said; empty: not known
    std::string_view detail{};     // what is wrong with a header; empty: nothing to say
    std::uint64_t suppressed = 0;  // lines like this one left out since the last
    std::uint8_t facts = all_facts;
};

// IDENT: what the peer's own host says of the user behind a connection (RFC 1413). One of user
// and error, or neither: it has not answered.
struct IdentEvent {
    std::string_view service{};
    std::uint64_t connection = 0;
    Endpoint peer{};
    std::string_view user{};
    std::string_view error{};   // "NO-USER", "HIDDEN-USER" ...
    std::string_view system{};  // beside a user what kind of name it is: "UNIX"
};

// FAIL: something that superd was to do for a service did not work.
struct FailEvent {
    std::string_view service{};
    std::uint64_t connection = 0;
    Endpoint peer{};
    std::string_view stage{};      // "exec", "bind", "setuid" ...
    std::string_view subject{};    // path or address
    int error = 0;                 // errno
    std::string_view detail{};     // free text behind it; may be empty
    std::uint64_t suppressed = 0;  // lines like this one left out since the last
};

// STATE: a service went from one state to another.
struct StateEvent {
    std::string_view service{};
    std::string_view from{}, to{};
    std::string_view reason{};
};

// Everything about superd itself.
struct NoticeEvent {
    Level level = Level::info;
    std::string_view service{};  // may be empty
    std::string_view text{};
};

using Event = std::variant<StartEvent, ExitEvent, RefuseEvent, IdentEvent, FailEvent,
        StateEvent, NoticeEvent>;

[[nodiscard]] Level level_of(const Event& event);
// False where log_admitted or log_refused leave nothing of an event that should be written.
[[nodiscard]] bool is_wanted(const Event& event);

// Appends one line without its end: "2026-11-23T01:48:02.114Z ssh REFUSE conn=18f2 from=…".
// What came from outside is escaped. level INFO and below carries no word for it, above it
// "WARNING", "ERROR", "CRIT" stand before the text of a NoticeEvent.
void format_text(std::string& out, const Event& event, Wall time);
// The same as one JSON object.
void format_json(std::string& out, const Event& event, Wall time);

// Takes events; never blocks, never fails: what cannot be taken is counted and said later.
class EventSink {
public:
    virtual ~EventSink() = default;
    virtual void log(const Event& event) = 0;

    // False: an event of that level would be dropped, so none need be made.
    [[nodiscard]] virtual bool wants(Level) const { return true; }
};

}  // namespace superd
