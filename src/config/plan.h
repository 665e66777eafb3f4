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

#include "base/clock.h"
#include "config/plan_admission.h"
#include "config/plan_base.h"
#include "config/plan_copies.h"
#include "config/plan_life.h"
#include "config/plan_listener.h"
#include "config/plan_log.h"
#include "config/plan_process.h"
#include "config/plan_tls.h"
#include "config/plan_upkeep.h"
#include "config/plan_warm.h"
#include "config/plan_when.h"

namespace superd {

enum class Mode : std::uint8_t { handler, worker, daemon, builtin, redirect };
enum class Start : std::uint8_t { demand, boot, manual };
enum class Pass : std::uint8_t { in_stdin, listen_fds };  // "stdin", "listen_fds"
enum class OnStop : std::uint8_t { leave, end };

// What superd-relay itself can be to a client.
enum class Builtin : std::uint8_t {
    none,
    echo,
    discard,
    chargen,
    daytime,
    time,
    tcpmux,
    ident,
    sensor
};

// Reached through tcpmux (RFC 1078): the program answers itself, or superd says "+Go" for it.
enum class Tcpmux : std::uint8_t { no, plain, plus };
enum class SendProxy : std::uint8_t { no, v1, v2 };

// A program number registered with rpcbind (RFC 1833) for versions low to high.
struct RpcPlan {
    std::uint32_t program = 0, low = 0, high = 0;
    Origin origin;

    bool operator==(const RpcPlan&) const = default;

    template <class P = RpcPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"program", &P::program}, Field{"low", &P::low},
                Field{"high", &P::high}, Field{"origin", &P::origin}};
    }
};

// What is announced by multicast DNS (RFC 6763).
struct MdnsPlan {
    std::string type;  // "_ssh._tcp"; "_ssh": with the protocol of each listener
    std::string name;  // of this instance; empty: the host's
    std::vector<std::string> txt;

    bool operator==(const MdnsPlan&) const = default;

    template <class P = MdnsPlan>
    static constexpr auto fields() {
        return std::tuple{
                Field{"type", &P::type}, Field{"name", &P::name}, Field{"txt", &P::txt}};
    }
};

// A value that was inherited but means nothing for this service, and so does not count.
struct SkippedOption {
    std::string key, reason;
    Origin origin;

    bool operator==(const SkippedOption&) const = default;

