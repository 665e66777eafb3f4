// SPDX-License-Identifier: MIT
// Duplicating the listeners of another daemon.
#include "sys/take_over.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <set>

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/accept.h"
#include "sys/socket_options.h"
#include "sys/spawner.h"

namespace superd {

namespace {

std::string name_of(int pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/comm";
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char text[64] = "";
    const ssize_t got = file ? ::read(file.get(), text, sizeof text) : 0;
    const std::string_view name(text, got > 0 ? static_cast<std::size_t>(got) : 0);
    return escape(trim(name)) + ", pid " + std::to_string(pid);
}

Result<std::vector<int>> descriptors_of(int pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/fd";
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return fail("open", path);
    std::vector<int> numbers;
    while (const dirent* entry = ::readdir(directory))
        if (const auto number = parse_decimal(entry->d_name))
            numbers.push_back(static_cast<int>(*number));
    ::closedir(directory);
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

bool is_connected(int fd) {
    SocketAddress peer;
    peer.length = sizeof peer.storage;
    return ::getpeername(fd, peer.get(), &peer.length) == 0;
}

// Nothing where fd is no listener: a connection, a pipe, a client's datagram socket.
std::optional<ForeignListener> as_listener(Fd fd) {
    const int domain = option_of(fd.get(), SOL_SOCKET, SO_DOMAIN);
    const int type = option_of(fd.get(), SOL_SOCKET, SO_TYPE);
    if (domain != AF_INET && domain != AF_INET6) return std::nullopt;
    if (type != SOCK_STREAM && type != SOCK_DGRAM) return std::nullopt;
    const bool stream = type == SOCK_STREAM;
    if (stream && option_of(fd.get(), SOL_SOCKET, SO_ACCEPTCONN) != 1) return std::nullopt;
    ForeignListener listener;
    listener.local = local_endpoint(fd.get());
    if (listener.local.port == 0 || (!stream && is_connected(fd.get()))) return std::nullopt;
    listener.kind = stream ? ListenerKind::tcp : ListenerKind::udp;
    listener.ipv6 = domain == AF_INET6;
    listener.v6only = listener.ipv6 && option_of(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY) == 1;
    listener.mptcp = option_of(fd.get(), SOL_SOCKET, SO_PROTOCOL) == IPPROTO_MPTCP;
    char interface[IFNAMSIZ] = "";
    socklen_t size = sizeof interface;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, interface, &size) == 0)
        listener.interface = std::string(interface, ::strnlen(interface, size));
    listener.fd = std::move(fd);
    return listener;
}

// Which families a socket made for plan would take (sys/listen_socket.cc).
struct Families {
    bool v4 = false, v6 = false;
    bool operator==(const Families&) const = default;
};

Families families_of(const ListenerPlan& plan) {
    if (plan.ip_family == 4 || plan.ip.is_v4()) return {true, false};
    const bool both =
            plan.ip_family == 0 && plan.ip.is_unspecified() && !plan.v6only.value_or(false);
    const bool asked = plan.ip.is_unspecified() && plan.v6only == false;
    return {both || asked, true};
}

Families families_of(const ForeignListener& listener) {
    // A mapped address on an IPv6 socket is IPv4, and nothing else.
    if (!listener.ipv6 || (listener.local.ip.is_v4() && !listener.local.ip.is_unspecified()))
        return {true, false};
    return {listener.local.ip.is_unspecified() && !listener.v6only, true};
}

bool same_protocol_and_port(const ForeignListener& listener, const ListenerPlan& plan) {
    return listener.kind == plan.kind && plan.port != 0 && listener.local.port == plan.port;
}

bool same_but_port(const ForeignListener& listener, const ListenerPlan& plan) {
    if (listener.kind != plan.kind || listener.mptcp != plan.mptcp) return false;
    if (families_of(listener) != families_of(plan)) return false;
    if (listener.interface != plan.interface) return false;
    const unsigned scope =
            plan.interface_zone.empty() ? 0 : ::if_nametoindex(plan.interface_zone.c_str());
    if (scope != listener.local.scope) return false;
    if (plan.ip.is_unspecified()) return listener.local.ip.is_unspecified();
    return listener.local.ip == plan.ip;
}

}  // namespace

bool is_same_address(const ForeignListener& listener, const ListenerPlan& plan) {
    return same_protocol_and_port(listener, plan) && same_but_port(listener, plan);
}

