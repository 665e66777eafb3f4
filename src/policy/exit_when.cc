// SPDX-License-Identifier: MIT
// exit_when: when superd stops by itself, and with which exit code.
#include "policy/exit_when.h"

#include <algorithm>
#include <cerrno>

#include <sys/wait.h>

namespace superd {

namespace {

// For good: nothing brings it back but an order.
bool is_over(const EndFacts& service) {
    return !service.comes &&
           (service.state == ServiceState::stopped || service.state == ServiceState::failed ||
                   service.state == ServiceState::disabled);
}

bool has_failed(const EndFacts& service) {
    return is_over(service) && service.state == ServiceState::failed;
}

std::optional<FinalExit> exit_of(
        std::span<const EndFacts> services, bool (*wanted)(const EndFacts&)) {
    const auto found = std::find_if(services.begin(), services.end(), wanted);
    if (found == services.end()) return std::nullopt;
    return FinalExit{found->name, final_code_of(*found)};
}

// A superd that has nothing to do yet is not done.
std::optional<FinalExit> exit_of_all(std::span<const EndFacts> services) {
    const bool over = std::all_of(services.begin(), services.end(), is_over);
    const bool ran = std::any_of(services.begin(), services.end(),
            [](const EndFacts& service) { return service.ran; });
    if (!over || !ran) return std::nullopt;
    if (const auto failed = exit_of(services, has_failed)) return failed;
    return FinalExit{};
}

// The service itself, or one of its copies.
bool is_of(const EndFacts& service, std::string_view name) {
    return service.name == name || (service.name.starts_with(name) &&
                                           service.name.substr(name.size()).starts_with('@'));
}

// The end of all copies is that of the service, and the one that failed tells its code.
std::optional<FinalExit> exit_of_named(
        std::span<const EndFacts> services, std::string_view name) {
    const EndFacts* telling = nullptr;
    for (const EndFacts& service : services) {
        if (!is_of(service, name)) continue;
        if (!service.ran || !is_over(service)) return std::nullopt;
        if (telling == nullptr || (!has_failed(*telling) && has_failed(service)))
            telling = &service;
    }
    if (telling == nullptr) return std::nullopt;
    return FinalExit{telling->name, final_code_of(*telling)};
}

}  // namespace

int final_code_of(const EndFacts& service) {
    int code = 1;
    if (!service.started && service.error != 0)
        code = service.error == ENOENT ? 127 : 126;
    else if (service.status >= 0 && WIFSIGNALED(service.status))
        code = 128 + WTERMSIG(service.status);
    else if (service.status >= 0 && WIFEXITED(service.status))
        code = WEXITSTATUS(service.status);
    return code == 0 && service.state == ServiceState::failed ? 1 : code;
}

std::optional<FinalExit> decide_exit(
        std::string_view exit_when, std::span<const EndFacts> services) {
    if (exit_when == "never") return std::nullopt;
    if (exit_when == "any-failed") return exit_of(services, has_failed);
    if (exit_when == "all-stopped") return exit_of_all(services);
    return exit_of_named(services, exit_when);
}

}  // namespace superd
