// SPDX-License-Identifier: MIT
// Mending shared sockets, and unread datagrams.
#include "sys/repair.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "sys/socket_options.h"

namespace superd {

namespace {

bool is_datagram(int fd) {
    return option_of(fd, SOL_SOCKET, SO_TYPE, -1) == SOCK_DGRAM;
}

Result<bool> mend_nonblocking(int fd, const ListenerPlan& plan) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) return fail("fcntl", plan.address);
    if ((flags & O_NONBLOCK) != 0) return false;
    if (::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return fail("fcntl", plan.address);
    return true;
}

Result<bool> mend_timeout(int fd, int option, const ListenerPlan& plan) {
    timeval value{};
    socklen_t size = sizeof value;
    if (::getsockopt(fd, SOL_SOCKET, option, &value, &size) != 0)
        return fail("getsockopt", plan.address);
    if (value.tv_sec == 0 && value.tv_usec == 0) return false;
    value = {};
    if (::setsockopt(fd, SOL_SOCKET, option, &value, sizeof value) != 0)
        return fail("setsockopt", plan.address);
    return true;
}

Result<bool> mend_filter(int fd, const ListenerPlan& plan) {
    const int unused = 0;
    if (::setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) == 0)
        return true;
    if (errno == ENOENT) return false;
    return fail("detach filter", plan.address);  // EPERM: locked
}

// shutdown(2) on a listener ends it for all who share it; listen(2) brings a TCP one back.
Result<bool> mend_listening(int fd, const ListenerPlan& plan) {
    if (!is_connection_kind(plan.kind) || option_of(fd, SOL_SOCKET, SO_ACCEPTCONN, 1) != 0)
        return false;
    const auto backlog = static_cast<int>(std::min<std::uint32_t>(plan.backlog, INT_MAX));
    if (::listen(fd, backlog) != 0) return fail("listen", plan.address);
    return true;
}

// A datagram socket that was connected is deaf for everybody else.
Result<bool> mend_connected(int fd, const ListenerPlan& plan) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
    sockaddr nobody{};
    nobody.sa_family = AF_UNSPEC;
    if (::connect(fd, &nobody, sizeof nobody) != 0) return fail("connect", plan.address);
    return true;
}

// What shutdown(2) left behind and nothing above has undone.
bool is_shut_down(int fd) {
    pollfd poll{fd, POLLRDHUP, 0};
    return ::poll(&poll, 1, 0) > 0 && (poll.revents & (POLLHUP | POLLRDHUP)) != 0;
}

// Runs one repair; the first failure stays.
class Repairs {
public:
    Repairs(int fd, const ListenerPlan& plan) : fd_(fd), plan_(plan) {}

    template <class Mend>
    bool run(Mend mend) {
        if (!failure_) return false;
        const Result<bool> done = mend(fd_, plan_);
        if (!done) failure_ = tl::unexpected(done.error());
        return done.value_or(false);
    }

    [[nodiscard]] const Result<void>& failure() const { return failure_; }

private:
    int fd_;
    const ListenerPlan& plan_;
    Result<void> failure_;
};

}  // namespace

bool RepairReport::any() const {
    return listening || connected || blocking || timeouts || filter || error != 0 ||
           must_reopen;
}

std::string RepairReport::text() const {
    std::string out;
    const auto add = [&out](bool done, std::string_view what) {
        if (done) out.append(out.empty() ? "" : ", ").append(what);
    };
    add(listening, "had been shut down: listens again");
    add(connected, "had been connected: open for all again");
    add(blocking, "made non-blocking again");
    add(timeouts, "timeouts cleared");
    add(filter, "socket filter detached");
    add(error != 0, "pending error cleared: " + errno_text(error));
    add(must_reopen, "shut down for good: to be opened anew");
    return out;
}

Result<RepairReport> repair_shared_listener(int fd, const ListenerPlan& plan, bool own_filter) {
    RepairReport report;
    Repairs repairs(fd, plan);
    report.blocking = repairs.run(mend_nonblocking);
    if (is_socket_kind(plan.kind)) {
        if (!own_filter) report.filter = repairs.run(mend_filter);
        for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO})
            report.timeouts |= repairs.run([option](int socket, const ListenerPlan& listener) {
                return mend_timeout(socket, option, listener);
            });
        if (is_connection_kind(plan.kind))
            report.listening = repairs.run(mend_listening);
        else if (plan.kind != ListenerKind::netlink)  // whose peer is always the kernel
            report.connected = repairs.run(mend_connected);
        // Reading it clears it; last, for the repairs may leave one.
        report.error = option_of(fd, SOL_SOCKET, SO_ERROR, 0);
        report.must_reopen = is_shut_down(fd);
    }
    if (!repairs.failure()) return tl::unexpected(repairs.failure().error());
    return report;
}

namespace {

// The kernel stamps a datagram when it is first looked at with this option on, and keeps the
// stamp. Off again afterwards: workers have not asked for it.
class Timestamps {
public:
    explicit Timestamps(int fd)
            : fd_(fd), was_on_(option_of(fd, SOL_SOCKET, SO_TIMESTAMPNS, 0) != 0) {
        if (!was_on_) set(1);
    }

    ~Timestamps() {
        if (!was_on_) set(0);
    }

    Timestamps(const Timestamps&) = delete;
    Timestamps& operator=(const Timestamps&) = delete;

private:
    void set(int value) const {
        ::setsockopt(fd_, SOL_SOCKET, SO_TIMESTAMPNS, &value, sizeof value);
    }

    int fd_;
    bool was_on_;
};

std::int64_t stamp_of(msghdr& message) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec stamp{};
        std::memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
        return stamp.tv_sec * std::int64_t{1'000'000'000} + stamp.tv_nsec;
    }
    return 0;
}

}  // namespace

std::optional<DatagramIdentity> first_datagram(int fd) {
    if (!is_datagram(fd)) return std::nullopt;
    const Timestamps on(fd);
    SocketAddress from;
    alignas(cmsghdr) std::array<char, 256> control{};
    msghdr message{};
    message.msg_name = from.get();
    message.msg_namelen = sizeof from.storage;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
        return std::nullopt;
    return DatagramIdentity{Endpoint::from(from.get(), message.msg_namelen), stamp_of(message)};
}

bool drop_first_datagram(int fd) {
    return is_datagram(fd) && ::recv(fd, nullptr, 0, MSG_DONTWAIT) >= 0;
}

}  // namespace superd
