// SPDX-License-Identifier: MIT
// The plan: the configuration after it has been checked and every name in it resolved.
//
// Values only, immutable once made, shared by reference. Nothing that changes at run time lives
// here. Every struct lists its fields once, in fields(); the codec (config/codec.h), the diff
// (config/diff.h) and the JSON of `superctl show` all go by that list.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/units.h"

namespace superd {

template <class Struct, class Member>
struct Field {
    std::string_view name;  // the option's key in superd.toml where there is one
    Member Struct::*member;
};
template <class Struct, class Member>
Field(std::string_view, Member Struct::*) -> Field<Struct, Member>;

// Where something was written. file is an index into Plan::files; line 0: a built-in value.
struct Origin {
    std::uint32_t file = 0;
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    bool operator==(const Origin&) const = default;

    static constexpr auto fields() {
        return std::tuple{Field{"file", &Origin::file}, Field{"line", &Origin::line},
                Field{"column", &Origin::column}};
    }
};

enum class Mode : std::uint8_t { handler, worker, daemon };
enum class Start : std::uint8_t { demand, boot, manual };
enum class OnLimit : std::uint8_t { queue, refuse };
enum class Pass : std::uint8_t { in_stdin, listen_fds };  // "stdin", "listen_fds"
enum class OnStop : std::uint8_t { leave, end };

// Where a service's stderr (and a worker's stdout) goes.
enum class OutputKind : std::uint8_t { log, socket, null, file };

struct Output {
    OutputKind kind = OutputKind::log;
    std::string
            path;  // OutputKind::file: opened for appending by root before the identity changes

    bool operator==(const Output&) const = default;

    static constexpr auto fields() {
        return std::tuple{Field{"kind", &Output::kind}, Field{"path", &Output::path}};
    }
};

// What kind of thing a listener is.
enum class ListenerKind : std::uint8_t {
    tcp,
    udp,
    unix_stream,
    unix_dgram,
    unix_seqpacket,
    fifo,
    vsock
};

// True for what accept(2) works on.
[[nodiscard]] constexpr bool is_connection_kind(ListenerKind kind) {
    return kind == ListenerKind::tcp || kind == ListenerKind::unix_stream ||
           kind == ListenerKind::unix_seqpacket || kind == ListenerKind::vsock;
}

// One address to bind, resolved, and its options. Every optional that is empty leaves the
// kernel's default.
struct ListenerPlan {
    std::string name;  // LISTEN_FDNAMES; the service's name unless given
    std::string
            address;  // canonical text in superd's grammar, e.g. "tcp:22", "unix:/run/x.sock"
    Origin origin;
    ListenerKind kind = ListenerKind::tcp;

    // tcp, udp: family is 0 for both (one IPv6 socket with v6only off), 4 or 6.
    std::uint8_t ip_family = 0;
    IpAddress ip;                // all zero: any
    std::string interface_zone;  // "eth0" of [fe80::1%eth0]; empty otherwise
    std::uint32_t port = 0;  // host order; vsock: port. 0 asks the kernel for one (tests, demo)
    std::uint32_t cid = 0;   // vsock
    std::string path;        // unix and fifo; abstract names begin with '@'

    std::uint32_t backlog = 4096;
    std::string interface;  // SO_BINDTODEVICE
    std::optional<bool> v6only;
    bool reuse_port = false;
    bool free_bind = false;
    bool transparent = false;
    std::optional<Nanoseconds> defer_accept;
    bool keepalive = false;
    std::optional<Nanoseconds> keepalive_time, keepalive_interval;
    std::optional<std::uint32_t> keepalive_probes;
    bool no_delay = false;
    std::optional<std::uint64_t> send_buffer, receive_buffer;
    std::optional<std::uint32_t> priority, tos, mark, fast_open;
    bool broadcast = false;
    bool mptcp = false;
    std::string congestion;
    std::vector<std::string> join;  // multicast groups "239.1.2.3" or "ff02::1%eth0"
    bool pass_credentials = false;

    // UNIX and FIFO nodes.
    std::uint32_t mode = 0666;
    std::optional<std::uint32_t> owner, group;  // uid, gid
    std::uint32_t directory_mode = 0755;
    bool remove_on_stop = true;

    bool operator==(const ListenerPlan&) const = default;

