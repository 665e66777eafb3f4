// SPDX-License-Identifier: MIT
#include "policy/listen_environment.h"

#include "support/catch.h"

using namespace superd;

namespace {

ListenerPlan tcp(const char* ip, std::uint8_t family, std::uint32_t port) {
    ListenerPlan plan;
    plan.ip_family = family;
    plan.port = port;
    if (const auto address = IpAddress::parse(ip)) plan.ip = *address;
    return plan;
}

ListenerPlan node(ListenerKind kind, const char* path) {
    ListenerPlan plan;
    plan.kind = kind;
    plan.path = path;
    return plan;
}

std::vector<std::string> variables(
        const PoolPlan& plan, const std::vector<ListenerPlan>& listeners) {
    std::vector<GivenSocket> sockets;
    for (const ListenerPlan& one : listeners)
        sockets.push_back({&one, one.port});
    std::vector<std::string> out;
    append_starter_variables(out, plan, {sockets, 77, 3});
    return out;
}

}  // namespace

TEST_CASE("listen environment: nothing where nothing is asked for") {
    CHECK(variables({}, {tcp("0.0.0.0", 4, 80)}).empty());
}

TEST_CASE("listen environment: Einhorn has a count, each descriptor, and whose child it is") {
    PoolPlan plan;
    plan.einhorn = true;
    CHECK(variables(plan, {tcp("0.0.0.0", 4, 80), node(ListenerKind::unix_stream, "/run/x")}) ==
            std::vector<std::string>{"EINHORN_FD_0=3", "EINHORN_FD_1=4", "EINHORN_FD_COUNT=2",
                    "EINHORN_FDS=3 4", "EINHORN_MASTER_PID=77"});
}

TEST_CASE("listen environment: Server::Starter has ports, hosts with ports, and paths") {
    PoolPlan plan;
    plan.server_starter = true;
    CHECK(variables(plan, {tcp("::", 0, 8080), tcp("127.0.0.1", 4, 80), tcp("::1", 6, 81),
                                  tcp("::", 6, 82), node(ListenerKind::unix_stream, "/run/x"),
                                  node(ListenerKind::unix_dgram, "/run/y")}) ==
            std::vector<std::string>{
                    "SERVER_STARTER_PORT=8080=3;127.0.0.1:80=4;[::1]:81=5;[::]:82=6;/run/x=7",
                    "SERVER_STARTER_GENERATION=3"});
}
