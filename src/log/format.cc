// SPDX-License-Identifier: MIT
// The wording of every fact that superd logs, as text and as JSON.
//
// Two lines are made for each connection: whatever is safe as it stands is appended directly,
// and only what has to be escaped takes a way that allocates.
#include "log/format.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>

#include <arpa/inet.h>
#include <sys/wait.h>

#include "base/result.h"
#include "base/text.h"
#include "log/json.h"

namespace superd {

namespace {

template <class Number>
void append_number(std::string& out, Number number, int base = 10) {
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number, base).ptr);
}

void append_padded(std::string& out, unsigned number, unsigned width) {
    char digits[10];
    for (unsigned i = width; i > 0; number /= 10)
        digits[--i] = static_cast<char>('0' + number % 10);
    out.append(digits, width);
}

bool needs_no_escape(char c) {
    return c >= 0x20 && c < 0x7f && c != '\\';
}

void append_escaped(std::string& out, std::string_view text) {
    if (std::all_of(text.begin(), text.end(), needs_no_escape))
        out += text;
    else
        out += escape(text);
}

bool needs_no_quotes(char c) {
    return needs_no_escape(c) && c != ' ' && c != '=' && c != '"';
}

void append_value(std::string& out, std::string_view text) {
    if (!text.empty() && std::all_of(text.begin(), text.end(), needs_no_quotes))
        out += text;
    else
        out += quote_value(text);
}

void append_endpoint(std::string& out, const Endpoint& endpoint) {
    if (endpoint.family != Family::ip || endpoint.scope != 0) {
        out += endpoint.text();
        return;
    }
    if (endpoint.ip.is_v4()) {
        for (std::size_t i = 12; i < 16; ++i) {
            if (i > 12) out += '.';
            append_number(out, unsigned{endpoint.ip.bytes[i]});
        }
    } else {
        char text[INET6_ADDRSTRLEN] = "";
        ::inet_ntop(AF_INET6, endpoint.ip.bytes.data(), text, sizeof text);
        out += '[';
        out += text;
        out += ']';
    }
    out += ':';
    append_number(out, endpoint.port);
}

// The parts of a line, once as key=value and once as JSON members: the same code walks over an
// event for both.
class TextLine {
public:
    TextLine(std::string& out, Wall time) : out_(out) { append_time(out_, time); }

    void service(std::string_view name) {
        out_ += ' ';
        append_escaped(out_, name.empty() ? std::string_view("superd") : name);
    }

    void event(std::string_view name, Level) {
        out_ += ' ';
        out_ += name;
    }

    void value(std::string_view key, std::string_view text) {
        if (text.empty()) return;
        begin(key);
        append_value(out_, text);
    }

    void connection(std::uint64_t number) {
        if (number == 0) return;
        begin("conn");
        append_number(out_, number, 16);
    }

    void number(std::string_view key, std::int64_t number) {
        begin(key);
        append_number(out_, number);
    }

    void endpoint(std::string_view key, const Endpoint& endpoint) {
        if (endpoint.family == Family::none) return;
        begin(key);
        append_endpoint(out_, endpoint);
    }

    void duration(Nanoseconds duration) {
        begin("duration");
        const auto ms = std::max<std::int64_t>(duration.count() / 1'000'000, 0);
        append_number(out_, ms / 1000);
        out_ += '.';
        append_padded(out_, static_cast<unsigned>(ms % 1000), 3);
        out_ += 's';
    }

    void failure(const FailEvent& event) {
        out_ += ' ';
        append_escaped(out_, event.stage);
        if (!event.subject.empty()) {
            out_ += ' ';
            append_escaped(out_, event.subject);
        }
        separated(event.error != 0 ? ::strerrordesc_np(event.error) : nullptr, event.error);
        if (event.detail.empty()) return;
        out_ += event.error != 0 ? " (" : ": ";
        append_escaped(out_, event.detail);
        if (event.error != 0) out_ += ')';
    }

    void notice(const NoticeEvent& event) {
        switch (event.level) {
            case Level::warning: out_ += " WARNING"; break;
            case Level::error: out_ += " ERROR"; break;
            case Level::critical: out_ += " CRIT"; break;
            default: break;
        }
        out_ += ' ';
        append_escaped(out_, event.text);
    }

