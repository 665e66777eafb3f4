// SPDX-License-Identifier: MIT
// What the control object may ask of the engine. The supervisor implements it; control and its
// tests see only this.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "config/diagnostics.h"
#include "config/diff.h"
#include "config/plan.h"
#include "policy/denials.h"
#include "policy/state_names.h"
#include "sys/cgroup.h"

namespace superd {

struct ListenerStatus {
    std::string name, address;
    std::string state;   // "listening", "waiting", "paused", "closed"
    std::string detail;  // "in use by sshd, pid 812", "address not there yet"
    std::string bound;   // the address as bound, e.g. the port the kernel chose
    int fd = -1;
};

struct ProcessStatus {
    int pid = 0;
    std::string kind;  // "handler", "worker", "daemon"; "held": it waits to be let in;
                       // "parked": it was started ahead of its client
    std::uint64_t connection = 0;  // 0: none
    Endpoint peer, local;
    std::string user{};  // as the peer's ident server says; empty: not known
    Wall since;
    std::string tls{};  // "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: none
};

// What others were told of where the service is.
struct AnnouncementStatus {
    std::string how;      // "rpc", "mdns"
    std::string state{};  // "announced", "waiting", "refused", "withdrawn"
    std::string text{};   // "registered 100001 v1-3 udp port 40001"
};

// Of a service that runs by the clock.
struct TimerStatus {
    std::string schedule{};      // "every 10m", "Mon..Fri 03:30"
    std::optional<Wall> next{};  // nothing: it is stopped or paused
    std::optional<Wall> last{};  // when its last run began
    std::string result{};        // of that: "ok", "failed", "running"; empty: there was none
    std::uint64_t runs = 0, skipped = 0;
};

// Of a service whose handlers are started ahead.
struct WarmStatus {
    std::uint32_t wanted = 0, parked = 0, starting = 0;
    std::uint64_t served_warm = 0, served_cold = 0;
    std::string trouble{};  // why there are not as many as wanted; empty: nothing is wrong
};

struct ServiceStatus {
    std::string name, description;
    ServiceState state = ServiceState::stopped;
    std::string detail;  // one line: why it is in that state
    Wall since;
    bool enabled = true;
    Mode mode = Mode::handler;
    std::string defined_at;  // file:line
    std::vector<ListenerStatus> listeners;
    std::vector<ProcessStatus> processes;
    std::uint32_t connections = 0;  // now
    std::uint64_t accepted = 0, started = 0, failed = 0, exited = 0, dropped_datagrams = 0;
    // Lines that superd-log read of its processes, and that not every place for them took.
    std::uint64_t log_lines = 0, log_lost = 0;
    std::vector<AnnouncementStatus> announcements;
    std::optional<TimerStatus> timer;
    std::optional<GroupUsage> usage{};  // where it was asked for
    std::optional<WarmStatus> warm{};
    std::vector<std::pair<std::string, std::uint64_t>>
            refused;                  // by reason, only those not zero
    std::vector<std::string> stored;  // names of the descriptors that are kept for it
    std::string last_exit;            // "status 1", "signal TERM"; empty: none yet
    std::string last_failure;  // "exec /usr/sbin/foo: No such file or directory"; empty: none
};

struct DaemonStatus {
    std::string version;
    int pid = 0, guard_pid = 0;
    Wall since;                // of the guard
    std::uint32_t starts = 0;  // superds started by this guard
    std::string log_socket{};  // where superd-log answers
    std::string config_path;
    std::string config_state;  // "" or "running the last accepted configuration: …"
    std::uint64_t plan_sequence = 0;
    std::uint32_t processes = 0, max_processes = 0;
    bool root = false;
    std::string
            upgrade_failure{};  // of the last upgrade; empty: it went well, or there was none
};

// Codes are superctl's exit codes: 0 ok, 1 failed, 3 not running, 4 no such service, 6 timeout.
struct Outcome {
    int code = 0;
    std::string message;
};

using Reply = std::function<void(Outcome)>;

struct ReloadReport {
    int code = 0;  // 0: applied, or could be (dry run)
    std::string message;
    Diagnostics diagnostics;
    std::vector<ServiceDiff> changes;
};

// Whom explain() is asked about.
struct Asker {
    Endpoint peer;
    std::vector<std::uint32_t> groups{};  // a UNIX peer's supplementary ones
};

struct Explanation {
    bool admitted = false;
    std::string reason;  // refusal name or "admitted"
    std::string rule;    // file:line of what decided; empty: built-in
    std::string text;    // the sentence for people
};

// main: the program; control: the command that runs beside it.
enum class KillWhom : std::uint8_t { main, control, all };

class Manager {
public:
    virtual ~Manager() = default;

