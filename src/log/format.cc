// SPDX-License-Identifier: MIT
// The wording of every fact that superd logs, whichever form its line has (line_forms.h).
#include "log/format.h"

#include <csignal>

#include <sys/wait.h>

#include "base/result.h"
#include "log/line_forms.h"

namespace superd {

namespace {

// One of the facts that log_admitted or log_refused choose.
template <class Fact>
bool has(const Fact& event, LogFacts fact) {
    return (event.facts & fact) != 0;
}

// A UNIX socket's own end has no user to speak of, but a name.
template <class Line>
void put_local(Line& line, const Endpoint& local, std::string_view socket) {
    if (local.family == Family::unix)
        line.value("to", socket);
    else
        line.endpoint("to", local);
}

template <class Line>
void put(Line& line, const StartEvent& event, Level level) {
    line.event("START", level);
    line.connection(event.connection);
    if (has(event, log_pid) && event.pid != 0) line.number("pid", event.pid);
    if (has(event, log_host)) line.endpoint("from", event.peer);
    if (has(event, log_host)) line.endpoint("via", event.via);
    put_local(line, event.local, event.socket);
    line.value("tls", event.tls);
    line.value("cipher", event.cipher);
    line.value("sni", event.sni);
    if (has(event, log_user)) line.value("user", event.user);
}

template <class Line>
void put(Line& line, const IdentEvent& event, Level level) {
    line.event("IDENT", level);
    line.connection(event.connection);
    line.endpoint("from", event.peer);
    if (event.user.empty())
        line.value("error", event.error.empty() ? "no answer" : event.error);
    line.value("user", event.user);
}

template <class Line>
void put_relayed(Line& line, const ExitEvent& event) {
    if (has(event, log_exit)) line.value("end", event.end);
    if (has(event, log_exit) && event.error != 0) line.value("error", errno_text(event.error));
    if (!has(event, log_traffic)) return;
    line.number("received", static_cast<std::int64_t>(event.received));
    line.number("sent", static_cast<std::int64_t>(event.sent));
}

template <class Line>
void put_status(Line& line, const ExitEvent& event) {
    if (event.status == -1) {
        line.value("status", "unknown");
    } else if (WIFSIGNALED(event.status)) {
        const char* name = ::sigabbrev_np(WTERMSIG(event.status));
        if (name != nullptr)
            line.value("signal", name);
        else
            line.number("signal", WTERMSIG(event.status));
        if (WCOREDUMP(event.status)) line.value("core", "yes");
    } else {
        line.number("status", WEXITSTATUS(event.status));
    }
}

template <class Line>
void put(Line& line, const ExitEvent& event, Level level) {
    line.event("EXIT", level);
    line.connection(event.connection);
    const bool relayed = !event.end.empty();
    if (has(event, log_pid) && !relayed) line.number("pid", event.pid);
    if (relayed)
        put_relayed(line, event);
    else if (has(event, log_exit))
        put_status(line, event);
    if (has(event, log_duration)) line.duration(event.duration);
    if (has(event, log_host)) line.endpoint("from", event.peer);
    if (has(event, log_host)) line.endpoint("via", event.via);
}

template <class Line>
void put(Line& line, const RefuseEvent& event, Level level) {
    line.event("REFUSE", level);
    line.connection(event.connection);
    if (has(event, log_host)) line.endpoint("from", event.peer);
    if (has(event, log_host)) line.endpoint("via", event.via);
    put_local(line, event.local, event.socket);
    line.value("reason", event.reason);
    line.value("rule", event.rule);
    line.value("detail", event.detail);
    if (has(event, log_user)) line.value("user", event.user);
    if (event.suppressed > 0)
        line.number("suppressed", static_cast<std::int64_t>(event.suppressed));
}

template <class Line>
void put(Line& line, const FailEvent& event, Level level) {
    line.event("FAIL", level);
    line.connection(event.connection);
    line.endpoint("from", event.peer);
    if (event.suppressed > 0)
        line.number("suppressed", static_cast<std::int64_t>(event.suppressed));
    line.failure(event);
}

template <class Line>
void put(Line& line, const StateEvent& event, Level level) {
    line.event("STATE", level);
    line.value("old", event.from);
    line.value("new", event.to);
    line.value("reason", event.reason);
}

template <class Line>
void put(Line& line, const NoticeEvent& event, Level) {
    line.notice(event);
}

template <class Line>
void format(std::string& out, const Event& event, Wall time) {
    Line line(out, time);
    line.service(service_of(event));
    std::visit([&](const auto& fact) { put(line, fact, level_of(event)); }, event);
    line.end();
}

struct Wanted {
    bool operator()(const StartEvent& start) const { return start.facts != 0; }

    bool operator()(const ExitEvent& exit) const {
        return (exit.facts & (log_exit | log_duration | log_traffic)) != 0;
    }

    bool operator()(const RefuseEvent& refuse) const { return refuse.facts != 0; }

    template <class Other>
    bool operator()(const Other&) const {
        return true;
    }
};

Level level_of_state(std::string_view state) {
    if (state == "failed") return Level::error;
    if (state == "backoff") return Level::warning;
    return Level::info;
}

}  // namespace

std::string_view level_name(Level level) {
    switch (level) {
        case Level::debug: return "debug";
        case Level::info: return "info";
        case Level::notice: return "notice";
        case Level::warning: return "warning";
        case Level::error: return "error";
        case Level::critical: return "critical";
    }
    return "info";
}

int syslog_priority(Level level) {
    return 7 - static_cast<int>(level);
}

Level level_of(const Event& event) {
    struct Visitor {
        Level operator()(const StartEvent&) const { return Level::info; }

        Level operator()(const ExitEvent&) const { return Level::info; }

        Level operator()(const RefuseEvent&) const { return Level::notice; }

        Level operator()(const IdentEvent&) const { return Level::info; }

        Level operator()(const FailEvent&) const { return Level::error; }

        Level operator()(const StateEvent& state) const { return level_of_state(state.to); }

        Level operator()(const NoticeEvent& notice) const { return notice.level; }
    };

    return std::visit(Visitor{}, event);
}

bool is_wanted(const Event& event) {
    return std::visit(Wanted{}, event);
}

std::string_view service_of(const Event& event) {
    return std::visit([](const auto& fact) { return fact.service; }, event);
}

void format_text(std::string& out, const Event& event, Wall time) {
    format<TextLine>(out, event, time);
}

void format_json(std::string& out, const Event& event, Wall time) {
    format<JsonLine>(out, event, time);
}

}  // namespace superd
