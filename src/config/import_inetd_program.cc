// SPDX-License-Identifier: MIT
// What a definition of inetd.conf is as a service: programs, identity and limits.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/import_inetd.h"

namespace superd {

namespace {

using D = InetdDialect;

// Where tcpd(8) looks for a program that is named without its folder.
constexpr std::string_view wrapped_folder = "/usr/sbin/";

std::string base_name(std::string_view path) {
    const auto slash = path.rfind('/');
    return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string per_minute(std::uint32_t count) {
    return toml_text(std::to_string(count) + "/min");
}

bool is_builtin(const InetdRules& rules, const InetdEntry& entry) {
    const auto known = split(rules.builtins, ' ');
    const std::string wanted = entry.service + "/" + entry.socket_type;
    return std::find(known.begin(), known.end(), wanted) != known.end();
}

bool is_root(std::string_view user) {
    return user == "root" || user == "0";
}

}  // namespace

// ---- what inetd does itself

void InetdServices::take_builtin(const InetdEntry& entry, ImportService& service) {
    constexpr std::array<std::string_view, 7> ours{
            "echo", "discard", "chargen", "daytime", "time", "tcpmux", "ident"};
    const std::string name = entry.service == "auth" ? "ident" : entry.service;
    if (std::find(ours.begin(), ours.end(), name) == ours.end()) {
        lose(entry, service, entry.read, "superd has no service of its own of that name");
        service.disabled.emplace_back("there is no internal service of that name");
        return;
    }
    if (!is_builtin(rules_, entry))
        disable(entry, service,
                std::string(rules_.name) + "'s inetd has no internal " + entry.socket_type +
                        " service of that name");
    service.set("builtin", toml_text(name));
    // The first argument is the service's own name.
    for (std::size_t i = 1; i < entry.args.size(); ++i)
        lose(entry, service, entry.args[i], "the builtin takes no arguments");
    if (entry.per_minute) take_rate(entry, service);
}

// ---- programs

void InetdServices::take_program(const InetdEntry& entry, ImportService& service) {
    any_program_ = true;
    if (base_name(entry.server) == "tcpd")
        take_wrapped_program(entry, service);
    else if (entry.args.empty())
        // The BSDs and GNU make argv[0] of the last part of the path; BusyBox of the whole.
        set_command(service, absolute_program(entry, service, entry.server),
                {rules_.dialect == D::busybox ? entry.server : base_name(entry.server)});
    else
        set_command(service, absolute_program(entry, service, entry.server), entry.args);
    take_identity(entry, service);
    take_mode(entry, service);
    take_bounds(entry, service);
    take_rate(entry, service);
}

// tcpd(8) starts what its own argv[0] names, once hosts_access(5) has let the client in.
void InetdServices::take_wrapped_program(const InetdEntry& entry, ImportService& service) {
    if (entry.args.empty()) {
        set_command(service, entry.server, {base_name(entry.server)});
        return disable(entry, service, "tcpd has no program to start");
    }
    const std::string& named = entry.args.front();
    const std::string program =
            named.starts_with('/') ? named : std::string(wrapped_folder) + named;
    set_command(service, program, entry.args);
    service.set("tcp_wrappers", toml_text(base_name(named)));
    note(entry, service, ImportSeverity::info, entry.server, "tcp_wrappers, exec",
            "superd asks hosts.allow and hosts.deny itself and starts " + escape(program));
    if (entry.args.size() > 1 && entry.args[1] == base_name(named))
        note(entry, service, ImportSeverity::warning, entry.args[1], {},
                "behind tcpd the first word is the program's name already: this one is its "
                "first argument");
}

// inetd's own folder is "/", and it searches no path; BusyBox does.
std::string InetdServices::absolute_program(
        const InetdEntry& entry, ImportService& service, const std::string& program) {
    if (program.starts_with('/')) return program;
    const std::string plain = "/" + program;
    if (rules_.dialect != D::busybox && host_.is_executable(plain)) return plain;
    for (const std::string_view folder : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
        const std::string path = std::string(folder) + program;
        if (program.find('/') != std::string::npos || !host_.is_executable(path)) continue;
        if (rules_.dialect == D::busybox)
            note(entry, service, ImportSeverity::info, program, path, "found in PATH");
        else
            disable(entry, service,
                    "inetd looks for " + escape(program) + " in its working folder; this is " +
                            path);
        return path;
    }
    disable(entry, service, "the path of " + escape(program) + " is not absolute");
    return plain;
}

void InetdServices::set_command(
        ImportService& service, const std::string& program, std::vector<std::string> args) {
    const std::string argv0 = args.front();
    args.front() = program;
    service.set("exec", toml_array(args));
    if (argv0 != program) service.set("argv0", toml_text(argv0));
}

void InetdServices::take_identity(const InetdEntry& entry, ImportService& service) {
    service.set("user", toml_text(entry.user));
    if (!host_.user_exists(entry.user))
        disable(entry, service, "there is no user " + escape(entry.user) + " here");
    if (!entry.login_class.empty())
        lose(entry, service, entry.user + "/" + entry.login_class,
                "there are no login classes: what login.conf says of limits, nice and umask "
                "belongs into rlimits, nice and umask");
    if (entry.group.empty()) return;
    if (rules_.dialect == D::gnu && is_root(entry.user))
        return note(entry, service, ImportSeverity::warning, entry.user + ":" + entry.group, {},
                "GNU's inetd leaves root its own group, and so does this");
    service.set("group", toml_text(entry.group));
    if (!host_.group_exists(entry.group))
        disable(entry, service, "there is no group " + escape(entry.group) + " here");
}

void InetdServices::take_mode(const InetdEntry& entry, ImportService& service) {
    if (entry.stream() && entry.wait) {
        service.set("mode", R"("worker")");
        service.set("pass", R"("stdin")");
    } else if (entry.stream()) {
        any_handler_ = true;
        service.set("stderr", R"("socket")");
    } else if (!entry.wait) {
        note(entry, service, ImportSeverity::warning, "nowait", {},
                "superd looks at a datagram socket again when the process that was given it "
                "has ended");
    }
}

// ---- limits

void InetdServices::take_bounds(const InetdEntry& entry, ImportService& service) {
    if (!entry.stream() || entry.wait) {
        if (entry.most && *entry.most != 0)
            lose(entry, service, std::to_string(*entry.most) + " at one time",
                    "the service has one process");
        return;
    }
    const auto bound = [](const std::optional<std::uint32_t>& value) {
        return value && *value != 0 ? std::to_string(*value) : R"("unlimited")";
    };
    service.set("max_connections", bound(entry.most));
    service.set("max_per_source", bound(entry.per_source));
    if (entry.per_source)
        note(entry, service, ImportSeverity::warning,
                std::to_string(*entry.per_source) + " for one address",
                "max_per_source = " + std::to_string(*entry.per_source),
                "superd counts an IPv6 /64 as one source");
}

void InetdServices::take_rate(const InetdEntry& entry, ImportService& service) {
    const std::uint32_t starts = entry.per_minute.value_or(rules_.per_minute);
    if (starts != 0) {
        any_rate_ = true;
        service.set("rate", "{ limit = " + per_minute(starts) +
                                    ", pause = " + toml_text(rules_.pause) + " }");
    }
    const std::uint32_t source = entry.source_per_minute.value_or(0);
    if (source == 0) return;
    if (entry.stream() && !entry.wait)
        service.set("rate_per_source", per_minute(source));
    else
        lose(entry, service, std::to_string(source) + " a minute for one address",
                "superd does not see who sends to a service that is given its socket");
}

// ---- the rest

void InetdServices::take_extras(const InetdEntry& entry, ImportService& service) {
    if (entry.policy.empty()) return;
    lose(entry, service, "#@ " + entry.policy,
            "IPsec is not required of clients any more: set the policy with ip-xfrm(8)");
}

void InetdServices::finish(const std::string& path) {
    const auto say = [&](ImportSeverity severity, std::string made, std::string message) {
        import_.notes.push_back({.severity = severity,
                .at = {path, 0},
                .made = std::move(made),
                .message = std::move(message)});
    };
    if (any_program_)
        say(ImportSeverity::warning, {},
                "programs find an environment that superd builds, not inetd's own: name what "
                "they need in pass_environment");
    if (any_handler_) {
        say(ImportSeverity::warning, R"(stderr = "socket")",
                "inetd lets programs write errors to the client, and so does this; without "
                "the line they go to the log");
        say(ImportSeverity::info, R"(max_connections, max_per_source = "unlimited")",
                "inetd has no bound on connections; without the lines superd's own hold, 200 "
                "and 20");
    }
    if (any_rate_)
        say(ImportSeverity::warning, "rate",
                "beyond its rate inetd closes a service's socket; superd leaves clients in the "
                "queue for that time");
}

}  // namespace superd
