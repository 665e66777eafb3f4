// SPDX-License-Identifier: MIT
// What a child does between clone and exec, prebuilt, and its environment.
#include "policy/spawn_plan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include <arpa/inet.h>

namespace superd {

namespace {

using Environment = std::map<std::string, std::string, std::less<>>;

constexpr std::string_view default_path =
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// What only superd may say to a handler: one that decides by TCPREMOTEIP must not find what an
// environment_file says.
constexpr std::array connection_names =
        std::to_array<std::string_view>({"PROTO", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT",
                "SO_COOKIE", "TCPLOCALIP", "TCPLOCALPORT", "TCPREMOTEHOST", "TCPREMOTEINFO",
                "TCPREMOTEIP", "TCPREMOTEPORT", "UNIXLOCALGID", "UNIXLOCALPATH", "UNIXLOCALPID",
                "UNIXLOCALUID", "UNIXREMOTEEGID", "UNIXREMOTEEUID", "UNIXREMOTEPID"});
constexpr std::array proxied_names =
        std::to_array<std::string_view>({"PROXY_IP", "PROXY_PORT", "PROXY_UNIQUE_ID",
                "SSL_ALPN", "SSL_TLS_SNI_SERVERNAME", "SSL_PROTOCOL", "SSL_CIPHER",
                "SSL_CIPHER_BITS", "SSL_COMPRESSION", "SSL_SESSION_REUSED", "SSL_PEER_CERT_CN",
                "SSL_PEER_CERT_SUBJECT", "SSL_PEER_CERT_ISSUER", "SSL_PEER_CERT_HASH",
                "SSL_PEER_CERT_SAN", "SSL_PEER_CERT_NOT_AFTER"});
constexpr std::array listen_names =
        std::to_array<std::string_view>({"FDSTORE", "LISTEN_FDNAMES", "LISTEN_FDS",
                "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"});

std::string_view value_in(const std::vector<std::string>& variables, std::string_view name) {
    for (const std::string& variable : variables) {
        const std::string_view text = variable;
        if (text.size() > name.size() && text.starts_with(name) && text[name.size()] == '=')
            return text.substr(name.size() + 1);
    }
    return {};
}

bool is_set_in(const std::vector<std::string>& variables, std::string_view name) {
    return std::any_of(variables.begin(), variables.end(), [&](std::string_view text) {
        return text.size() > name.size() && text.starts_with(name) && text[name.size()] == '=';
    });
}

void pass_on(Environment& out, const SpawnContext& context, std::string_view name) {
    if (is_set_in(context.own_environment, name))
        out.insert_or_assign(std::string(name), value_in(context.own_environment, name));
}

// Without a user of its own the service is what superd is.
void add_identity(Environment& out, const IdentityPlan& identity, const SpawnContext& context) {
    if (identity.user.empty()) {
        for (const std::string_view name : {"HOME", "USER", "LOGNAME", "SHELL"})
            pass_on(out, context, name);
        return;
    }
    out["USER"] = out["LOGNAME"] = identity.user;
    if (!identity.home.empty()) out["HOME"] = identity.home;
    if (!identity.shell.empty()) out["SHELL"] = identity.shell;
}

void add_directories(Environment& out, std::string_view name, std::string_view prefix,
        const std::vector<std::string>& directories) {
    if (directories.empty()) return;
    std::string& value = out[std::string(name)];
    value.clear();
    for (const std::string& directory : directories) {
        if (!value.empty()) value += ':';
        value.append(prefix).append(1, '/').append(directory);
    }
}

void add_own(Environment& out, const ServicePlan& service, const SpawnContext& context) {
    const ExecPlan& exec = service.exec;
    add_directories(out, "RUNTIME_DIRECTORY", context.runtime_prefix, exec.runtime_directory);
    add_directories(out, "STATE_DIRECTORY", context.state_prefix, exec.state_directory);
    add_directories(out, "CACHE_DIRECTORY", context.cache_prefix, exec.cache_directory);
    add_directories(out, "LOGS_DIRECTORY", context.logs_prefix, exec.logs_directory);
    if (!exec.credentials.empty())
        out["CREDENTIALS_DIRECTORY"] = context.credentials_prefix + "/" + service.name;
}

bool hears_of_client(const ServicePlan& service) {
    return std::any_of(service.listeners.begin(), service.listeners.end(),
            [](const ListenerPlan& listener) {
                return listener.proxy_protocol.has_value() || !listener.tls.empty();
            });
}

// Each step over the one before.
std::vector<std::string> make_environment(
        const ServicePlan& service, const SpawnContext& context) {
    Environment out{{"PATH", std::string(default_path)}, {"LANG", "C.UTF-8"}};
    pass_on(out, context, "LANG");
    pass_on(out, context, "TZ");
    add_identity(out, service.exec.identity, context);
    for (const std::string& name : service.exec.pass_environment)
        pass_on(out, context, name);
    for (const Variable& variable : service.exec.environment)
        out[variable.name] = variable.value;
    if (service.mode == Mode::handler)
        for (const std::string_view name : connection_names)
            out.erase(std::string(name));
    for (const std::string_view name : listen_names)
        out.erase(std::string(name));
    // What no header and no handshake says of a client must not look as though one did.
    if (hears_of_client(service))
        for (const std::string_view name : proxied_names)
            out.erase(std::string(name));
    add_own(out, service, context);

    std::vector<std::string> variables;
    variables.reserve(out.size());
    for (const auto& [name, value] : out)
        variables.push_back(name + "=" + value);
    return variables;
}

std::string listener_names(const ServicePlan& service) {
    if (service.mode == Mode::handler) return "connection";
    std::string names;
    for (const ListenerPlan& listener : service.listeners) {
        if (!names.empty()) names += ':';
        names += listener.name;
    }
    return names;
}

// The service's own limits, and for what it leaves open those that superd was started with.
std::vector<RlimitPlan> make_rlimits(
        const std::vector<RlimitPlan>& own, const std::vector<RlimitPlan>& original) {
    std::vector<RlimitPlan> limits = own;
    for (const RlimitPlan& limit : original) {
        const bool given = std::any_of(own.begin(), own.end(),
                [&](const RlimitPlan& one) { return one.resource == limit.resource; });
        if (!given) limits.push_back(limit);
    }
    return limits;
}

void append(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(1, '=').append(value).append(1, '\0');
}

void append(std::string& out, std::string_view name, std::uint64_t value) {
    std::array<char, 20> digits{};
    const char* const end =
            std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    append(out, name, std::string_view(digits.data(), end));
}

// An IPv4-mapped address is shown as IPv4.
struct IpText {
    explicit IpText(const IpAddress& ip) {
        const bool v4 = ip.is_v4();
        ::inet_ntop(v4 ? AF_INET : AF_INET6, ip.bytes.data() + (v4 ? 12 : 0), text.data(),
                static_cast<socklen_t>(text.size()));
    }

