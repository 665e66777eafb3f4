// SPDX-License-Identifier: MIT
#include "config/foreign.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/text.h"
#include "config/options.h"

namespace superd {

namespace {

struct Entry {
    std::string_view family, word, advice;
};

// Where the new key alone does not say enough; all other words come from the options table.
constexpr std::array entries{
        Entry{"xinetd", "wait",
                R"(wait = yes is mode = "worker", wait = no is mode = "handler")"},
        Entry{"xinetd", "disable", "write enabled = false for disable = yes"},
        Entry{"xinetd", "disabled", "write enabled = false in each of these services"},
        Entry{"xinetd", "server", R"(write exec = ["/path/of/server", "its", "arguments"])"},
        Entry{"xinetd", "server_args",
                R"(write the arguments behind the program in exec = ["/path", "arg"])"},
        Entry{"xinetd", "socket_type",
                R"(write it in listen: stream is "tcp:PORT", dgram "udp:PORT")"},
        Entry{"xinetd", "protocol", R"(write it in listen: "tcp:PORT", "udp:PORT")"},
        Entry{"xinetd", "port", R"(write it in listen: "tcp:PORT", "udp:PORT")"},
        Entry{"xinetd", "bind", R"(write the address in listen: "tcp:192.0.2.1:PORT")"},
        Entry{"xinetd", "type",
                R"(an unlisted service is one whose listen names the port: "tcp:PORT")"},
        Entry{"xinetd", "id", "the name of a service stands in [service.NAME]"},
        Entry{"xinetd", "instances", "write max_connections = N"},
        Entry{"xinetd", "per_source", "write max_per_source = N"},
        Entry{"xinetd", "cps", R"(cps = N W is rate = { limit = "N/s", pause = "Ws" })"},
        Entry{"xinetd", "only_from", R"(write allow = ["192.0.2.0/24", "2001:db8::/32"])"},
        Entry{"xinetd", "no_access", R"(write deny = ["192.0.2.7"])"},
        Entry{"xinetd", "access_times", R"(write hours = ["08:00-18:00"])"},
        Entry{"xinetd", "log_type",
                R"(write log = "syslog:daemon.info" or log = "file:/path")"},
        Entry{"xinetd", "log_on_success",
                R"(write log_admitted = ["pid", "host", "exit"]; USERID is ident = "log" too)"},
        Entry{"xinetd", "log_on_failure", R"(write log_refused = ["host", "attempt"])"},
        Entry{"xinetd", "flags",
                "each flag is a key of its own: keepalive = true, no_delay = true, argv0 for "
                "NAMEINARGS; REUSE is not needed"},
        Entry{"xinetd", "env", R"(write environment = { NAME = "value" })"},
        Entry{"xinetd", "passenv", R"(write pass_environment = ["NAME"])"},
        Entry{"xinetd", "banner_success", R"(write banner_admitted = "/path")"},
        Entry{"xinetd", "banner_fail", R"(write banner_refused = "/path")"},
        Entry{"xinetd", "libwrap", R"(write tcp_wrappers = "NAME")"},
        Entry{"xinetd", "rlimit_as", R"(write rlimits = { as = "512M" })"},
        Entry{"xinetd", "rlimit_cpu", R"(write rlimits = { cpu = "5m" })"},
        Entry{"xinetd", "rlimit_data", R"(write rlimits = { data = "512M" })"},
        Entry{"xinetd", "rlimit_rss", R"(write rlimits = { rss = "512M" })"},
        Entry{"xinetd", "rlimit_stack", R"(write rlimits = { stack = "8M" })"},
        Entry{"xinetd", "rlimit_files", R"(write rlimits = { nofile = 1024 })"},
        Entry{"xinetd", "interface", R"(write the address in listen: "tcp:192.0.2.1:PORT")"},
        Entry{"xinetd", "enabled",
                "write enabled = false in each service that the list leaves out"},
        Entry{"xinetd", "redirect", R"(write redirect = "tcp:HOST:PORT")"},
        Entry{"xinetd", "rpc_version", R"(write rpc = { program = "NAME", versions = "1-3" })"},
        Entry{"xinetd", "rpc_number", "write rpc = { program = 100001, versions = 1 }"},
        Entry{"xinetd", "mdns", "write mdns = true"},
        Entry{"xinetd", "banner", R"(write banner = "/path")"},
        Entry{"xinetd", "deny_time", R"(write deny_for = "10m", "forever" or "never")"},
        Entry{"xinetd", "flags=IPv4", R"(write "tcp4:PORT" or "udp4:PORT" in listen)"},
        Entry{"xinetd", "flags=IPv6",
                R"("tcp:PORT" in listen takes both families, "tcp6:PORT" IPv6 alone)"},
        Entry{"xinetd", "flags=REUSE", "superd always does that; leave it out"},
        Entry{"xinetd", "flags=NORETRY", "superd does not start a program twice; leave it out"},
        Entry{"xinetd", "flags=INTERCEPT", "write allow and deny"},
        Entry{"xinetd", "flags=IDONLY", R"(write ident = "require")"},
        Entry{"xinetd", "flags=NOLIBWRAP", "leave tcp_wrappers out"},
        Entry{"xinetd", "flags=SENSOR", R"(write builtin = "sensor")"},
        Entry{"xinetd", "flags=LABELED", "write peer_label = true"},
        Entry{"xinetd", "include", R"(write include = ["FILE"] before the first table)"},
        Entry{"xinetd", "defaults", "write the table [defaults]"},
        Entry{"xinetd", "includedir",
                R"(write include = ["DIR/*.toml"] before the first table)"},
        Entry{"inetd", "nowait", R"(write mode = "handler")"},
        Entry{"inetd", "stream", R"(write listen = "tcp:PORT")"},
        Entry{"inetd", "dgram", R"(write listen = "udp:PORT")"},
        Entry{"systemd", "ExecStart",
                R"(write exec = ["/path/of/program", "its", "arguments"])"},
        Entry{"systemd", "ListenStream", R"(write listen = "tcp:PORT" or "unix:/path")"},
        Entry{"systemd", "ListenDatagram", R"(write listen = "udp:PORT" or "unixgram:/path")"},
        Entry{"systemd", "ListenSequentialPacket", R"(write listen = "seqpacket:/path")"},
        Entry{"systemd", "ListenFIFO", R"(write listen = "fifo:/path")"},
        Entry{"systemd", "ListenMessageQueue", R"(write listen = "mqueue:/NAME")"},
        Entry{"systemd", "ListenNetlink", R"(write listen = "netlink:FAMILY:GROUPS")"},
        Entry{"systemd", "Accept",
                R"(Accept=yes is mode = "handler", Accept=no is mode = "worker")"},
        Entry{"systemd", "StandardInput", R"(StandardInput=socket is pass = "stdin")"},
        Entry{"systemd", "TriggerLimitIntervalSec", R"(write rate = { limit = "N/10s" })"},
        Entry{"systemd", "TriggerLimitBurst", R"(write rate = { limit = "N/10s", burst = N })"},
        Entry{"systemd", "KillMode",
                R"(KillMode=process is on_stop = "leave", the others on_stop = "end")"},
        Entry{"systemd", "LoadCredential", R"(write credentials = { NAME = "/path" })"},
        Entry{"systemd", "Environment", R"(write environment = { NAME = "value" })"},
        Entry{"systemd", "IOSchedulingClass", R"(write ionice = "best-effort:4" or "idle")"},
        Entry{"systemd", "Type", "superd needs no type: leave it out"},
        Entry{"systemd", "SocketProtocol",
                R"(SocketProtocol=mptcp is mptcp = true on the listener)"},
        Entry{"systemd", "BindIPv6Only",
                R"("tcp:PORT" takes both families, "tcp6:PORT" IPv6 only)"},
};

std::string lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
            [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return result;
}

// LimitNOFILE and its like are one key with a name inside.
std::string systemd_advice(std::string_view word, const Option& option) {
    if (option.type == ValueType::rlimits)
        return "write rlimits = { " + lower(word.substr(5)) + " = ... }";
    return "write " + std::string(option.key);
}

std::string advice_for(std::string_view family, std::string_view word, const Option& option) {
    if (family == "systemd") return systemd_advice(word, option);
    return "write " + std::string(option.key);
}

using Words = std::unordered_map<std::string, ForeignWord>;

void add(Words& words, const ForeignWord& word) {
    const bool fold = word.family != "systemd";
    const std::string spelled = fold ? lower(word.word) : word.word;
    words.try_emplace(word.family + ":" + spelled, word);
    if (find_option(spelled) == nullptr) words.try_emplace(spelled, word);
}

void add_column(
        Words& words, std::string_view family, std::string_view column, const Option& option) {
    for (const std::string_view word : split(column, ' '))
        if (!word.empty())
            add(words,
                    {std::string(family), std::string(word), advice_for(family, word, option)});
}

const Words& all_words() {
    static const Words words = [] {
        Words made;
        for (const Entry& entry : entries)
            add(made, {std::string(entry.family), std::string(entry.word),
                              std::string(entry.advice)});
        for (const Option& option : all_options()) {
            add_column(made, "xinetd", option.xinetd, option);
            add_column(made, "inetd", option.inetd, option);
            add_column(made, "systemd", option.systemd, option);
        }
        return made;
    }();
    return words;
}

}  // namespace

std::optional<ForeignWord> find_foreign(std::string_view word) {
    const Words& words = all_words();
    auto found = words.find(std::string(word));
    if (found == words.end()) found = words.find(lower(word));
    if (found == words.end()) return std::nullopt;
    return found->second;
}

}  // namespace superd