    template <class P = SkippedOption>
    static constexpr auto fields() {
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
    PoolPlan pool;              // Mode::worker and, for overlap, Mode::daemon
    CopyPlan copy;              // empty: it is no copy
    std::vector<ListenerPlan> listeners;
    AdmissionPlan admission;
    ExecPlan exec;
    Nanoseconds stop_timeout{std::chrono::seconds(10)};
    Nanoseconds launch_timeout{std::chrono::seconds(30)};
    OnStop on_stop = OnStop::leave;
    PrestartPlan prestart;  // Mode::handler
    LifePlan life;          // Mode::worker and Mode::daemon
    UpkeepPlan upkeep;      // the same
    TimerPlan timer;        // Mode::daemon
    DependencyPlan dependencies;
    // Mode::builtin and Mode::redirect: served by superd-relay.
    Builtin builtin = Builtin::none;
    std::vector<TargetPlan> redirect;  // in the order they are tried
    Nanoseconds connect_timeout{std::chrono::seconds(10)};
    std::optional<Nanoseconds> idle_timeout;  // no byte either way for so long
    SendProxy send_proxy = SendProxy::no;
    ProxyTlvs send_proxy_tlvs;
    std::optional<Nanoseconds> deny_for;  // Builtin::sensor; zero: for good; empty: only logged
    Tcpmux tcpmux = Tcpmux::no;
    std::optional<RpcPlan> rpc;
    std::optional<MdnsPlan> mdns;
    ServiceLogPlan log;
    std::vector<SkippedOption> skipped;  // for `superctl show --effective`

    bool operator==(const ServicePlan&) const = default;

    template <class P = ServicePlan>
    static constexpr auto fields() {
        return std::tuple{Field{"name", &P::name}, Field{"origin", &P::origin},
                Field{"description", &P::description}, Field{"enabled", &P::enabled},
                Field{"mode", &P::mode}, Field{"start", &P::start}, Field{"pass", &P::pass},
                Field{"workers", &P::workers}, Field{"pool", &P::pool}, Field{"copy", &P::copy},
                Field{"listen", &P::listeners}, Field{"admission", &P::admission},
                Field{"process", &P::exec}, Field{"stop_timeout", &P::stop_timeout},
                Field{"launch_timeout", &P::launch_timeout}, Field{"on_stop", &P::on_stop},
                Field{"prestart", &P::prestart}, Field{"life", &P::life},
                Field{"upkeep", &P::upkeep}, Field{"timer", &P::timer},
                Field{"dependencies", &P::dependencies}, Field{"builtin", &P::builtin},
                Field{"redirect", &P::redirect}, Field{"connect_timeout", &P::connect_timeout},
                Field{"idle_timeout", &P::idle_timeout}, Field{"send_proxy", &P::send_proxy},
                Field{"send_proxy_tlvs", &P::send_proxy_tlvs},
                Field{"deny_for", &P::deny_for}, Field{"tcpmux", &P::tcpmux},
                Field{"rpc", &P::rpc}, Field{"mdns", &P::mdns}, Field{"logging", &P::log},
                Field{"skipped", &P::skipped}};
    }
};

// ---- [superd]

enum class BrokenFile : std::uint8_t { last_good, refuse };

struct DaemonPlan {
    std::vector<SinkPlan> log;
    LogFormat log_format = LogFormat::text;
    std::optional<std::uint64_t> log_keep_size;  // bytes of all ended log files together
    std::string admin_group;                     // as written
    std::optional<std::uint32_t> admin_gid;
    Bound max_processes;  // all services together; resolved, never empty
    BrokenFile broken_file = BrokenFile::last_good;
    std::string dump_file;  // empty: the log
    Nanoseconds name_lookup_timeout{std::chrono::seconds(2)};
    Nanoseconds tls_ticket_rotation{std::chrono::hours(3)};
    Nanoseconds name_refresh{std::chrono::seconds(60)};  // of the names that redirects go to

    // "never", "all-stopped", "any-failed", or the service whose end is superd's.
    std::string exit_when = "never";

    bool operator==(const DaemonPlan&) const = default;

    template <class P = DaemonPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"log", &P::log}, Field{"log_format", &P::log_format},
                Field{"log_keep_size", &P::log_keep_size},
                Field{"admin_group", &P::admin_group}, Field{"admin_gid", &P::admin_gid},
                Field{"max_processes", &P::max_processes},
                Field{"broken_file", &P::broken_file}, Field{"dump_file", &P::dump_file},
                Field{"name_lookup_timeout", &P::name_lookup_timeout},
                Field{"tls_ticket_rotation", &P::tls_ticket_rotation},
                Field{"name_refresh", &P::name_refresh}, Field{"exit_when", &P::exit_when}};
    }
};

struct Plan {
    std::vector<std::string>
            files;  // absolute paths, the main file first; Origin::file points here
    DaemonPlan daemon;
    std::vector<NetworkPlan> networks;
    std::vector<TlsPlan> tls;                                  // by name, sorted
    std::vector<CopiesPlan> copies;                            // by name, sorted
    std::vector<std::shared_ptr<const ServicePlan>> services;  // by name, sorted

    template <class P = Plan>
    static constexpr auto fields() {
        return std::tuple{Field{"files", &P::files}, Field{"superd", &P::daemon},
                Field{"networks", &P::networks}, Field{"tls", &P::tls},
                Field{"copies", &P::copies}, Field{"services", &P::services}};
    }

    // "/etc/superd.toml:31"; "built-in" where the line is 0.
    [[nodiscard]] std::string where(const Origin& origin) const;
};

}  // namespace superd
