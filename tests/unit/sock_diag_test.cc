// SPDX-License-Identifier: MIT
// Whether a listener has connections.
#include "sys/sock_diag.h"

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/accept.h"
#include "sys/listening.h"

#include "support/catch.h"
#include "support/skip.h"
#include "support/sockets.h"

using namespace superd;
using namespace superd::test;

namespace {

bool connected(const Fd& listener) {
    const Result<bool> got = has_connections(listener.get());
    REQUIRE(got);
    return *got;
}

// What accept(2) gives; the caller's.
Fd taken_from(const Fd& listener) {
    return Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

void check_life(const Fd& listener, Fd client) {
    CHECK(connected(listener));  // in the queue
    Fd served = taken_from(listener);
    REQUIRE(served);
    CHECK(connected(listener));
    client.reset();
    CHECK(connected(listener));  // the worker has it still
    served.reset();
    CHECK_FALSE(connected(listener));
}

template <class T>
std::string bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string message(std::uint16_t type, const std::string& body) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(body.size()));
    std::string text = bytes_of(header) + body;
    text.resize(NLMSG_ALIGN(text.size()));
    return text;
}

std::string ip_message(std::uint8_t state, std::uint16_t port, std::uint32_t inode) {
    inet_diag_msg body{};
    body.idiag_family = AF_INET;
    body.idiag_state = state;
    body.idiag_inode = inode;
    body.id.idiag_sport = htons(port);
    body.id.idiag_src[0] = htonl(INADDR_LOOPBACK);
    return message(SOCK_DIAG_BY_FAMILY, bytes_of(body));
}

std::string local_message(std::uint8_t state, const std::string& name) {
    unix_diag_msg body{};
    body.udiag_family = AF_UNIX;
    body.udiag_type = SOCK_STREAM;
    body.udiag_state = state;
    rtattr part{};
    part.rta_type = UNIX_DIAG_NAME;
    part.rta_len = static_cast<unsigned short>(RTA_LENGTH(name.size()));
    std::string text = bytes_of(body) + bytes_of(part) + name;
    text.resize(NLMSG_ALIGN(text.size()));
    return message(SOCK_DIAG_BY_FAMILY, text);
}

SocketsWanted loopback_wanted() {
    SocketsWanted wanted;
    wanted.port = 80;
    wanted.ip = ip_endpoint("127.0.0.1", 80).ip;
    return wanted;
}

SocketsWanted local_wanted() {
    SocketsWanted wanted;
    wanted.local = true;
    wanted.type = SOCK_STREAM;
    wanted.name = "/run/x.sock";
    return wanted;
}

}  // namespace

TEST_CASE("connections: at a TCP listener from the queue to the last close") {
    ListenerPlan plan = loopback_plan(ListenerKind::tcp);
    const Fd listener = open_on_free_port(plan);
    const Result<bool> first = has_connections(listener.get());
    if (!first) return skip("the kernel has no sock_diag");
    CHECK_FALSE(*first);
    check_life(listener, connect_v4(plan.port));
}

TEST_CASE(
        "connections: an IPv6 listener sees clients of both families, another port's do not "
        "count") {
    ListenerPlan plan;
    plan.kind = ListenerKind::tcp;
    plan.address = "tcp:0";
    const Fd listener = open_or_fail(plan);
    if (!has_connections(listener.get())) return skip("the kernel has no sock_diag");
    ListenerPlan elsewhere = loopback_plan(ListenerKind::tcp);
    const Fd other = open_on_free_port(elsewhere);
    const Fd client = connect_v4(elsewhere.port);
    const Fd served = taken_from(other);
    CHECK_FALSE(connected(listener));
    check_life(listener, connect_v4(port_of(listener.get())));
    CHECK(connected(other));
}

TEST_CASE("connections: at UNIX listeners, with a path or an abstract name") {
    const Scratch scratch;
    for (const ListenerKind kind : {ListenerKind::unix_stream, ListenerKind::unix_seqpacket}) {
        const int type = kind == ListenerKind::unix_stream ? SOCK_STREAM : SOCK_SEQPACKET;
        const std::string name = std::to_string(type);
        const Fd listener = open_or_fail(path_plan(kind, scratch / name));
        const Fd other = open_or_fail(path_plan(kind, scratch / ("other" + name)));
        if (!has_connections(listener.get())) return skip("the kernel has no unix_diag");
        CHECK_FALSE(connected(listener));
        check_life(listener, connect_unix(scratch / name, type));
        const Fd client = connect_unix(scratch / ("other" + name), type);
        const Fd served = taken_from(other);
        CHECK_FALSE(connected(listener));
        CHECK(connected(other));
    }
    ListenerPlan abstract =
            path_plan(ListenerKind::unix_stream, "@superd-test-" + std::to_string(::getpid()));
    const Fd listener = open_or_fail(abstract);
    CHECK_FALSE(connected(listener));
    check_life(listener, connect_unix(abstract.path));
}

