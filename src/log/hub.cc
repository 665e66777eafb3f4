// SPDX-License-Identifier: MIT
// superd's side of superd-log: owns every stream and says over the channel what is to be read.
#include "log/hub.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace superd {

namespace {

// What may wait unread in one stream; the kernel doubles it for its own needs.
constexpr int service_buffer = 128 * 1024;
constexpr int events_buffer = 1024 * 1024;

// Linux 6.16; the C library's headers do not have it yet.
constexpr int so_passrights = 83;

Result<StreamPair> make_pair(int send_buffer) {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return fail("socketpair");
    StreamPair pair{Fd(ends[0]), Fd(ends[1])};
    const int on = 1, off = 0;
    if (::setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
        return fail("setsockopt SO_PASSCRED");
    if (::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer) != 0)
        return fail("setsockopt SO_SNDBUF");
    // Where the kernel can, a service cannot make superd-log close descriptors of its choice.
    ::setsockopt(ends[1], SOL_SOCKET, so_passrights, &off, sizeof off);
    return pair;
}

// Every process of a service holds the same socket and may shut it down or make it non-blocking
// for all others. False: shut down, it is of no use any more.
bool repair(int read_end, int write_end) {
    pollfd entry{read_end, POLLRDHUP, 0};
    if (::poll(&entry, 1, 0) > 0) return false;
    ::fcntl(write_end, F_SETFL, 0);
    return true;
}

bool make_address(sockaddr_un& address, const std::string& path) {
    if (path.size() >= sizeof address.sun_path) return false;
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return true;
}

void remove_old_socket(const std::string& path) {
    struct stat status {};

    if (::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) ::unlink(path.c_str());
}

}  // namespace

Result<StreamPair> make_stream_pair() {
    return make_pair(service_buffer);
}

Result<StreamPair> make_pipe_pair(std::optional<std::uint32_t> owner) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail("pipe");
    StreamPair pair{Fd(ends[1]), Fd(ends[0])};
    if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return fail("fcntl", "pipe");
    if (owner && ::fchown(ends[1], *owner, static_cast<gid_t>(-1)) != 0 && errno != EPERM)
        return fail("fchown", "pipe");
    return pair;
}

