// SPDX-License-Identifier: MIT
#include "sys/message_queue.h"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <linux/netlink.h>
#include <mqueue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/listen_socket.h"
#include "sys/renew_listener.h"
#include "sys/repair.h"

#include "support/catch.h"
#include "support/skip.h"
#include "support/sockets.h"

using namespace superd;
using namespace superd::test;

namespace {

// A queue that only this process has, gone at the end.
struct Queue {
    explicit Queue(const char* name) {
        plan.kind = ListenerKind::mqueue;
        plan.path = "/superd-unit-" + std::to_string(::getpid()) + "-" + name;
        plan.address = "mqueue:" + plan.path;
        plan.max_messages = 3;
        plan.message_size = 64;
        plan.mode = 0600;
        plan.remove_on_stop = false;
    }

    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    ~Queue() { ::mq_unlink(plan.path.c_str()); }

    [[nodiscard]] bool exists() const {
        const Fd fd(::mq_open(plan.path.c_str(), O_RDONLY | O_CLOEXEC));
        return static_cast<bool>(fd);
    }

    void put(const std::string& message) const {
        const Fd fd(::mq_open(plan.path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
        REQUIRE(fd);
        REQUIRE(::mq_send(fd.get(), message.data(), message.size(), 0) == 0);
    }

    ListenerPlan plan;
};

std::string get(const Fd& fd) {
    char buffer[64];
    const ssize_t n = ::mq_receive(fd.get(), buffer, sizeof buffer, nullptr);
    return n < 0 ? "nothing" : std::string(buffer, static_cast<std::size_t>(n));
}

mq_attr sizes_of(const Fd& fd) {
    mq_attr found{};
    REQUIRE(::mq_getattr(fd.get(), &found) == 0);
    return found;
}

mode_t mode_of(const Fd& fd) {
    struct stat info {};

    REQUIRE(::fstat(fd.get(), &info) == 0);
    return info.st_mode & 07777;
}

}  // namespace

TEST_CASE(
        "message queue: made with its sizes and mode whatever the umask, and does not block") {
    Queue queue("made");
    queue.plan.mode = 0622;
    const mode_t before = ::umask(077);
    const Fd fd = open_or_fail(queue.plan);
    ::umask(before);
    CHECK(sizes_of(fd).mq_maxmsg == 3);
    CHECK(sizes_of(fd).mq_msgsize == 64);
    CHECK(mode_of(fd) == 0622);
    CHECK(::fcntl(fd.get(), F_GETFD) == FD_CLOEXEC);
    CHECK(get(fd) == "nothing");
    queue.put("one");
    CHECK(get(fd) == "one");
    CHECK(bound_text(fd.get(), ListenerKind::mqueue).empty());
}

TEST_CASE("message queue: one that is there is taken with what is in it") {
    Queue queue("taken");
    open_or_fail(queue.plan).reset();
    queue.put("kept");
    queue.plan.mode = 0640;
    Fd fd = open_or_fail(queue.plan);
    CHECK(mode_of(fd) == 0640);
    CHECK(sizes_of(fd).mq_curmsgs == 1);

    // Other sizes are for an empty queue.
    CHECK(other_sizes(fd.get(), queue.plan).empty());
    queue.plan.max_messages = 5;
    fd = open_or_fail(queue.plan);
    CHECK(other_sizes(fd.get(), queue.plan) == "3 messages of 64 bytes");
    CHECK(get(fd) == "kept");
    fd = open_or_fail(queue.plan);
    CHECK(sizes_of(fd).mq_maxmsg == 5);
    CHECK(other_sizes(fd.get(), queue.plan).empty());

    // A plan without sizes takes any.
    queue.plan.max_messages.reset();
    queue.plan.message_size.reset();
    CHECK(sizes_of(open_or_fail(queue.plan)).mq_maxmsg == 5);
}

TEST_CASE("message queue: somebody else's is not taken") {
    if (::geteuid() != 0) return skip("message queue: needs root to make somebody else's");
    Queue queue("foreign");
    queue.plan.owner = 65534;
    open_or_fail(queue.plan).reset();
    CHECK(open_or_fail(queue.plan));  // its owner stands in the plan
    queue.plan.owner.reset();
    const auto foreign = open_listener(queue.plan);
    REQUIRE_FALSE(foreign);
    CHECK(foreign.error().code == EEXIST);
}

TEST_CASE("message queue: removed where the plan says so") {
    Queue queue("removed");
    open_or_fail(queue.plan).reset();
    remove_node(queue.plan);
    CHECK(queue.exists());
    queue.plan.remove_on_stop = true;
    remove_node(queue.plan);
    CHECK_FALSE(queue.exists());
    remove_node(queue.plan);
}

TEST_CASE("message queue: one that is kept gets its new mode and is made non-blocking again") {
    Queue queue("renewed");
    const Fd fd = open_or_fail(queue.plan);
    ListenerPlan to = queue.plan;
    to.mode = 0660;
    CHECK(renew_listener(fd.get(), queue.plan, to));
    CHECK(mode_of(fd) == 0660);
    REQUIRE(::fcntl(fd.get(), F_SETFL, 0) == 0);
    const auto report = repair_shared_listener(fd.get(), to, false);
    REQUIRE(report);
    CHECK(report->blocking);
    CHECK(report->text() == "made non-blocking again");
    CHECK_FALSE(first_datagram(fd.get()));
}

TEST_CASE("netlink: bound to its groups, and nothing to repair") {
    ListenerPlan plan;
    plan.kind = ListenerKind::netlink;
    plan.address = "netlink:route:1";
    plan.netlink_family = NETLINK_ROUTE;
    plan.netlink_groups = 1;
    plan.receive_buffer = 40'000;
    const Fd fd = open_or_fail(plan);
    sockaddr_nl bound{};
    socklen_t size = sizeof bound;
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
    CHECK(bound.nl_groups == 1);
    CHECK(int_option(fd.get(), SOL_SOCKET, SO_RCVBUF) == 80'000);
    CHECK(int_option(fd.get(), SOL_SOCKET, SO_PROTOCOL) == NETLINK_ROUTE);
    const auto report = repair_shared_listener(fd.get(), plan, false);
    REQUIRE(report);
    CHECK_FALSE(report->any());
    ListenerPlan to = plan;
    to.receive_buffer = 50'000;
    CHECK(renew_listener(fd.get(), plan, to));
    CHECK(int_option(fd.get(), SOL_SOCKET, SO_RCVBUF) == 100'000);
}