    void end() {}

private:
    void begin(std::string_view key) {
        out_ += ' ';
        out_ += key;
        out_ += '=';
    }

    void separated(const char* description, int error) {
        if (error == 0) return;
        out_ += ": ";
        if (description != nullptr) {
            out_ += description;
        } else {
            out_ += "error ";
            append_number(out_, error);
        }
    }

    std::string& out_;
};

class JsonLine {
public:
    JsonLine(std::string& out, Wall time) : out_(out) {
        out_ += "{\"time\":\"";
        append_time(out_, time);
        out_ += '"';
    }

    void service(std::string_view name) {
        if (!name.empty()) value("service", name);
    }

    void event(std::string_view name, Level level) {
        value("event", name);
        value("level", level_name(level));
    }

    void value(std::string_view key, std::string_view text) {
        if (!text.empty()) append_json_member(out_, key, text);
    }

    void connection(std::uint64_t number) {
        if (number == 0) return;
        out_ += ",\"conn\":\"";
        append_number(out_, number, 16);
        out_ += '"';
    }

    void number(std::string_view key, std::int64_t number) {
        append_json_member(out_, key, number);
    }

    void endpoint(std::string_view key, const Endpoint& endpoint) {
        if (endpoint.family == Family::none) return;
        out_ += ",\"";
        out_ += key;
        out_ += "\":\"";
        append_endpoint(out_, endpoint);
        out_ += '"';
    }

    void duration(Nanoseconds duration) {
        const auto ms = std::max<std::int64_t>(duration.count() / 1'000'000, 0);
        out_ += ",\"duration\":";
        append_number(out_, ms / 1000);
        out_ += '.';
        append_padded(out_, static_cast<unsigned>(ms % 1000), 3);
    }

    void failure(const FailEvent& event) {
        value("stage", event.stage);
        value("subject", event.subject);
        if (event.error != 0) {
            number("errno", event.error);
            value("error", errno_text(event.error));
        }
        value("detail", event.detail);
    }

    void notice(const NoticeEvent& event) {
        this->event("NOTICE", event.level);
        value("text", event.text);
    }

    void end() { out_ += '}'; }

private:
    std::string& out_;
};

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
    put_local(line, event.local, event.socket);
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
}

template <class Line>
void put(Line& line, const RefuseEvent& event, Level level) {
    line.event("REFUSE", level);
    line.connection(event.connection);
    if (has(event, log_host)) line.endpoint("from", event.peer);
    put_local(line, event.local, event.socket);
    line.value("reason", event.reason);
    line.value("rule", event.rule);
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

// The part down to the second changes once a second and is kept; it is each thread's own, so
// that nobody has to say which thread may format.
void append_time(std::string& out, Wall time) {
    thread_local std::int64_t cached_second = -1;
    thread_local char cached[20] = "";  // "2026-11-23T01:48:02."
    const auto ns = time.time_since_epoch().count();
    const std::int64_t second = ns >= 0 ? ns / 1'000'000'000 : 0;
    if (second != cached_second) {
        std::tm parts{};
        const auto seconds = static_cast<std::time_t>(second);
        ::gmtime_r(&seconds, &parts);
        char text[32] = "";
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &parts);
        std::memcpy(cached, text, sizeof cached);
        cached_second = second;
    }
    out.append(cached, sizeof cached);
    append_padded(out, static_cast<unsigned>(ns >= 0 ? ns / 1'000'000 % 1000 : 0), 3);
    out += 'Z';
}

void format_text(std::string& out, const Event& event, Wall time) {
    format<TextLine>(out, event, time);
}

void format_json(std::string& out, const Event& event, Wall time) {
    format<JsonLine>(out, event, time);
}

void append_head(std::string& out, const Event& event) {
    out += '<';
    append_number(out, syslog_priority(level_of(event)));
    out += '>';
    append_escaped(out, service_of(event));
    out += ' ';
}

Head parse_head(std::string_view line) {
    const bool proper = line.size() > 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' &&
                        line[2] == '>';
    const std::size_t blank = line.find(' ', 3);
    if (!proper || blank == std::string_view::npos) return {};
    return {line[1] - '0', line.substr(3, blank - 3), blank + 1};
}

}  // namespace superd
