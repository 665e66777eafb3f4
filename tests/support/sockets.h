// SPDX-License-Identifier: MIT
// Small things that the socket tests share: plans, clients, a scratch directory, a namespace.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/address.h"
#include "base/fd.h"
#include "config/plan.h"
#include "sys/listen_socket.h"

#include "support/catch.h"
#include "support/skip.h"

namespace superd::test {

inline Endpoint ip_endpoint(const char* ip, std::uint32_t port) {
    Endpoint endpoint;
    endpoint.family = Family::ip;
    endpoint.ip = IpAddress::parse(ip).value();
    endpoint.port = port;
    return endpoint;
}

// tcp or udp on 127.0.0.1, port 0 unless given.
inline ListenerPlan loopback_plan(ListenerKind kind, std::uint32_t port = 0) {
    ListenerPlan plan;
    plan.kind = kind;
    plan.ip_family = 4;
    plan.ip = IpAddress::v4(INADDR_LOOPBACK);
    plan.port = port;
    plan.address = (kind == ListenerKind::udp ? "udp:127.0.0.1:" : "tcp:127.0.0.1:") +
                   std::to_string(port);
    return plan;
}

inline ListenerPlan path_plan(ListenerKind kind, const std::string& path) {
    ListenerPlan plan;
    plan.kind = kind;
    plan.path = path;
    plan.address = "unix:" + path;
    return plan;
}

inline Fd open_or_fail(const ListenerPlan& plan) {
    auto fd = open_listener(plan);
    INFO((fd ? std::string("opened") : fd.error().text()));
    REQUIRE(fd);
    return std::move(*fd);
}

// The port that the kernel chose.
inline std::uint32_t port_of(int fd) {
    SocketAddress address;
    address.length = sizeof address.storage;
    REQUIRE(::getsockname(fd, address.get(), &address.length) == 0);
    return Endpoint::from(address.get(), address.length).port;
}

// A listener on a port that was asked for by number (a socket forgets a port that the kernel
// chose for it when it is shut down); plan gets the number.
inline Fd open_on_free_port(ListenerPlan& plan) {
    for (int attempt = 0; attempt < 20; ++attempt) {
        plan.port = 0;
        plan.port = port_of(open_or_fail(plan).get());
        if (auto fd = open_listener(plan)) return std::move(*fd);
    }
    FAIL("no free port");
    return {};
}

inline Fd connect_v4(std::uint32_t port, int type = SOCK_STREAM) {
    Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        fd.reset();
    return fd;
}

// path or "@name".
inline Fd connect_unix(const std::string& path, int type = SOCK_STREAM) {
    Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (path[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(
            offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) fd.reset();
    return fd;
}

inline bool wait_readable(int fd) {
    pollfd poll{fd, POLLIN, 0};
    return ::poll(&poll, 1, 10000) == 1;
}

inline int int_option(int fd, int level, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, level, option, &value, &size) == 0 ? value : -1;
}

inline std::size_t open_descriptors() {
    DIR* directory = ::opendir("/proc/self/fd");
    std::size_t count = 0;
    while (::readdir(directory))
        ++count;
    ::closedir(directory);
    return count;
}

// Removed with all that is in it.
class Scratch {
public:
    Scratch() {
        char name[] = "/tmp/superd-test-XXXXXX";
        REQUIRE(::mkdtemp(name));
        path_ = name;
    }

    ~Scratch() { remove(path_); }

    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    [[nodiscard]] std::string operator/(const std::string& name) const {
        return path_ + '/' + name;
    }

private:
    static void remove(const std::string& path) {
        if (DIR* directory = ::opendir(path.c_str())) {
            while (const dirent* entry = ::readdir(directory)) {
                const std::string name = entry->d_name;
                if (name != "." && name != "..") remove_one(path + '/' + name);
            }
            ::closedir(directory);
        }
        ::rmdir(path.c_str());
    }

    static void remove_one(const std::string& path) {
        struct stat info {};

        if (::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return remove(path);
        ::unlink(path.c_str());
    }

    std::string path_;
};

// Brings up the loopback interface of a new network namespace, multicast included.
inline bool raise_loopback() {
    const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = static_cast<short>(IFF_UP | IFF_RUNNING | IFF_MULTICAST);
    return ::ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0;
}

// Runs body in a child with user and network namespaces of its own; body returns "" or what
// went wrong, which becomes this function's result. "skipped" where namespaces are not to be
// had.
inline std::string in_namespace(const std::function<std::string()>& body) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    Fd read_end(ends[0]), write_end(ends[1]);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::string said = "skipped";
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && raise_loopback()) said = body();
        (void)!::write(write_end.get(), said.data(), said.size());
        ::_exit(0);
    }
    write_end.reset();
    std::string out;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(read_end.get(), buffer, sizeof buffer)) > 0;)
        out.append(buffer, static_cast<std::size_t>(got));
    int status = -1;
    ::waitpid(child, &status, 0);
    if (!WIFEXITED(status)) return "the child died";
    if (out == "skipped") skip("no user and network namespace of the test's own here");
    return out;
}

}  // namespace superd::test
