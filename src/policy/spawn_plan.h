// SPDX-License-Identifier: MIT
// What a child does between clone and exec, prebuilt: only numbers and pointers to text that
// lives as long as the plan. Immutable and shared; a launch holds a reference until its child
// has exec'd.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "config/plan.h"

namespace superd {

// The order of the child's sequence. A failed launch names the stage.
enum class SpawnStage : std::uint8_t {
    none,
    clone,
    leave_table,
    session,
    descriptors,
    cgroup,
    rlimits,
    nice,
    ionice,
    affinity,
    oom_score,
    umask,
    root,
    directory,
    groups,
    gid,
    uid,
    verify,
    exec,
    // By superd-exec, which runs already and does the rest of the sequence.
    step_in,
    tcp_wrappers,
    peer_label,
    banner,
    // Of the sandbox; where they stand in the sequence sys/child.h says.
    capabilities,
    ambient_capabilities,
    no_new_privs,
    seccomp,
    landlock,
    namespaces,
    mounts
};
[[nodiscard]] std::string_view stage_name(SpawnStage stage);

struct SpawnPlan {
    std::string service;
    std::string program;                         // path for execve(2)
    std::vector<std::string> argv;               // argv[0] as the program sees it
    std::vector<std::string> fixed_environment;  // "NAME=value", sorted by name: all that no
                                                 // connection changes
    Mode mode = Mode::handler;
    Pass pass = Pass::in_stdin;
    std::string listen_fdnames;  // "imaps:imap"; "connection" for a handler with listen_fds
    IdentityPlan identity;
    std::optional<std::uint32_t> umask;
    std::optional<std::int32_t> nice, oom_score_adjust;
    std::vector<RlimitPlan>
            rlimits;  // with superd's original RLIMIT_NOFILE where the service sets none
    std::string directory, root;
    std::vector<std::uint32_t> cpu_affinity;
    std::optional<std::uint8_t> ionice_class, ionice_level;
    SandboxPlan sandbox;
    bool confines = false;  // sandbox has something for the child to do
    OutputKind standard_error = OutputKind::log, standard_output = OutputKind::log;
    Nanoseconds launch_timeout{0};
};

// Facts of the process that makes the plan.
struct SpawnContext {
    std::vector<RlimitPlan>
            original_rlimits;  // what superd changed of its own, to be given back
    std::vector<std::string> own_environment;  // for pass_environment: "NAME=value"
    std::string runtime_prefix = "/run", state_prefix = "/var/lib", cache_prefix = "/var/cache",
                logs_prefix = "/var/log";
    std::string credentials_prefix;  // "/run/superd/credentials": + "/NAME"
};

[[nodiscard]] std::shared_ptr<const SpawnPlan> make_spawn_plan(
        const ServicePlan& service, const SpawnContext& context);

// The same with other LISTEN_FDNAMES: for a launch while some of the service's listeners still
// wait for their address.
[[nodiscard]] std::shared_ptr<const SpawnPlan> with_listen_names(
        const SpawnPlan& plan, std::string names);

// The same for a command beside the program: with the service's identity, limits and
// surroundings, but for a pid namespace: it is told the program's pid. It lives as long as the
// plan it is made of.
[[nodiscard]] std::shared_ptr<const SpawnPlan> with_command(
        const std::shared_ptr<const SpawnPlan>& plan, const std::vector<std::string>& argv);

// The variables that one connection adds: UCSPI (PROTO, TCPREMOTEIP ...), systemd (REMOTE_ADDR,
// REMOTE_PORT, SO_COOKIE), xinetd (REMOTE_HOST). Appends "NAME=value"
// strings, each ended by a NUL, to out: no allocation where out has the room.
struct ConnectionFacts {
    ListenerKind kind = ListenerKind::tcp;
    Endpoint peer, local;
    std::string_view local_path;  // unix: the listener's path or "@name"
    std::string peer_name{};      // confirmed; empty: not asked for, or it has none
    std::string peer_user{};      // as its ident server says; empty: not known at the start
    std::string remote_path{};    // unix: the client's, where it has bound one
    std::uint64_t cookie = 0;     // SO_COOKIE; 0: none
    std::string proxied{};        // what a PROXY header adds: "NAME=value", each ended by a NUL
};

void append_connection_environment(std::string& out, const ConnectionFacts& facts);

}  // namespace superd