    static constexpr auto fields() {
        using P = ListenerPlan;
        return std::tuple{Field{"name", &P::name}, Field{"address", &P::address},
                Field{"origin", &P::origin}, Field{"kind", &P::kind},
                Field{"ip_family", &P::ip_family}, Field{"ip", &P::ip},
                Field{"interface_zone", &P::interface_zone}, Field{"port", &P::port},
                Field{"cid", &P::cid}, Field{"path", &P::path}, Field{"backlog", &P::backlog},
                Field{"interface", &P::interface}, Field{"v6only", &P::v6only},
                Field{"reuse_port", &P::reuse_port}, Field{"free_bind", &P::free_bind},
                Field{"transparent", &P::transparent}, Field{"defer_accept", &P::defer_accept},
                Field{"keepalive", &P::keepalive}, Field{"keepalive_time", &P::keepalive_time},
                Field{"keepalive_interval", &P::keepalive_interval},
                Field{"keepalive_probes", &P::keepalive_probes},
                Field{"no_delay", &P::no_delay}, Field{"send_buffer", &P::send_buffer},
                Field{"receive_buffer", &P::receive_buffer}, Field{"priority", &P::priority},
                Field{"tos", &P::tos}, Field{"mark", &P::mark},
                Field{"fast_open", &P::fast_open}, Field{"broadcast", &P::broadcast},
                Field{"mptcp", &P::mptcp}, Field{"congestion", &P::congestion},
                Field{"join", &P::join}, Field{"pass_credentials", &P::pass_credentials},
                Field{"mode", &P::mode}, Field{"owner", &P::owner}, Field{"group", &P::group},
                Field{"directory_mode", &P::directory_mode},
                Field{"remove_on_stop", &P::remove_on_stop}};
    }
};

// ---- admission
// --------------------------------------------------------------------------------

enum class MatchKind : std::uint8_t { network, named_network, uid, gid, everybody };

// One entry of allow or deny.
struct AccessRule {
    MatchKind kind = MatchKind::network;
    bool allow = false;
    Network network;           // MatchKind::network
    std::uint32_t id = 0;      // uid or gid
    std::string network_name;  // MatchKind::named_network, without '@'
    std::string text;          // as written: "@office", "10.0.0.0/8", "user:git"
    Origin origin;

    bool operator==(const AccessRule&) const = default;

    static constexpr auto fields() {
        using P = AccessRule;
        return std::tuple{Field{"kind", &P::kind}, Field{"allow", &P::allow},
                Field{"network", &P::network}, Field{"id", &P::id},
                Field{"network_name", &P::network_name}, Field{"text", &P::text},
                Field{"origin", &P::origin}};
    }
};

// [networks]: a name with its blocks, or with a file that is read again when it changes.
struct NetworkPlan {
    std::string name;
    std::vector<Network> blocks;
    std::string file;  // empty: blocks were written in the configuration
    Origin origin;

    bool operator==(const NetworkPlan&) const = default;

    static constexpr auto fields() {
        using P = NetworkPlan;
        return std::tuple{Field{"name", &P::name}, Field{"blocks", &P::blocks},
                Field{"file", &P::file}, Field{"origin", &P::origin}};
    }
};

// rate and rate_per_source: a token bucket of `burst` that fills with `limit`.
struct RatePlan {
    Frequency limit;
    std::uint32_t burst = 0;  // never 0 in a resolved plan
    Nanoseconds pause{0};     // 0: only until a token is there
    Origin origin;

    bool operator==(const RatePlan&) const = default;

    static constexpr auto fields() {
        using P = RatePlan;
        return std::tuple{Field{"limit", &P::limit}, Field{"burst", &P::burst},
                Field{"pause", &P::pause}, Field{"origin", &P::origin}};
    }
};

// One window of `hours`: on each day of `days` (bit 0 Monday ... bit 6 Sunday) from `from` to
// `to` minutes after local midnight; to <= from ends on the following day.
struct HoursWindow {
    std::uint8_t days = 0x7f;
    std::uint16_t from = 0;
    std::uint16_t to = 24 * 60;
    Origin origin;

    bool operator==(const HoursWindow&) const = default;

    static constexpr auto fields() {
        using P = HoursWindow;
        return std::tuple{Field{"days", &P::days}, Field{"from", &P::from}, Field{"to", &P::to},
                Field{"origin", &P::origin}};
    }
};

// A bound and where it was written; no value: unlimited.
struct Bound {
    std::optional<std::uint32_t> value;
    Origin origin;

    bool operator==(const Bound&) const = default;

