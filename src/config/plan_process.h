// SPDX-License-Identifier: MIT
// The part of the plan that says what to run: program, identity, limits, surroundings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "config/plan_base.h"
#include "config/plan_sandbox.h"

namespace superd {

// Where a service's stderr (and a worker's stdout) goes.
// pipe: the log, through a pipe that can be opened again as /dev/stderr.
enum class OutputKind : std::uint8_t { log, socket, null, file, pipe };

struct Output {
    OutputKind kind = OutputKind::log;
    std::string
            path;  // OutputKind::file: opened for appending by root before the identity changes

    bool operator==(const Output&) const = default;

    template <class P = Output>
    static constexpr auto fields() {
        return std::tuple{Field{"kind", &P::kind}, Field{"path", &P::path}};
    }
};

struct RlimitPlan {
    std::uint8_t resource = 0;         // RLIMIT_*
    std::uint64_t soft = 0, hard = 0;  // ~0: RLIM_INFINITY

    bool operator==(const RlimitPlan&) const = default;

    template <class P = RlimitPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"resource", &P::resource}, Field{"soft", &P::soft},
                Field{"hard", &P::hard}};
    }
};

struct Variable {
    std::string name, value;
    bool secret = false;  // from an environment_file: never shown

    bool operator==(const Variable&) const = default;

    template <class P = Variable>
    static constexpr auto fields() {
        return std::tuple{Field{"name", &P::name}, Field{"value", &P::value},
                Field{"secret", &P::secret}};
    }
};

// credentials = { NAME = "/path" }: copied to $CREDENTIALS_DIRECTORY/NAME, mode 0400.
struct CredentialPlan {
    std::string name, path;

    bool operator==(const CredentialPlan&) const = default;

    template <class P = CredentialPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"name", &P::name}, Field{"path", &P::path}};
    }
};

// A user resolved to numbers, so that nothing between fork and exec looks up a name.
struct IdentityPlan {
    bool change = false;  // false: superd is not root, or the user is superd's own
    std::uint32_t uid = 0, gid = 0;
    std::vector<std::uint32_t> groups;  // supplementary, already what `groups` made of them
    std::string user, home, shell;      // for the environment

    bool operator==(const IdentityPlan&) const = default;

    template <class P = IdentityPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"change", &P::change}, Field{"uid", &P::uid},
                Field{"gid", &P::gid}, Field{"groups", &P::groups}, Field{"user", &P::user},
                Field{"home", &P::home}, Field{"shell", &P::shell}};
    }
};

// What the processes of a service may take together; empty: as much as there is.
struct LimitsPlan {
    std::optional<std::uint64_t> memory_max;  // bytes
    std::optional<std::uint32_t> tasks_max;   // processes and threads
    std::optional<std::uint32_t> cpu_max;     // percent of one processor
    std::optional<std::uint32_t> io_weight;   // beside 100 of everybody else

    bool operator==(const LimitsPlan&) const = default;

    [[nodiscard]] bool any() const { return *this != LimitsPlan(); }

    template <class P = LimitsPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"memory_max", &P::memory_max},
                Field{"tasks_max", &P::tasks_max}, Field{"cpu_max", &P::cpu_max},
                Field{"io_weight", &P::io_weight}};
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
    bool peer_label = false;  // run in the SELinux context of the peer
    SandboxPlan sandbox;
    LimitsPlan limits;

    bool operator==(const ExecPlan&) const = default;

    template <class P = ExecPlan>
    static constexpr auto fields() {
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
                Field{"stdout", &P::standard_output}, Field{"peer_label", &P::peer_label},
                Field{"sandbox", &P::sandbox}, Field{"limits", &P::limits}};
    }
};

}  // namespace superd
