// SPDX-License-Identifier: MIT
#include "policy/listen_environment.h"

namespace superd {

namespace {

constexpr std::size_t first_descriptor = 3;  // as LISTEN_FDS has it

void append_einhorn(std::vector<std::string>& out, const StarterFacts& facts) {
    std::string all;
    for (std::size_t i = 0; i < facts.sockets.size(); ++i) {
        const std::string number = std::to_string(first_descriptor + i);
        out.push_back("EINHORN_FD_" + std::to_string(i) + "=" + number);
        all += (all.empty() ? "" : " ") + number;
    }
    out.push_back("EINHORN_FD_COUNT=" + std::to_string(facts.sockets.size()));
    out.push_back("EINHORN_FDS=" + all);
    out.push_back("EINHORN_MASTER_PID=" + std::to_string(facts.parent));
}

// Server::Starter knows no other kinds.
std::string starter_address(const GivenSocket& socket) {
    const ListenerPlan& plan = *socket.plan;
    if (plan.kind == ListenerKind::unix_stream) return plan.path;
    if (plan.kind != ListenerKind::tcp) return {};
    const std::string port = std::to_string(socket.port);
    if (plan.ip.is_unspecified() && plan.ip_family != 6) return port;
    const std::string ip = plan.ip.text();
    return (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" + port;
}

void append_server_starter(std::vector<std::string>& out, const StarterFacts& facts) {
    std::string ports;
    for (std::size_t i = 0; i < facts.sockets.size(); ++i) {
        const std::string address = starter_address(facts.sockets[i]);
        if (address.empty()) continue;
        ports += (ports.empty() ? "" : ";") + address + "=" +
                 std::to_string(first_descriptor + i);
    }
    out.push_back("SERVER_STARTER_PORT=" + ports);
    out.push_back("SERVER_STARTER_GENERATION=" + std::to_string(facts.generation));
}

}  // namespace

void append_starter_variables(
        std::vector<std::string>& out, const PoolPlan& plan, const StarterFacts& facts) {
    if (plan.einhorn) append_einhorn(out, facts);
    if (plan.server_starter) append_server_starter(out, facts);
}

}  // namespace superd
