// SPDX-License-Identifier: MIT
// Making and removing socket files and FIFOs. No umask(2) here: it belongs to the whole
// process, and a child that is being launched would copy it.
#include "sys/node.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/listen_socket.h"
#include "sys/message_queue.h"

namespace superd {

namespace {

// Through /proc, since fchmod(2) refuses an O_PATH descriptor; without /proc by name, which is
// as safe as the directory is.
int change_mode(int path_fd, const std::string& path, mode_t mode) {
    const std::string link = "/proc/self/fd/" + std::to_string(path_fd);
    if (::chmod(link.c_str(), mode) == 0) return 0;
    return errno == ENOENT ? ::chmod(path.c_str(), mode) : -1;
}

Result<void> change_owner(int fd, const ListenerPlan& plan) {
    if (!plan.owner && !plan.group) return {};
    const uid_t uid = plan.owner.value_or(static_cast<uid_t>(-1));
    const gid_t gid = plan.group.value_or(static_cast<gid_t>(-1));
    if (::fchownat(fd, "", uid, gid, AT_EMPTY_PATH) == 0) return {};
    return fail(plan.owner ? "set owner" : "set group", plan.address);
}

Result<void> make_directory(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) != 0) {
        if (errno == EEXIST) return {};
        return fail("mkdir", path);
    }
    // Only what was made here, and past the umask.
    const Fd made(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made || ::fchmod(made.get(), mode) != 0) return fail("chmod", path);
    return {};
}

// What a datagram socket is told by connect(2): the node's owner notices nothing of it.
enum class Answer { nobody, gone, somebody };

Answer ask(const sockaddr_un& address, socklen_t length) {
    const Fd probe(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe) return Answer::somebody;
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0)
        return Answer::somebody;
    if (errno == ECONNREFUSED) return Answer::nobody;
    // EPROTOTYPE: alive, and of another type. EACCES and the rest: it cannot be told.
    return errno == ENOENT ? Answer::gone : Answer::somebody;
}

}  // namespace

bool has_node(const ListenerPlan& plan) {
    switch (plan.kind) {
        case ListenerKind::fifo: return true;
        case ListenerKind::unix_stream:
        case ListenerKind::unix_dgram:
        case ListenerKind::unix_seqpacket: return !plan.path.starts_with('@');
        case ListenerKind::tcp:
        case ListenerKind::udp:
        case ListenerKind::mqueue:
        case ListenerKind::netlink:
        case ListenerKind::vsock: break;
    }
    return false;
}

Result<void> make_directories(const ListenerPlan& plan) {
    for (std::size_t at = 1; (at = plan.path.find('/', at)) != std::string::npos; ++at) {
        auto made = make_directory(plan.path.substr(0, at), plan.directory_mode & 07777);
        if (!made) return made;
    }
    return {};
}

Result<void> remove_stale_socket(const ListenerPlan& plan) {
    struct stat info {};

    if (::lstat(plan.path.c_str(), &info) != 0) {
        if (errno == ENOENT) return {};
        return fail("bind", plan.address);
    }
    if (!S_ISSOCK(info.st_mode)) return fail(EEXIST, "bind", plan.address);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (plan.path.size() >= sizeof address.sun_path)
        return fail(ENAMETOOLONG, "bind", plan.address);
    std::memcpy(address.sun_path, plan.path.data(), plan.path.size());
    const Answer answer = ask(address, sizeof address);
    if (answer == Answer::somebody) return fail(EADDRINUSE, "bind", plan.address);
    if (answer == Answer::nobody && ::unlink(plan.path.c_str()) != 0 && errno != ENOENT)
        return fail("unlink", plan.path);
    return {};
}

Result<void> own_node(const ListenerPlan& plan) {
    const Fd node(::open(plan.path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!node) return fail("open", plan.path);

    struct stat info {};

    if (::fstat(node.get(), &info) != 0) return fail("stat", plan.path);
    const bool fifo = plan.kind == ListenerKind::fifo;
    if (fifo ? !S_ISFIFO(info.st_mode) : !S_ISSOCK(info.st_mode))
        return fail(EEXIST, "bind", plan.address);
    // chown(2) may clear bits of the mode: it comes first.
    if (auto owned = change_owner(node.get(), plan); !owned) return owned;
    if (change_mode(node.get(), plan.path, plan.mode & 07777) != 0)
        return fail("set mode", plan.address);
    return {};
}

Result<Fd> open_fifo(const ListenerPlan& plan) {
    if (auto made = make_directories(plan); !made) return tl::unexpected(made.error());
    // Nobody else until it has its owner and mode.
    const bool made = ::mkfifo(plan.path.c_str(), 0600) == 0;
    if (!made && errno != EEXIST) return fail("mkfifo", plan.address);
    Fd fifo(::open(plan.path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY));
    if (!fifo) return fail("open", plan.address);

    struct stat info {};

    if (::fstat(fifo.get(), &info) != 0) return fail("stat", plan.address);
    if (!S_ISFIFO(info.st_mode)) return fail(EEXIST, "open", plan.address);
    if (auto owned = change_owner(fifo.get(), plan); !owned)
        return tl::unexpected(owned.error());
    if (::fchmod(fifo.get(), plan.mode & 07777) != 0) return fail("set mode", plan.address);
    return fifo;
}

void remove_node(const ListenerPlan& plan) {
    if (!plan.remove_on_stop) return;
    if (plan.kind == ListenerKind::mqueue) remove_message_queue(plan);
    if (!has_node(plan)) return;

    struct stat info {};

    if (::lstat(plan.path.c_str(), &info) != 0) return;
    if (plan.kind == ListenerKind::fifo ? S_ISFIFO(info.st_mode) : S_ISSOCK(info.st_mode))
        ::unlink(plan.path.c_str());
}

}  // namespace superd
