// SPDX-License-Identifier: MIT
// Listens on the control socket and lets clients in.
#include "control/server.h"

#include <algorithm>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"
#include "control/session.h"

namespace superd {

namespace {

constexpr int accepts_at_once = 16;
constexpr int pass_rights = 83;  // SO_PASSRIGHTS, Linux 6.16; not in Debian 12's headers

template <class T>
using Said = tl::expected<T, std::string>;

Said<SocketAddress> address_of(const std::string& path) {
    SocketAddress address;
    sockaddr_un raw{};
    if (path.empty() || path.size() >= sizeof raw.sun_path)
        return tl::unexpected(fmt::format(
                "{}: a socket's path has at most {} bytes; choose another with --socket", path,
                sizeof raw.sun_path - 1));
    raw.sun_family = AF_UNIX;
    std::memcpy(raw.sun_path, path.data(), path.size());
    std::memcpy(&address.storage, &raw, sizeof raw);
    address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return address;
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

tl::unexpected<std::string> say(const char* operation, const std::string& subject) {
    return tl::unexpected(fail(operation, subject).value().text());
}

// Of two superds that start at the same time only one may look and replace at a time. The lock
// is let go once the socket listens: from then on the socket itself says that somebody is
// there. A file of its own: others could lock the folder, which they can read, and keep superd
// out.
Said<Fd> lock_path(const std::string& path) {
    const auto folder = folder_of(path), file = path + ".lock";
    if (::mkdir(folder.c_str(), 0755) < 0 && errno != EEXIST) return say("mkdir", folder);
    Fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return say("open", file);
    if (::flock(fd.get(), LOCK_EX) < 0) return say("flock", file);
    return fd;
}

Said<Fd> make_socket() {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return say("socket", "");
    return fd;
}

// Who called listen(2) has ended: what answers is a copy in a child that a killed superd was
// launching. Holders of other process namespaces are 0 here, and count as living.
bool has_died(const Result<ControlCredentials>& holder) {
    return holder && holder->pid > 0 && ::kill(holder->pid, 0) < 0 && errno == ESRCH;
}

// Nothing, or a sentence that names who listens there.
Said<void> remove_stale(const std::string& path, const SocketAddress& address) {
    struct stat node {};

    if (::lstat(path.c_str(), &node) < 0) {
        if (errno == ENOENT) return {};
        return say("stat", path);
    }
    if (!S_ISSOCK(node.st_mode))
        return tl::unexpected(fmt::format("{} is there and is no socket; remove it", path));
    auto probe = make_socket();
    if (!probe) return tl::unexpected(probe.error());
    // EAGAIN: somebody listens whose queue is full.
    if (::connect(probe->get(), address.get(), address.length) == 0 || errno == EAGAIN) {
        const auto holder = ControlCredentials::of(probe->get());
        if (!has_died(holder))
            return tl::unexpected(fmt::format(
                    "another superd, pid {}, listens on {}", holder ? holder->pid : 0, path));
    } else if (errno != ECONNREFUSED) {
        return say("connect", path);
    }
    if (::unlink(path.c_str()) < 0) return say("unlink", path);
    return {};
}

Said<void> dress(const std::string& path, std::optional<std::uint32_t> gid) {
    if (gid && ::lchown(path.c_str(), static_cast<uid_t>(-1), *gid) < 0)
        return say("chown", path);
    if (::chmod(path.c_str(), 0660) < 0) return say("chmod", path);
    return {};
}

Said<Fd> open_listener(const ControlOptions& options) {
    const auto address = address_of(options.path);
    if (!address) return tl::unexpected(address.error());
    const auto lock = lock_path(options.path);
    if (!lock) return tl::unexpected(lock.error());
    if (auto removed = remove_stale(options.path, *address); !removed)
        return tl::unexpected(removed.error());
    auto socket = make_socket();
    if (!socket) return socket;
    const int off = 0;  // no descriptors are expected; older kernels do not know the option
    ::setsockopt(socket->get(), SOL_SOCKET, pass_rights, &off, sizeof off);
    if (::bind(socket->get(), address->get(), address->length) < 0)
        return say("bind", options.path);
    // Nobody can connect before listen(2): the mode is right before the first client.
    if (auto dressed = dress(options.path, options.admin_gid); !dressed)
        return tl::unexpected(dressed.error());
    if (::listen(socket->get(), 64) < 0) return say("listen", options.path);
    return socket;
}

}  // namespace

tl::expected<std::unique_ptr<ControlServer>, std::string> ControlServer::open(
        Loop& loop, Manager& manager, const ControlOptions& options) {
    auto listener = open_listener(options);
    if (!listener) return tl::unexpected(listener.error());
    return std::unique_ptr<ControlServer>(
            new ControlServer(loop, manager, options, std::move(*listener)));
}

ControlServer::ControlServer(
        Loop& loop, Manager& manager, const ControlOptions& options, Fd listener)
        : loop_(loop),
          manager_(manager),
          options_(options),
          rights_{::geteuid(), options.admin_gid},
          listener_(std::move(listener)),
          poll_(std::make_unique<Poll>(
                  loop, listener_.get(), [this](int, int) { on_connection(); })),
          bury_(loop, [this] { bury_ended(); }),
          come_back_(loop, [this] { poll_->start(Poll::readable); }) {
    struct stat node {};

    if (::lstat(options_.path.c_str(), &node) == 0) {
        device_ = node.st_dev;
        inode_ = node.st_ino;
    }
    poll_->start(Poll::readable);
}

ControlServer::~ControlServer() {
    sessions_.clear();
    poll_.reset();

    struct stat node {};

    if (::lstat(options_.path.c_str(), &node) == 0 && node.st_dev == device_ &&
            node.st_ino == inode_)
        ::unlink(options_.path.c_str());
}

void ControlServer::set_admin_gid(std::optional<std::uint32_t> gid) {
    if (gid == rights_.admin_gid) return;
    rights_.admin_gid = options_.admin_gid = gid;
    const auto group = gid ? gid : std::optional<std::uint32_t>(::getegid());
    if (auto dressed = dress(options_.path, group); !dressed && options_.log != nullptr)
        options_.log->log(
                NoticeEvent{.level = Level::error, .service = {}, .text = dressed.error()});
}

void ControlServer::on_connection() {
    for (int i = 0; i < accepts_at_once; ++i) {
        Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client) {
            if (errno == ECONNABORTED || errno == EINTR) continue;
            if (errno == EAGAIN) return;
            poll_->stop();  // no descriptors or memory: the queue waits
            come_back_.start(std::chrono::seconds(1));
            return;
        }
        let_in(std::move(client));
    }
}

void ControlServer::let_in(Fd client) {
    auto peer = ControlCredentials::of(client.get());
    if (!peer || !has_room(*peer)) return;
    const ControlHost host{loop_, manager_, rights_, options_, [this] {
                               bury_.start(Nanoseconds::zero());
                           }};
    auto session = ControlSession::open(host, std::move(client), std::move(*peer));
    if (session) sessions_.push_back(std::move(*session));
}

// A quarter of the places is kept for root and superd's own user.
bool ControlServer::has_room(const ControlCredentials& peer) const {
    const auto living = [](const auto& session) {
        return !session->ended();
    };
    const auto all = std::count_if(sessions_.begin(), sessions_.end(), living);
    if (peer.uid == 0 || peer.uid == rights_.own_uid) return all < options_.max_clients;
    const auto same =
            std::count_if(sessions_.begin(), sessions_.end(), [&](const auto& session) {
                return living(session) && session->peer().uid == peer.uid;
            });
    return same < options_.max_clients_per_user && all < options_.max_clients * 3 / 4;
}

void ControlServer::bury_ended() {
    std::erase_if(sessions_, [](const auto& session) { return session->ended(); });
}

}  // namespace superd