bool is_same_program(const ForeignListener& listener, const ListenerPlan& plan,
        const RpcPlan& rpc, const std::vector<RpcPort>& registered) {
    if (plan.port != 0 || !same_but_port(listener, plan)) return false;
    std::set<std::uint32_t> versions;
    for (const RpcPort& port : registered) {
        if (port.program == rpc.program && port.version >= rpc.low &&
                port.version <= rpc.high && port.port == listener.local.port &&
                port.datagrams == (listener.kind == ListenerKind::udp))
            versions.insert(port.version);
    }
    return versions.size() == std::size_t{rpc.high} - rpc.low + 1;
}

bool overlaps(const ForeignListener& listener, const ListenerPlan& plan) {
    if (!same_protocol_and_port(listener, plan)) return false;
    const Families theirs = families_of(listener), ours = families_of(plan);
    const bool family = (theirs.v4 && ours.v4) || (theirs.v6 && ours.v6);
    const bool address = plan.ip.is_unspecified() || listener.local.ip.is_unspecified() ||
                         plan.ip == listener.local.ip;
    return family && address;
}

std::string address_text(const ForeignListener& listener) {
    const Families families = families_of(listener);
    const std::string protocol = listener.kind == ListenerKind::udp ? "udp" : "tcp";
    const std::string port = std::to_string(listener.local.port);
    if (listener.local.ip.is_unspecified()) {
        if (families.v4 && families.v6) return protocol + ':' + port;
        return protocol + (families.v4 ? "4:" : "6:") + port;
    }
    return protocol + ':' + listener.local.text();
}

Result<ForeignListeners> ForeignListeners::of_process(int pid) {
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process) return fail("take listeners from pid " + std::to_string(pid));
    const auto numbers = descriptors_of(pid);
    if (!numbers) return tl::unexpected(numbers.error());
    ForeignListeners found;
    found.holder_ = name_of(pid);
    std::set<std::uint64_t> seen;
    for (const int number : *numbers) {
        Fd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0)));
        if (!copy && errno == EBADF) continue;  // closed meanwhile
        if (!copy) return fail("take listeners from", found.holder_);
        const std::uint64_t cookie = socket_cookie(copy.get());
        auto listener = as_listener(std::move(copy));
        if (listener && seen.insert(cookie).second)
            found.listeners_.push_back(std::move(*listener));
    }
    return found;
}

ForeignListeners ForeignListeners::of_descriptors(
        const std::vector<int>& descriptors, std::string holder) {
    ForeignListeners found;
    found.holder_ = std::move(holder);
    found.stored_ = true;
    for (const int number : descriptors)
        if (auto listener = as_listener(Fd(number)))
            found.listeners_.push_back(std::move(*listener));
    return found;
}

std::vector<int> take_listen_fds() {
    const char* const pid_text = std::getenv("LISTEN_PID");
    const char* const count_text = std::getenv("LISTEN_FDS");
    const auto pid = parse_decimal(pid_text == nullptr ? "" : pid_text);
    const auto count = parse_decimal(count_text == nullptr ? "" : count_text);
    forget_listen_fds();
    std::vector<int> moved;
    if (!pid || !count || *pid != static_cast<std::uint64_t>(::getpid())) return moved;
    constexpr int first = 3;  // SD_LISTEN_FDS_START
    for (std::uint64_t i = 0; i < *count; ++i) {
        const int number = first + static_cast<int>(i);
        const int above = ::fcntl(number, F_DUPFD_CLOEXEC, low_number);
        if (above < 0) break;  // it says more than there are
        ::close(number);
        moved.push_back(above);
    }
    return moved;
}

void forget_listen_fds() {
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
        ::unsetenv(name);
}

Fd ForeignListeners::claim(const ListenerPlan& plan, const std::optional<RpcPlan>& rpc) {
    const auto match = std::find_if(
            listeners_.begin(), listeners_.end(), [&](const ForeignListener& listener) {
                return is_same_address(listener, plan) ||
                       (rpc && is_same_program(listener, plan, *rpc, registered_));
            });
    if (match == listeners_.end()) return Fd();
    Fd fd = std::move(match->fd);
    const bool ipv6 = match->ipv6;
    listeners_.erase(match);
    // What cannot be set on a bound socket stays as the other daemon had it.
    (void)set_options_before_bind(fd.get(), plan, ipv6);
    (void)set_options_after_bind(fd.get(), plan, ipv6);
    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    if (plan.kind == ListenerKind::tcp)
        ::listen(fd.get(), static_cast<int>(std::min<std::uint32_t>(plan.backlog, INT_MAX)));
    return fd;
}

}  // namespace superd