    [[nodiscard]] virtual DaemonStatus daemon() const = 0;
    [[nodiscard]] virtual std::vector<std::string> names() const = 0;
    [[nodiscard]] virtual std::optional<ServiceStatus> service(std::string_view name) const = 0;
    // Reads a handful of files.
    [[nodiscard]] virtual std::optional<GroupUsage> usage(std::string_view name) const = 0;
    // How many services are in each state.
    [[nodiscard]] virtual std::map<ServiceState, std::uint32_t> state_counts() const = 0;
    // Sentences, one a line: the state, its cause, when it changes by itself.
    [[nodiscard]] virtual std::optional<std::string> why(std::string_view name) const = 0;
    [[nodiscard]] virtual std::optional<Explanation> explain(
            std::string_view name, const Asker& from, Wall at) const = 0;

    // Before explain(): where the name of `from` decides it is looked up. done is called once,
    // from the loop or before this returns.
    virtual void learn_name(
            std::string_view /*name*/, const Endpoint& /*from*/, std::function<void()> done) {
        done();
    }

    // For `show`: the plan in force.
    [[nodiscard]] virtual const Plan& plan() const = 0;

    // Addresses that are kept out of every service, the oldest first.
    [[nodiscard]] virtual std::vector<Denial> denials() = 0;
    // by: who wants it, a word; length: nothing for good. Connections that are open stay.
    virtual void deny(const Source& source, std::optional<Nanoseconds> length,
            std::string_view by, std::string_view reason, Reply reply) = 0;
    // Nothing: all of them.
    virtual void allow_again(const std::optional<Source>& source, Reply reply) = 0;

    // reply is called once, from the loop, when the thing is done or has failed; it may be
    // called before the function returns.
    virtual void start(std::string_view name, Reply reply) = 0;
    virtual void stop(std::string_view name, Reply reply) = 0;
    virtual void restart(std::string_view name, Reply reply) = 0;
    virtual void pause(std::string_view name, Reply reply) = 0;
    virtual void resume(std::string_view name, Reply reply) = 0;
    virtual void drain(std::string_view name, Reply reply) = 0;
    virtual void reload(std::string_view name, Reply reply) = 0;
    // connection 0: every process of the service.
    virtual void kill(
            std::string_view name, int signal, std::uint64_t connection, Reply reply) = 0;
    // all: what superd started for it, and with daemons and workers what came of that.
    virtual void kill_whom(std::string_view name, KillWhom whom, int signal, Reply reply) = 0;
    // So many copies of a service with replicas, until the file asks for another number than it
    // does now, or superd is stopped.
    virtual void scale(std::string_view name, std::uint32_t count, Reply reply) = 0;
    virtual void reload_config(bool dry_run, std::function<void(ReloadReport)> reply) = 0;
    // Another program takes superd's place; empty: the one in the place of its own file. The
    // reply, with the program's version, comes before it does.
    virtual void upgrade(const std::string& program, Reply reply) = 0;
    // After a rotation by somebody else: log files are opened anew, by the plan in force.
    [[nodiscard]] virtual Outcome reopen_logs() = 0;
    // Until test(status) holds; checked at every change of the service and once at once.
    // Returns a token for forget_wait (a client that went away).
    virtual std::uint64_t wait(std::string_view name,
            std::function<bool(const ServiceStatus&)> test, Reply reply) = 0;
    virtual void forget_wait(std::uint64_t token) = 0;
};

}  // namespace superd