TEST_CASE("connections: which of them a process has open") {
    ListenerPlan plan = loopback_plan(ListenerKind::tcp);
    const Fd listener = open_on_free_port(plan);
    const auto none = connections_of(listener.get());
    if (!none) return skip("the kernel has no sock_diag");
    CHECK(none->empty());
    const Fd client = connect_v4(plan.port);
    Fd served = taken_from(listener);
    REQUIRE(served);
    const auto one = connections_of(listener.get());
    REQUIRE(one);
    const std::vector<std::uint64_t>& inodes = *one;
    REQUIRE(inodes.size() == 1);
    const auto holds = holds_socket(::getpid(), inodes);
    REQUIRE(holds);
    CHECK(*holds);
    served.reset();
    const auto no_more = holds_socket(::getpid(), inodes);
    REQUIRE(no_more);
    CHECK_FALSE(*no_more);
}

TEST_CASE("connections: whose descriptors cannot be seen is an error") {
    CHECK_FALSE(holds_socket(0, {1}));
    const auto of_none = holds_socket(0, {});
    REQUIRE(of_none);
    CHECK_FALSE(*of_none);
}

TEST_CASE("connections: what is no listener's address is an error") {
    CHECK_FALSE(has_connections(-1));
}

TEST_CASE("connections: the kernel's answer is read part by part") {
    const SocketsWanted wanted = loopback_wanted();
    CHECK(read_diag_part(ip_message(TCP_ESTABLISHED, 80, 7), wanted).found);
    CHECK(read_diag_part(ip_message(TCP_CLOSE_WAIT, 80, 7), wanted).found);
    CHECK_FALSE(read_diag_part(ip_message(TCP_ESTABLISHED, 80, 0), wanted).found);
    CHECK_FALSE(read_diag_part(ip_message(TCP_TIME_WAIT, 80, 7), wanted).found);
    CHECK_FALSE(read_diag_part(ip_message(TCP_LISTEN, 80, 7), wanted).found);
    CHECK_FALSE(read_diag_part(ip_message(TCP_ESTABLISHED, 81, 7), wanted).found);
    const DiagPart both = read_diag_part(
            ip_message(TCP_ESTABLISHED, 81, 7) + ip_message(TCP_ESTABLISHED, 80, 7), wanted);
    CHECK(both.found);
    CHECK(both.inodes == std::vector<std::uint64_t>{7});
    CHECK_FALSE(both.over);
    CHECK(read_diag_part(message(NLMSG_DONE, bytes_of(0)), wanted).over);
    CHECK(read_diag_part(message(NLMSG_DONE, bytes_of(-EINTR)), wanted).error == EINTR);
    CHECK(read_diag_part(message(NLMSG_ERROR, bytes_of(-EPERM)), wanted).error == EPERM);
    CHECK(read_diag_part("short", wanted).error == EBADMSG);
    SocketsWanted any = wanted;
    any.ip = {};
    CHECK(read_diag_part(ip_message(TCP_ESTABLISHED, 80, 7), any).found);
    any.any_family = false;
    CHECK_FALSE(read_diag_part(ip_message(TCP_ESTABLISHED, 80, 7), any).found);
}

TEST_CASE("connections: a UNIX name counts with and without the NUL at its end") {
    const SocketsWanted wanted = local_wanted();
    CHECK(read_diag_part(local_message(TCP_ESTABLISHED, "/run/x.sock"), wanted).found);
    CHECK(read_diag_part(
            local_message(TCP_ESTABLISHED, std::string("/run/x.sock\0", 12)), wanted)
                    .found);
    CHECK_FALSE(read_diag_part(local_message(TCP_LISTEN, "/run/x.sock"), wanted).found);
    CHECK_FALSE(read_diag_part(local_message(TCP_ESTABLISHED, "/run/x.sock2"), wanted).found);
    CHECK_FALSE(read_diag_part(local_message(TCP_ESTABLISHED, "/run/x"), wanted).found);
}

TEST_CASE("connections: an answer may be cut and altered anywhere") {
    const std::string whole = ip_message(TCP_ESTABLISHED, 81, 7) +
                              local_message(TCP_ESTABLISHED, "/run/y") +
                              message(NLMSG_DONE, bytes_of(0));
    std::mt19937 random(1);
    for (const SocketsWanted& wanted : {loopback_wanted(), local_wanted()}) {
        for (std::size_t size = 0; size <= whole.size(); ++size) {
            const std::string cut = whole.substr(0, size);
            CHECK_FALSE(read_diag_part(cut, wanted).found);
        }
        for (int i = 0; i < 20000; ++i) {
            std::string altered = whole;
            for (int j = 0; j < 4; ++j)
                altered[random() % altered.size()] = static_cast<char>(random());
            const DiagPart part = read_diag_part(altered, wanted);
            CHECK((part.error >= 0 && part.error < 4096));
        }
    }
}