    [[nodiscard]] std::string_view view() const { return text.data(); }

    std::array<char, INET6_ADDRSTRLEN> text{};
};

void append_ip(std::string& out, const ConnectionFacts& facts) {
    const IpText remote(facts.peer.ip), local(facts.local.ip);
    append(out, "PROTO", "TCP");
    append(out, "TCPLOCALIP", local.view());
    append(out, "TCPLOCALPORT", facts.local.port);
    append(out, "TCPREMOTEIP", remote.view());
    append(out, "TCPREMOTEPORT", facts.peer.port);
    append(out, "REMOTE_ADDR", remote.view());
    append(out, "REMOTE_PORT", facts.peer.port);
    const bool named = !facts.peer_name.empty();
    append(out, "REMOTE_HOST", named ? std::string_view(facts.peer_name) : remote.view());
    if (named) append(out, "TCPREMOTEHOST", facts.peer_name);
    if (!facts.peer_user.empty()) append(out, "TCPREMOTEINFO", facts.peer_user);
}

void append_unix(std::string& out, const ConnectionFacts& facts) {
    append(out, "PROTO", "UNIX");
    if (!facts.local_path.empty()) append(out, "UNIXLOCALPATH", facts.local_path);
    append(out, "UNIXREMOTEEUID", facts.peer.uid);
    append(out, "UNIXREMOTEEGID", facts.peer.gid);
    append(out, "UNIXREMOTEPID", facts.peer.pid);
    if (!facts.remote_path.empty()) append(out, "REMOTE_ADDR", facts.remote_path);
}

void append_vsock(std::string& out, const ConnectionFacts& facts) {
    std::array<char, 16> cid{'v', 's', 'o', 'c', 'k', ':'};
    const char* const end =
            std::to_chars(cid.data() + 6, cid.data() + cid.size(), facts.peer.scope).ptr;
    append(out, "PROTO", "VSOCK");
    append(out, "REMOTE_ADDR", std::string_view(cid.data(), end));
    append(out, "REMOTE_PORT", facts.peer.port);
}

}  // namespace

std::string_view stage_name(SpawnStage stage) {
    switch (stage) {
        case SpawnStage::none: return "none";
        case SpawnStage::clone: return "clone";
        case SpawnStage::leave_table: return "close_range";
        case SpawnStage::session: return "setsid";
        case SpawnStage::descriptors: return "dup";
        case SpawnStage::cgroup: return "cgroup";
        case SpawnStage::rlimits: return "setrlimit";
        case SpawnStage::nice: return "nice";
        case SpawnStage::ionice: return "ionice";
        case SpawnStage::affinity: return "cpu_affinity";
        case SpawnStage::oom_score: return "oom_score_adjust";
        case SpawnStage::umask: return "umask";
        case SpawnStage::root: return "chroot";
        case SpawnStage::directory: return "chdir";
        case SpawnStage::groups: return "setgroups";
        case SpawnStage::gid: return "setgid";
        case SpawnStage::uid: return "setuid";
        case SpawnStage::verify: return "verify";
        case SpawnStage::exec: return "exec";
        case SpawnStage::step_in: return "superd-exec";
        case SpawnStage::tcp_wrappers: return "tcp_wrappers";
        case SpawnStage::peer_label: return "peer_label";
        case SpawnStage::banner: return "banner";
        case SpawnStage::capabilities: return "capabilities";
        case SpawnStage::ambient_capabilities: return "ambient_capabilities";
        case SpawnStage::no_new_privs: return "no_new_privs";
        case SpawnStage::seccomp: return "seccomp";
        case SpawnStage::landlock: return "landlock";
        case SpawnStage::namespaces: return "namespaces";
        case SpawnStage::mounts: return "mounts";
    }
    return "none";
}

std::shared_ptr<const SpawnPlan> make_spawn_plan(
        const ServicePlan& service, const SpawnContext& context) {
    const ExecPlan& exec = service.exec;
    auto plan = std::make_shared<SpawnPlan>();
    plan->service = service.name;
    if (!exec.argv.empty()) plan->program = exec.argv.front();
    plan->argv = exec.argv;
    if (!exec.argv0.empty() && !plan->argv.empty()) plan->argv.front() = exec.argv0;
    plan->fixed_environment = make_environment(service, context);
    plan->mode = service.mode;
    plan->pass = service.pass;
    plan->listen_fdnames = listener_names(service);
    plan->identity = exec.identity;
    plan->umask = exec.umask;
    plan->nice = exec.nice;
    plan->oom_score_adjust = exec.oom_score_adjust;
    plan->rlimits = make_rlimits(exec.rlimits, context.original_rlimits);
    plan->directory = exec.directory.empty() ? "/" : exec.directory;
    plan->root = exec.root;
    plan->cpu_affinity = exec.cpu_affinity;
    plan->ionice_class = exec.ionice_class;
    plan->ionice_level = exec.ionice_level;
    plan->sandbox = exec.sandbox;
    plan->confines = exec.sandbox.confines();
    plan->standard_error = exec.standard_error.kind;
    plan->standard_output = exec.standard_output.kind;
    plan->launch_timeout = service.launch_timeout;
    return plan;
}

std::shared_ptr<const SpawnPlan> with_listen_names(const SpawnPlan& plan, std::string names) {
    auto other = std::make_shared<SpawnPlan>(plan);
    other->listen_fdnames = std::move(names);
    return other;
}

std::shared_ptr<const SpawnPlan> with_command(
        const std::shared_ptr<const SpawnPlan>& plan, const std::vector<std::string>& argv) {
    // The copy may point to texts that live with the original.
    struct Both {
        SpawnPlan own;
        std::shared_ptr<const SpawnPlan> original;
    };

    auto both = std::make_shared<Both>(Both{*plan, plan});
    both->own.sandbox.private_pids = false;
    both->own.program = argv.front();
    both->own.argv = argv;
    return {both, &both->own};
}

void append_connection_environment(std::string& out, const ConnectionFacts& facts) {
    switch (facts.peer.family) {
        case Family::ip: append_ip(out, facts); break;
        case Family::unix: append_unix(out, facts); break;
        case Family::vsock: append_vsock(out, facts); break;
        case Family::none: break;
    }
    if (facts.cookie != 0) append(out, "SO_COOKIE", facts.cookie);
    out += facts.proxied;
}

}  // namespace superd
