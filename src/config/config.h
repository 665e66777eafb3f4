// SPDX-License-Identifier: MIT
// Reading superd.toml: the one entrance to the config layer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/diagnostics.h"
#include "config/plan.h"

namespace superd {

// How many copies of a service somebody asked for at run time. It counts for as long as the
// file asks for `written`; then the file does again.
struct ScaledCopies {
    std::string name;
    std::uint32_t written = 0, count = 0;

    bool operator==(const ScaledCopies&) const = default;
};

// Facts about the host and the process that a plan is resolved for.
struct ReadOptions {
    std::string path;    // the main file
    std::string as;      // `--as`: relative includes and messages go by this path; empty: path
    std::string copies;  // a folder of copies, see kept_files_index: these are read instead of
                         // the files themselves, and there are no others; empty: none
    std::string dynamic_users;  // what the services of the running plan have been given
                                // (config/dynamic_users.h)
    bool root = false;  // superd runs (or will run) as root: ownership of files is checked,
                        // services must name a user, privileged options are allowed
    bool check_ownership =
            false;  // refuse files that others can write (superd as root; not for `--as`)
    std::vector<ScaledCopies> scaled{};
    std::string tls_program{};  // superd-tls, which looks at certificates; empty: nobody does
};

// Copies of one service at most.
inline constexpr std::uint32_t most_copies = 1024;

// In a folder of copies: a line "COPY PATH" for each file, by its name in the folder.
inline constexpr const char* kept_files_index = "files";

struct ReadResult {
    std::optional<Plan> plan;        // empty where an error was found
    Diagnostics diagnostics;         // all of them, errors and warnings, in file order
    std::vector<std::string> files;  // every file that was read, main file first
    std::string encoded;  // what the reader process answered: plan as encode_plan() makes it
};

// Reads, checks, resolves. Touches nothing, binds nothing, needs no root. Names (users, groups,
// services, hosts' zones) are looked up with NSS: call it where blocking is allowed.
[[nodiscard]] ReadResult read_config(const ReadOptions& options);

// The files behind [networks], read again: plan.networks with fresh blocks. A file that cannot
// be read or parsed keeps its old blocks and adds an error.
[[nodiscard]] std::vector<NetworkPlan> reread_networks(
        const Plan& plan, Diagnostics& diagnostics);

}  // namespace superd
