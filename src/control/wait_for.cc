// SPDX-License-Identifier: MIT
// Judges a service's status by what somebody waits for.
#include "control/wait_for.h"

#include <algorithm>

namespace superd {

namespace {

using Kind = WaitFor::Kind;

bool is_down(ServiceState state) {
    return state == ServiceState::stopped || state == ServiceState::disabled ||
           state == ServiceState::failed;
}

bool is_listening(const ServiceStatus& service) {
    return !service.listeners.empty() &&
           std::all_of(service.listeners.begin(), service.listeners.end(),
                   [](const auto& listener) { return listener.state == "listening"; });
}

bool is_reached(const WaitFor& what, const ServiceStatus& service) {
    switch (what.kind) {
        case Kind::running:
            return !service.processes.empty() && service.state != ServiceState::starting;
        case Kind::ready:
            return service.state == ServiceState::running ||
                   service.state == ServiceState::listening;
        case Kind::stopped: return is_down(service.state) && service.processes.empty();
        case Kind::idle: return service.processes.empty();
        case Kind::listening: return is_listening(service);
        case Kind::state: break;
    }
    return service.state == what.state;
}

std::optional<ServiceState> parse_state(std::string_view text) {
    for (int i = 0; i < static_cast<int>(ServiceState::count); ++i)
        if (state_name(static_cast<ServiceState>(i)) == text)
            return static_cast<ServiceState>(i);
    return {};
}

}  // namespace

std::optional<WaitFor> parse_wait_for(std::string_view text) {
    if (text == "running") return WaitFor{Kind::running};
    if (text == "ready") return WaitFor{Kind::ready};
    if (text == "stopped") return WaitFor{Kind::stopped};
    if (text == "idle") return WaitFor{Kind::idle};
    if (text == "listening") return WaitFor{Kind::listening};
    if (const auto state = parse_state(text)) return WaitFor{Kind::state, *state};
    return {};
}

WaitState check_wait(const WaitFor& what, const ServiceStatus& service) {
    if (is_reached(what, service)) return WaitState::reached;
    const bool wants_life = what.kind == Kind::running || what.kind == Kind::ready ||
                            what.kind == Kind::listening;
    return wants_life && is_down(service.state) ? WaitState::hopeless : WaitState::pending;
}

}  // namespace superd
