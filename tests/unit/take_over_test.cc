// SPDX-License-Identifier: MIT
// Which of another daemon's sockets are what a listener asks for; taking them from ourselves.
#include "sys/take_over.h"

#include <fcntl.h>
#include <unistd.h>

#include "sys/accept.h"
#include "sys/listen_socket.h"

#include "support/catch.h"
#include "support/sockets.h"

namespace superd {
namespace {

ForeignListener foreign(const char* address, bool ipv6, bool v6only = false) {
    ForeignListener listener;
    listener.ipv6 = ipv6;
    listener.v6only = v6only;
    listener.local.family = Family::ip;
    listener.local.ip = IpAddress::parse(address).value();
    listener.local.port = 22;
    return listener;
}

ListenerPlan plan_of(std::uint8_t family, const char* address = nullptr) {
    ListenerPlan plan;
    plan.ip_family = family;
    if (address != nullptr) plan.ip = IpAddress::parse(address).value();
    plan.port = 22;
    return plan;
}

}  // namespace

TEST_CASE("take over: the same protocol, port, address and families are the same address") {
    const ForeignListener v4 = foreign("0.0.0.0", false), both = foreign("::", true),
                          v6 = foreign("::", true, true), one = foreign("192.0.2.1", false),
                          mapped = foreign("::ffff:192.0.2.1", true);
    CHECK(is_same_address(v4, plan_of(4)));
    CHECK(is_same_address(both, plan_of(0)));
    CHECK(is_same_address(v6, plan_of(6)));
    CHECK(is_same_address(one, plan_of(0, "192.0.2.1")));
    CHECK(is_same_address(mapped, plan_of(0, "192.0.2.1")));
    CHECK(is_same_address(foreign("2001:db8::1", true), plan_of(0, "2001:db8::1")));
    // A wider or a narrower one is another one.
    CHECK_FALSE(is_same_address(v4, plan_of(0)));
    CHECK_FALSE(is_same_address(both, plan_of(4)));
    CHECK_FALSE(is_same_address(both, plan_of(6)));
    CHECK_FALSE(is_same_address(v6, plan_of(0)));
    CHECK_FALSE(is_same_address(v4, plan_of(0, "192.0.2.1")));
    CHECK_FALSE(is_same_address(one, plan_of(4)));
    CHECK_FALSE(is_same_address(one, plan_of(0, "192.0.2.2")));
    ListenerPlan other = plan_of(4);
    other.port = 23;
    CHECK_FALSE(is_same_address(v4, other));
    other = plan_of(4);
    other.kind = ListenerKind::udp;
    CHECK_FALSE(is_same_address(v4, other));
    other = plan_of(4);
    other.interface = "eth0";
    CHECK_FALSE(is_same_address(v4, other));
}

TEST_CASE("take over: a port of rpcbind's choice is known by program, versions and protocol") {
    ForeignListener theirs = foreign("0.0.0.0", false);
    ListenerPlan plan = plan_of(4);
    plan.port = 0;
    const std::vector<RpcPort> registered{{100001, 1, false, 22}, {100001, 2, false, 22},
            {100001, 2, true, 22}, {100001, 3, false, 23}, {100002, 3, false, 22}};
    const RpcPlan both{100001, 1, 2, {}};
    CHECK(is_same_program(theirs, plan, both, registered));
    CHECK(is_same_program(theirs, plan, {100001, 2, 2, {}}, registered));
    CHECK_FALSE(is_same_program(theirs, plan, {100001, 1, 3, {}}, registered));
    CHECK_FALSE(is_same_program(theirs, plan, {100003, 1, 2, {}}, registered));
    CHECK_FALSE(
            is_same_program(theirs, plan_of(4), both, registered));  // has a port of its own
    CHECK_FALSE(is_same_program(theirs, plan, both, {}));
    plan.ip_family = 0;
    CHECK_FALSE(is_same_program(theirs, plan, both, registered));
    plan.ip_family = 4;
    theirs.local.port = 23;
    CHECK_FALSE(is_same_program(theirs, plan, both, registered));
    theirs.local.port = 22;
    theirs.kind = plan.kind = ListenerKind::udp;
    CHECK_FALSE(is_same_program(theirs, plan, both, registered));
    CHECK(is_same_program(theirs, plan, {100001, 2, 2, {}}, registered));
}

TEST_CASE("take over: what is not the same but in the way is known") {
    CHECK(overlaps(foreign("0.0.0.0", false), plan_of(0)));
    CHECK(overlaps(foreign("192.0.2.1", false), plan_of(0)));
    CHECK(overlaps(foreign("::", true), plan_of(0, "192.0.2.1")));
    CHECK_FALSE(overlaps(foreign("::", true, true), plan_of(4)));
    CHECK_FALSE(overlaps(foreign("192.0.2.1", false), plan_of(0, "192.0.2.2")));
    CHECK(address_text(foreign("0.0.0.0", false)) == "tcp4:22");
    CHECK(address_text(foreign("::", true)) == "tcp:22");
    CHECK(address_text(foreign("::", true, true)) == "tcp6:22");
    CHECK(address_text(foreign("2001:db8::1", true)) == "tcp:[2001:db8::1]:22");
}

TEST_CASE(
        "take over: listeners of both kinds are taken, connections and other sockets are not") {
    const std::size_t before = test::open_descriptors();
    {
        ListenerPlan tcp = test::loopback_plan(ListenerKind::tcp);
        ListenerPlan udp = test::loopback_plan(ListenerKind::udp);
        const Fd stream = open_listener(tcp).value(), datagrams = open_listener(udp).value();
        tcp.port = local_endpoint(stream.get()).port;
        udp.port = local_endpoint(datagrams.get()).port;
        const Fd client = test::connect_v4(tcp.port);
        ::fcntl(stream.get(), F_SETFL, 0);

        auto taken = ForeignListeners::of_process(::getpid());
        if (!taken && taken.error().code == EPERM) return;  // a container without ptrace
        REQUIRE(taken);
        CHECK(taken->holder().find(", pid " + std::to_string(::getpid())) != std::string::npos);
        CHECK(taken->rest().size() == 2);
        const Fd copy = taken->claim(tcp);
        REQUIRE(copy);
        CHECK(socket_cookie(copy.get()) == socket_cookie(stream.get()));
        CHECK((::fcntl(copy.get(), F_GETFL) & O_NONBLOCK) != 0);
        CHECK((::fcntl(copy.get(), F_GETFD) & FD_CLOEXEC) != 0);
        CHECK_FALSE(taken->claim(tcp));
        const Fd other = taken->claim(udp);
        CHECK(socket_cookie(other.get()) == socket_cookie(datagrams.get()));
        CHECK(taken->rest().empty());
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("take over: a process that is not there is said to be so") {
    const auto taken = ForeignListeners::of_process(0x7ffffffe);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().text() == "take listeners from pid 2147483646: No such process");
}

}  // namespace superd