    static constexpr auto fields() {
        return std::tuple{Field{"value", &Bound::value}, Field{"origin", &Bound::origin}};
    }
};

struct AdmissionPlan {
    std::vector<AccessRule> access;  // in the order written; see policy/access.h
    Bound max_connections, max_per_source;
    std::optional<RatePlan> rate, rate_per_source;
    std::vector<HoursWindow> hours;  // empty: always
    std::optional<double> max_load;  // one-minute load average
    Origin max_load_origin;
    OnLimit on_limit = OnLimit::queue;
    std::string refuse_text;

    bool operator==(const AdmissionPlan&) const = default;

    static constexpr auto fields() {
        using P = AdmissionPlan;
        return std::tuple{Field{"access", &P::access},
                Field{"max_connections", &P::max_connections},
                Field{"max_per_source", &P::max_per_source}, Field{"rate", &P::rate},
                Field{"rate_per_source", &P::rate_per_source}, Field{"hours", &P::hours},
                Field{"max_load", &P::max_load}, Field{"max_load_origin", &P::max_load_origin},
                Field{"on_limit", &P::on_limit}, Field{"refuse_text", &P::refuse_text}};
    }
};

// ---- what to run
// ------------------------------------------------------------------------------

struct RlimitPlan {
    std::uint8_t resource = 0;         // RLIMIT_*
    std::uint64_t soft = 0, hard = 0;  // ~0: RLIM_INFINITY

    bool operator==(const RlimitPlan&) const = default;

    static constexpr auto fields() {
        using P = RlimitPlan;
        return std::tuple{Field{"resource", &P::resource}, Field{"soft", &P::soft},
                Field{"hard", &P::hard}};
    }
};

struct Variable {
    std::string name, value;
    bool secret = false;  // from an environment_file: never shown

    bool operator==(const Variable&) const = default;

    static constexpr auto fields() {
        return std::tuple{Field{"name", &Variable::name}, Field{"value", &Variable::value},
                Field{"secret", &Variable::secret}};
    }
};

// credentials = { NAME = "/path" }: copied to $CREDENTIALS_DIRECTORY/NAME, mode 0400.
struct CredentialPlan {
    std::string name, path;

    bool operator==(const CredentialPlan&) const = default;

    static constexpr auto fields() {
        return std::tuple{
                Field{"name", &CredentialPlan::name}, Field{"path", &CredentialPlan::path}};
    }
};

// A user resolved to numbers, so that nothing between fork and exec looks up a name.
struct IdentityPlan {
    bool change = false;  // false: superd is not root, or the user is superd's own
    std::uint32_t uid = 0, gid = 0;
    std::vector<std::uint32_t> groups;  // supplementary, already what `groups` made of them
    std::string user, home, shell;      // for the environment

    bool operator==(const IdentityPlan&) const = default;

    static constexpr auto fields() {
        using P = IdentityPlan;
        return std::tuple{Field{"change", &P::change}, Field{"uid", &P::uid},
                Field{"gid", &P::gid}, Field{"groups", &P::groups}, Field{"user", &P::user},
                Field{"home", &P::home}, Field{"shell", &P::shell}};
    }
};

struct ExecPlan {
    std::vector<std::string> argv;  // argv[0] is the absolute path
    std::string argv0;              // given to the program as argv[0]; empty: the path
    IdentityPlan identity;
    std::optional<std::uint32_t> umask;
    std::optional<std::int32_t> nice, oom_score_adjust;
    std::vector<RlimitPlan> rlimits;
    std::string directory, root;  // absolute or empty
    std::vector<std::string> runtime_directory, state_directory, cache_directory,
            logs_directory;
    std::vector<Variable> environment;  // environment_file, then environment; later ones win
    std::vector<std::string> pass_environment;
    std::vector<CredentialPlan> credentials;
    std::vector<std::uint32_t> cpu_affinity;  // CPU numbers; empty: all
    std::optional<std::uint8_t> ionice_class, ionice_level;
    Output standard_error, standard_output;

    bool operator==(const ExecPlan&) const = default;

