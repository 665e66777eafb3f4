// SPDX-License-Identifier: MIT
// Judges a service's status by what somebody waits for.
#include "control/wait_for.h"

#include <algorithm>

namespace superd {

namespace {

bool is_down(ServiceState state) {
    return state == ServiceState::stopped || state == ServiceState::disabled ||
           state == ServiceState::failed;
}

bool is_listening(const ServiceStatus& service) {
    return !service.listeners.empty() &&
           std::all_of(service.listeners.begin(), service.listeners.end(),
                   [](const auto& listener) { return listener.state == "listening"; });
}

bool is_reached(WaitFor what, const ServiceStatus& service) {
    switch (what) {
        case WaitFor::running:
            return !service.processes.empty() && service.state != ServiceState::starting;
        case WaitFor::ready:
            return service.state == ServiceState::running ||
                   service.state == ServiceState::listening;
        case WaitFor::stopped: return is_down(service.state) && service.processes.empty();
        case WaitFor::idle: return service.processes.empty();
        case WaitFor::listening: break;
    }
    return is_listening(service);
}

}  // namespace

std::optional<WaitFor> parse_wait_for(std::string_view text) {
    if (text == "running") return WaitFor::running;
    if (text == "ready") return WaitFor::ready;
    if (text == "stopped") return WaitFor::stopped;
    if (text == "idle") return WaitFor::idle;
    if (text == "listening") return WaitFor::listening;
    return {};
}

WaitState check_wait(WaitFor what, const ServiceStatus& service) {
    if (is_reached(what, service)) return WaitState::reached;
    const bool wants_life =
            what == WaitFor::running || what == WaitFor::ready || what == WaitFor::listening;
    return wants_life && is_down(service.state) ? WaitState::hopeless : WaitState::pending;
}

}  // namespace superd
