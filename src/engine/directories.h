// SPDX-License-Identifier: MIT
// The folders and credential files that a service is promised before it starts.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/plan.h"

namespace superd {

// Where they go: /run, /var/lib …, or the XDG folders of a superd without root.
struct Prefixes {
    std::string runtime = "/run", state = "/var/lib", cache = "/var/cache", logs = "/var/log";
    std::string credentials;  // "/run/superd/credentials"
};

// Where this user's superd keeps its sockets unless told otherwise: /run/superd for root, else
// $XDG_RUNTIME_DIR/superd, else /tmp/superd-UID.
[[nodiscard]] std::string default_run_directory();
// Root's, or the XDG folders of everybody else; credentials below run_directory.
[[nodiscard]] Prefixes default_prefixes(const std::string& run_directory);

// Makes runtime_directory, state_directory, cache_directory and logs_directory (0755, the
// service's user and group), and a folder with copies of the credentials (0500; 0400 each).
// Symbolic links on the way below a prefix are not followed. What is there already only gets
// its owner. Returns all that failed.
[[nodiscard]] std::vector<Error> make_directories(
        const ServicePlan& service, const Prefixes& prefixes);

// Takes the credential copies away again.
void remove_credentials(const std::string& service, const Prefixes& prefixes);

}  // namespace superd