    static constexpr auto fields() {
        using P = ExecPlan;
        return std::tuple{Field{"exec", &P::argv}, Field{"argv0", &P::argv0},
                Field{"identity", &P::identity}, Field{"umask", &P::umask},
                Field{"nice", &P::nice}, Field{"oom_score_adjust", &P::oom_score_adjust},
                Field{"rlimits", &P::rlimits}, Field{"directory", &P::directory},
                Field{"root", &P::root}, Field{"runtime_directory", &P::runtime_directory},
                Field{"state_directory", &P::state_directory},
                Field{"cache_directory", &P::cache_directory},
                Field{"logs_directory", &P::logs_directory},
                Field{"environment", &P::environment},
                Field{"pass_environment", &P::pass_environment},
                Field{"credentials", &P::credentials}, Field{"cpu_affinity", &P::cpu_affinity},
                Field{"ionice_class", &P::ionice_class},
                Field{"ionice_level", &P::ionice_level}, Field{"stderr", &P::standard_error},
                Field{"stdout", &P::standard_output}};
    }
};

// A value that was inherited but means nothing for this service, and so does not count.
struct SkippedOption {
    std::string key, reason;
    Origin origin;

    bool operator==(const SkippedOption&) const = default;

    static constexpr auto fields() {
        using P = SkippedOption;
        return std::tuple{Field{"key", &P::key}, Field{"reason", &P::reason},
                Field{"origin", &P::origin}};
    }
};

// One service, whole.
struct ServicePlan {
    std::string name;
    Origin origin;
    std::string description;
    bool enabled = true;
    Mode mode = Mode::handler;
    Start start = Start::demand;
    Pass pass = Pass::in_stdin;
    std::uint32_t workers = 1;  // Mode::worker; "cores" is resolved
    std::vector<ListenerPlan> listeners;
    AdmissionPlan admission;
    ExecPlan exec;
    Nanoseconds stop_timeout{std::chrono::seconds(10)};
    Nanoseconds launch_timeout{std::chrono::seconds(30)};
    OnStop on_stop = OnStop::leave;
    std::vector<SkippedOption> skipped;  // for `superctl show --effective`

    bool operator==(const ServicePlan&) const = default;

    static constexpr auto fields() {
        using P = ServicePlan;
        return std::tuple{Field{"name", &P::name}, Field{"origin", &P::origin},
                Field{"description", &P::description}, Field{"enabled", &P::enabled},
                Field{"mode", &P::mode}, Field{"start", &P::start}, Field{"pass", &P::pass},
                Field{"workers", &P::workers}, Field{"listen", &P::listeners},
                Field{"admission", &P::admission}, Field{"process", &P::exec},
                Field{"stop_timeout", &P::stop_timeout},
                Field{"launch_timeout", &P::launch_timeout}, Field{"on_stop", &P::on_stop},
                Field{"skipped", &P::skipped}};
    }
};

// ---- [superd]
// ---------------------------------------------------------------------------------

enum class SinkKind : std::uint8_t { stderr_text, file, syslog, journal };
enum class LogFormat : std::uint8_t { text, json };
enum class BrokenFile : std::uint8_t { last_good, refuse };

struct SinkPlan {
    SinkKind kind = SinkKind::stderr_text;
    std::string path;  // SinkKind::file

    bool operator==(const SinkPlan&) const = default;

    static constexpr auto fields() {
        return std::tuple{Field{"kind", &SinkPlan::kind}, Field{"path", &SinkPlan::path}};
    }
};

struct DaemonPlan {
    std::vector<SinkPlan> log;
    LogFormat log_format = LogFormat::text;
    std::string admin_group;  // as written
    std::optional<std::uint32_t> admin_gid;
    Bound max_processes;  // all services together; resolved, never empty
    BrokenFile broken_file = BrokenFile::last_good;
    std::string dump_file;  // empty: the log

    bool operator==(const DaemonPlan&) const = default;

    static constexpr auto fields() {
        using P = DaemonPlan;
        return std::tuple{Field{"log", &P::log}, Field{"log_format", &P::log_format},
                Field{"admin_group", &P::admin_group}, Field{"admin_gid", &P::admin_gid},
                Field{"max_processes", &P::max_processes},
                Field{"broken_file", &P::broken_file}, Field{"dump_file", &P::dump_file}};
    }
};

struct Plan {
    std::vector<std::string>
            files;  // absolute paths, the main file first; Origin::file points here
    DaemonPlan daemon;
    std::vector<NetworkPlan> networks;
    std::vector<std::shared_ptr<const ServicePlan>> services;  // by name, sorted

    static constexpr auto fields() {
        return std::tuple{Field{"files", &Plan::files}, Field{"superd", &Plan::daemon},
                Field{"networks", &Plan::networks}, Field{"services", &Plan::services}};
    }

    // "/etc/superd.toml:31"; "built-in" where the line is 0.
    [[nodiscard]] std::string where(const Origin& origin) const;
};

}  // namespace superd
