// SPDX-License-Identifier: MIT
// The lines that xinetd writes, word for word, for the programs that read them.
#include <array>
#include <ctime>

#include <fmt/format.h>
#include <sys/wait.h>

#include "base/text.h"
#include "log/format.h"

namespace superd {

namespace {

// Of the peer only the address, as xinetd has it.
std::string from(const Endpoint& peer) {
    return peer.family == Family::ip ? peer.ip.text() : "<no address>";
}

// What xinetd calls the reasons of superd that it has as well; the others in superd's words.
std::string_view reason(std::string_view name) {
    struct Pair {
        std::string_view superd, xinetd;
    };

    static constexpr std::array<Pair, 10> pairs{Pair{"not_allowed", "address"},
            Pair{"denied", "address"}, Pair{"hours", "time"},
            Pair{"max_connections", "service_limit"},
            Pair{"max_per_source", "per_source_limit"}, Pair{"rate", "connections per second"},
            Pair{"rate_per_source", "connections per second"},
            Pair{"max_processes", "process_limit"}, Pair{"tcp_wrappers", "libwrap"},
            Pair{"no_descriptors", "fork"}};
    for (const Pair& pair : pairs)
        if (pair.superd == name) return pair.xinetd;
    return name;
}

class Lines {
public:
    explicit Lines(std::string& out) : out_(out) {}

    void operator()(const StartEvent& event) {
        begin("START", event.service);
        if ((event.facts & log_pid) != 0) add(" pid={}", event.pid);
        if ((event.facts & log_host) != 0) add(" from={}", from(event.peer));
    }

    void operator()(const ExitEvent& event) {
        const bool relayed = !event.end.empty();
        if (relayed && has_traffic(event)) {
            begin("TRAFFIC", event.service);
            add(" in={}(bytes) out={}(bytes)", event.received, event.sent);
            if ((event.facts & (log_exit | log_duration)) == 0) return;
        }
        begin("EXIT", event.service);
        // What xinetd forks for a connection of its own ends with 0 whatever became of it.
        const bool ended = relayed && event.end != "relay_lost";
        if ((event.facts & log_exit) != 0) status(ended ? 0 : event.status);
        if ((event.facts & log_pid) != 0) add(" pid={}", event.pid);
        if ((event.facts & log_duration) != 0)
            add(" duration={}(sec)",
                    std::chrono::duration_cast<std::chrono::seconds>(event.duration).count());
    }

    void operator()(const RefuseEvent& event) {
        begin("FAIL", event.service);
        add(" {}", reason(event.reason));
        if ((event.facts & log_host) != 0) add(" from={}", from(event.peer));
    }

    void operator()(const IdentEvent& event) {
        if (!event.user.empty()) {
            begin("USERID", event.service);
            const std::string_view system = event.system.empty() ? "OTHER" : event.system;
            return add(" {} :{}", escape(system), escape(event.user));
        }
        begin("NOID", event.service);
        add(" {} {}", from(event.peer), event.error.empty() ? "no server" : "bad response");
    }

    // xinetd has no such fact.
    template <class Other>
    void operator()(const Other&) {}

private:
    // Nothing was passed on where the other side could not be reached.
    static bool has_traffic(const ExitEvent& event) {
        return (event.facts & log_traffic) != 0 && event.end != "connect";
    }

    void begin(std::string_view word, std::string_view service) {
        out_ += xinetd_mark;
        add("{}: {}", word, escape(service));
    }

    void status(int status) {
        if (status == -1) return;
        if (WIFSIGNALED(status))
            add(" signal={}", WTERMSIG(status));
        else
            add(" status={}", WEXITSTATUS(status));
    }

    template <class... Values>
    void add(fmt::format_string<Values...> form, Values&&... values) {
        fmt::format_to(std::back_inserter(out_), form, std::forward<Values>(values)...);
    }

    std::string& out_;
};

}  // namespace

void append_xinetd(std::string& out, const Event& event) {
    std::visit(Lines(out), event);
}

void append_xinetd_time(std::string& out, Wall time) {
    const auto second = static_cast<std::time_t>(
            std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
    std::tm parts{};
    ::localtime_r(&second, &parts);
    fmt::format_to(std::back_inserter(out),
            "{:02}/{}/{}@{:02}:{:02}:{:02}: ", parts.tm_year % 100, parts.tm_mon + 1,
            parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string_view xinetd_level(int priority) {
    static constexpr std::array<std::string_view, 8> words{
            "EMERG", "ALERT", "CRIT", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"};
    return words[static_cast<std::size_t>(priority) & 7];
}

}  // namespace superd