// Only one that was made here is given away: what was there before belongs to whom it belongs.
Result<Fd> open_log_directory(
        const std::string& given, const std::optional<DirectoryOwner>& owner) {
    const std::string path = given.substr(0, given.find_last_not_of('/') + 1);
    for (std::size_t at = path.find('/', 1); at != std::string::npos;
            at = path.find('/', at + 1))
        if (::mkdir(path.substr(0, at).c_str(), 0755) != 0 && errno != EEXIST)
            return fail("mkdir", path.substr(0, at));
    // Made and opened in one parent, whatever the path to it leads to by now: the directory
    // that is given away is the one that was made.
    const std::size_t slash = path.rfind('/');
    const std::string above = path.substr(0, slash == 0 ? 1 : slash),
                      name = path.substr(slash + 1);
    const Fd parent(::open(above.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!parent) return fail("open", above);
    const bool made = ::mkdirat(parent.get(), name.c_str(), 0750) == 0;
    if (!made && errno != EEXIST) return fail("mkdir", path);
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    Fd directory(::openat(parent.get(), name.empty() ? "." : name.c_str(), flags));
    if (!directory) return fail("open", path);
    if (made && owner && ::fchown(directory.get(), owner->uid, owner->gid) != 0)
        return fail("chown", path);
    if (made && ::fchmod(directory.get(), 02750) != 0) return fail("chmod", path);
    return directory;
}

Result<Fd> open_log_file(const std::string& path) {
    constexpr int flags =
            O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK;
    Fd file(::open(path.c_str(), flags, 0640));
    if (!file) return fail("open", path);
    return file;
}

LogHub::LogHub(std::uint32_t owner) : owner_(owner) {}

void LogHub::open_file(
        Files& files, const SinkPlan& plan, bool routed, std::vector<Error>& errors) {
    if (plan.kind != SinkKind::file) return;
    if (const auto known = files.find(plan.path); known != files.end()) {
        known->second.routed = known->second.routed || routed;
        return;
    }
    File& made = files[plan.path];
    made.plan = plan;
    made.routed = routed;
    auto file = open_target(plan);
    const auto before = files_.find(plan.path);
    if (file)
        made.fd = std::move(*file);
    else
        errors.push_back(file.error());
    // Of the same kind: a file stays in use, a directory too.
    if (!file && before != files_.end() &&
            before->second.plan.rotation.has_value() == plan.rotation.has_value())
        made.fd = std::move(before->second.fd);
}

Result<Fd> LogHub::open_target(const SinkPlan& plan) const {
    if (!plan.rotation) return open_log_file(plan.path);
    auto owner = writer_;
    if (owner && admin_gid_) owner->gid = *admin_gid_;
    return open_log_directory(plan.path.substr(0, plan.path.rfind('/')), owner);
}

std::vector<Error> LogHub::configure(const DaemonPlan& plan, std::vector<Route> routes) {
    std::vector<Error> errors;
    Files files;
    admin_gid_ = plan.admin_gid;
    for (const SinkPlan& sink : plan.log)
        open_file(files, sink, false, errors);
    // One that a service had and has no more is said once more, without sinks.
    std::erase_if(routes_, [this](const auto& route) {
        return route.second.empty() && !is_queued(Item::route, route.first);
    });
    for (auto& [service, sinks] : routes_)
        sinks.clear();
    for (Route& route : routes) {
        for (const SinkPlan& sink : route.sinks)
            open_file(files, sink, true, errors);
        routes_[route.service] = std::move(route.sinks);
    }
    files_ = std::move(files);
    sinks_ = plan.log;
    format_ = plan.log_format;
    keep_size_ = plan.log_keep_size;
    configured_ = true;
    std::erase_if(queue_, [](const Queued& queued) {
        return queued.item == Item::config || queued.item == Item::file ||
               queued.item == Item::route;
    });
    enqueue_sinks();
    return errors;
}

// The configuration itself last: with it superd-log closes what nobody uses any more.
void LogHub::enqueue_sinks() {
    for (const auto& [path, file] : files_)
        if (file.routed && file.fd) enqueue(Item::file, path);
    for (const auto& [service, sinks] : routes_)
        enqueue(Item::route, service);
    enqueue(Item::config);
}

Result<Fd> LogHub::open_events() {
    auto pair = make_pair(events_buffer);
    if (!pair) return tl::unexpected(pair.error());
    events_ = std::move(pair->read_end);
    enqueue(Item::events);
    return std::move(pair->write_end);
}

std::string LogHub::take_back_events() {
    std::string out;
    char chunk[16 * 1024];
    ssize_t n = 0;
    while (events_ && (n = ::recv(events_.get(), chunk, sizeof chunk, MSG_DONTWAIT)) > 0)
        out.append(chunk, static_cast<std::size_t>(n));
    events_.reset();
    return out;
}

Result<LogHub::Stream> LogHub::service_stream(
        std::string_view service, const StreamWish& wish) {
    auto found = streams_.find(service);
    if (found != streams_.end() && found->second.pipe != wish.pipe) {
        streams_.erase(found);  // read to its end, when its last writer has gone
        found = streams_.end();
    }
    if (found != streams_.end() &&
            !repair(found->second.read_end.get(), found->second.write_end->get())) {
        streams_.erase(found);
        found = streams_.end();
    }
    if (found == streams_.end()) {
        auto pair = wish.pipe ? make_pipe_pair(wish.owner) : make_stream_pair();
        if (!pair) return tl::unexpected(pair.error());
        Kept kept{std::make_shared<const Fd>(std::move(pair->write_end)),
                std::move(pair->read_end), wish.place, wish.pipe};
        found = streams_.emplace(service, std::move(kept)).first;
        if (!is_queued(Item::service, service)) enqueue(Item::service, service);
    }
    const Kept& kept = found->second;
    return Stream{kept.read_end.get(), kept.write_end->get(), kept.write_end};
}

void LogHub::adopt_stream(
        std::string_view service, Fd read_end, Fd write_end, std::uint32_t place) {
    struct stat status {};

    const bool pipe = ::fstat(read_end.get(), &status) == 0 && S_ISFIFO(status.st_mode);
    Kept kept{
            std::make_shared<const Fd>(std::move(write_end)), std::move(read_end), place, pipe};
    streams_.insert_or_assign(std::string(service), std::move(kept));
    enqueue(Item::service, service);
}

void LogHub::drop_stream(std::string_view service) {
    const auto found = streams_.find(service);
    if (found != streams_.end()) streams_.erase(found);
}

Result<void> LogHub::open_listener(
        const std::string& path, std::optional<std::uint32_t> admin_gid) {
    sockaddr_un address{};
    if (!make_address(address, path)) return fail(ENAMETOOLONG, "bind", path);
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return fail("socket", path);
    remove_old_socket(path);
    // The mode is the socket's before it has a name, so nobody can come in between.
    if (::fchmod(socket.get(), 0660) != 0) return fail("fchmod", path);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail("bind", path);
    if (admin_gid && ::lchown(path.c_str(), static_cast<uid_t>(-1), *admin_gid) != 0 &&
            errno != EPERM)
        return fail("chown", path);
    if (::listen(socket.get(), 16) != 0) return fail("listen", path);
    listener_ = std::move(socket);
    enqueue(Item::listener);
    return {};
}

Result<Fd> LogHub::open_channel() {
    close_channel();
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fail("socketpair", "log channel");
    channel_.reset(ends[0]);
    Fd other(ends[1]);
    if (board_ >= 0) enqueue(Item::board);
    // Sinks first: what is read later has somewhere to go.
    if (configured_) enqueue_sinks();
    if (listener_) enqueue(Item::listener);
    if (events_) enqueue(Item::events);
    for (const auto& [service, pair] : streams_)
        enqueue(Item::service, service);
    return other;
}

void LogHub::close_channel() {
    channel_.reset();
    queue_.clear();
}

void LogHub::finish() {
    enqueue(Item::drain);
}

// Without a channel nothing waits: opening one queues everything there is.
void LogHub::enqueue(Item item, std::string_view name) {
    if (channel_) queue_.push_back({item, std::string(name)});
}

bool LogHub::is_queued(Item item, std::string_view name) const {
    return std::any_of(queue_.begin(), queue_.end(),
            [&](const Queued& queued) { return queued.item == item && queued.name == name; });
}

bool LogHub::flush() {
    bool blocked = false;
    while (channel_ && !queue_.empty() && !blocked) {
        if (!send(queue_.front(), blocked)) {
            close_channel();
            return false;
        }
        if (!blocked) queue_.pop_front();
    }
    return true;
}

// What it spoke of is gone since.
bool LogHub::is_stale(const Queued& queued) const {
    switch (queued.item) {
        case Item::service: return !streams_.contains(queued.name);
        case Item::events: return !events_;
        case Item::file: return !files_.contains(queued.name);
        case Item::route: return !routes_.contains(queued.name);
        default: return false;
    }
}

// False: the channel is broken.
bool LogHub::send(const Queued& queued, bool& blocked) {
    if (is_stale(queued)) return true;
    std::vector<int> descriptors;
    const auto packet = encode_frame(frame_of(queued, descriptors));
    if (!packet) return true;  // longer than the bounds of a name or a path: nothing to send
    const auto sent = send_frame_packet(channel_.get(), *packet, descriptors);
    if (sent) return true;
    // ETOOMANYREFS: too many descriptors of ours are under way; superd-log has to read first.
    blocked = sent.error().code == EAGAIN || sent.error().code == ETOOMANYREFS ||
              sent.error().code == ENOBUFS;
    return blocked;
}

Frame LogHub::frame_of(const Queued& queued, std::vector<int>& descriptors) const {
    switch (queued.item) {
        case Item::events: descriptors = {events_.get()}; return EventsFrame{::getpid()};
        case Item::listener: descriptors = {listener_.get()}; return ListenerFrame{};
        case Item::drain: return DrainFrame{};
        case Item::board: descriptors = {board_}; return BoardFrame{};
        case Item::service: {
            const Kept& kept = streams_.find(queued.name)->second;
            descriptors = {kept.read_end.get()};
            return ServiceFrame{queued.name, kept.place};
        }
        case Item::file: {
            const File& file = files_.find(queued.name)->second;
            descriptors = {file.fd.get()};
            return FileFrame{file.plan};
        }
        case Item::route: return RouteFrame{queued.name, routes_.find(queued.name)->second};
        case Item::config: break;
    }
    ConfigFrame frame{format_, owner_, admin_gid_, keep_size_, {}};
    for (const SinkPlan& sink : sinks_) {
        const auto file = files_.find(sink.path);
        const bool opened =
                sink.kind == SinkKind::file && file != files_.end() && file->second.fd;
        if (opened) descriptors.push_back(file->second.fd.get());
        frame.sinks.push_back({sink, opened});
    }
    return frame;
}

}  // namespace superd
