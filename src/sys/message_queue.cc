// SPDX-License-Identifier: MIT
#include "sys/message_queue.h"

#include <cerrno>

#include <fcntl.h>
#include <linux/netlink.h>
#include <mqueue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/socket_options.h"

namespace superd {

namespace {

constexpr int queue_flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;

// What the kernel takes where a queue is made without sizes (mq_overview(7)).
constexpr long usual_messages = 10;
constexpr long usual_size = 8192;

// Nobody's until it has its owner.
Result<Fd> make_queue(const ListenerPlan& plan) {
    mq_attr sizes{};
    sizes.mq_maxmsg =
            plan.max_messages ? static_cast<long>(*plan.max_messages) : usual_messages;
    sizes.mq_msgsize = plan.message_size ? static_cast<long>(*plan.message_size) : usual_size;
    const bool own = plan.max_messages || plan.message_size;
    Fd queue(::mq_open(plan.path.c_str(), queue_flags | O_CREAT | O_EXCL, mode_t{0},
            own ? &sizes : nullptr));
    if (!queue) return fail("mq_open", plan.address);
    if (auto owned = own_message_queue(queue.get(), plan); !owned) {
        ::mq_unlink(plan.path.c_str());
        return tl::unexpected(owned.error());
    }
    return queue;
}

// Names of queues are for everybody to make: what somebody else has made is his to read.
Result<void> check_owner(int fd, const ListenerPlan& plan) {
    struct stat info {};

    if (::fstat(fd, &info) != 0) return fail("stat", plan.address);
    const bool ours = info.st_uid == ::geteuid() || plan.owner == info.st_uid;
    if (!ours) return fail(EEXIST, "mq_open", plan.address);
    return {};
}

bool has_sizes(const mq_attr& found, const ListenerPlan& plan) {
    return (!plan.max_messages || found.mq_maxmsg == static_cast<long>(*plan.max_messages)) &&
           (!plan.message_size || found.mq_msgsize == static_cast<long>(*plan.message_size));
}

// Sizes are for good: only a queue that is empty can make place for one of other sizes.
Result<Fd> take_queue(Fd queue, const ListenerPlan& plan) {
    if (auto checked = check_owner(queue.get(), plan); !checked)
        return tl::unexpected(checked.error());
    mq_attr found{};
    if (::mq_getattr(queue.get(), &found) != 0) return fail("mq_getattr", plan.address);
    if (!has_sizes(found, plan) && found.mq_curmsgs == 0) {
        if (::mq_unlink(plan.path.c_str()) != 0) return fail("mq_unlink", plan.address);
        return make_queue(plan);
    }
    if (auto owned = own_message_queue(queue.get(), plan); !owned)
        return tl::unexpected(owned.error());
    return queue;
}

}  // namespace

Result<void> own_message_queue(int fd, const ListenerPlan& plan) {
    const uid_t uid = plan.owner.value_or(static_cast<uid_t>(-1));
    const gid_t gid = plan.group.value_or(static_cast<gid_t>(-1));
    // chown(2) may clear bits of the mode: it comes first.
    if ((plan.owner || plan.group) && ::fchown(fd, uid, gid) != 0)
        return fail(plan.owner ? "set owner" : "set group", plan.address);
    if (::fchmod(fd, plan.mode & 0777) != 0) return fail("set mode", plan.address);
    return {};
}

std::string other_sizes(int fd, const ListenerPlan& plan) {
    mq_attr found{};
    if (::mq_getattr(fd, &found) != 0 || has_sizes(found, plan)) return {};
    return std::to_string(found.mq_maxmsg) + " messages of " +
           std::to_string(found.mq_msgsize) + " bytes";
}

Result<Fd> open_message_queue(const ListenerPlan& plan) {
    Fd queue(::mq_open(plan.path.c_str(), queue_flags));
    if (queue) return take_queue(std::move(queue), plan);
    if (errno != ENOENT) return fail("mq_open", plan.address);
    return make_queue(plan);
}

void remove_message_queue(const ListenerPlan& plan) {
    ::mq_unlink(plan.path.c_str());
}

Result<Fd> open_netlink(const ListenerPlan& plan) {
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
            static_cast<int>(plan.netlink_family)));
    if (!fd) return fail("socket", plan.address);
    if (auto set = set_options_before_bind(fd.get(), plan, false); !set)
        return tl::unexpected(set.error());
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = plan.netlink_groups;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail("bind", plan.address);
    return fd;
}

}  // namespace superd
