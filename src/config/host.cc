// SPDX-License-Identifier: MIT
#include "config/host.h"

#include <algorithm>
#include <limits>

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

namespace superd {

namespace {

constexpr std::uint64_t unknown = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint32_t default_first_port = 1024, fewest_processes = 16;

// The number that a file of /proc or /sys holds; `unknown` for "max" and where there is none.
std::uint64_t number_in(const std::string& path) {
    const auto text = read_small_file(path);
    return text ? parse_decimal(trim(*text)).value_or(unknown) : unknown;
}

std::uint64_t process_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NPROC, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return unknown;
    return limit.rlim_cur;
}

// pids.max of this process's cgroup: version 2 where it is mounted alone, else the pids tree.
std::uint64_t cgroup_limit() {
    const auto text = read_small_file("/proc/self/cgroup", 65536);
    if (!text) return unknown;
    std::uint64_t least = unknown;
    for (const std::string_view line : split(*text, '\n')) {
        const auto parts = split(line, ':');
        if (parts.size() < 3) continue;
        const std::string path(line.substr(parts[0].size() + parts[1].size() + 2));
        if (parts[1].empty())
            least = std::min(least, number_in("/sys/fs/cgroup" + path + "/pids.max"));
        if (parts[1] == "pids")
            least = std::min(least, number_in("/sys/fs/cgroup/pids" + path + "/pids.max"));
    }
    return least;
}

bool has_net_bind() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (syscall(SYS_capget, &header, data) != 0) return false;
    return (data[0].effective & (1u << CAP_NET_BIND_SERVICE)) != 0;
}

PathKind kind_of(const std::string& path) {
    struct stat info {};

    if (stat(path.c_str(), &info) != 0)
        return errno == ENOENT || errno == ENOTDIR ? PathKind::missing : PathKind::unreadable;
    if (S_ISDIR(info.st_mode)) return PathKind::directory;
    if (!S_ISREG(info.st_mode)) return PathKind::other;
    return (info.st_mode & 0111) != 0 ? PathKind::program : PathKind::file;
}

}  // namespace

std::optional<std::string> read_small_file(const std::string& path, std::size_t limit) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd) return std::nullopt;
    std::string text;
    char buffer[4096];
    for (;;) {
        const ssize_t got = read(fd.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::nullopt;
        if (got == 0) return text;
        text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > limit) {
            errno = EFBIG;
            return std::nullopt;
        }
    }
}

Host::Host() : uid_(geteuid()), gid_(getegid()) {}

std::uint32_t Host::default_max_processes() {
    if (max_processes_) return *max_processes_;
    std::uint64_t least = process_limit();
    least = std::min(least, number_in("/proc/sys/kernel/pid_max"));
    least = std::min(least, number_in("/proc/sys/kernel/threads-max"));
    least = std::min(least, cgroup_limit());
    if (least == unknown) least = 32768;
    const auto share = std::clamp<std::uint64_t>(least / 10 * 8, fewest_processes, 4'194'304);
    max_processes_ = static_cast<std::uint32_t>(share);
    return *max_processes_;
}

std::uint32_t Host::first_unprivileged_port() {
    if (first_port_) return *first_port_;
    const std::uint64_t port = number_in("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    first_port_ = port > 65536 ? default_first_port : static_cast<std::uint32_t>(port);
    if (has_net_bind()) first_port_ = 0;
    return *first_port_;
}

std::uint32_t Host::processors() {
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : static_cast<std::uint32_t>(count);
}

// Who owns the folders of /proc: the effective users of the processes.
bool Host::has_processes(std::uint32_t uid) {
    if (owners_) return owners_->contains(uid);
    owners_.emplace();
    DIR* const listing = ::opendir("/proc");
    if (listing == nullptr) return false;
    while (const dirent* entry = ::readdir(listing)) {
        struct stat facts {};

        if (parse_decimal(entry->d_name) &&
                ::fstatat(::dirfd(listing), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0)
            owners_->insert(facts.st_uid);
    }
    ::closedir(listing);
    return owners_->contains(uid);
}

PathKind Host::look_at(const std::string& path) {
    const auto found = paths_.find(path);
    if (found != paths_.end()) return found->second;
    return paths_.emplace(path, kind_of(path)).first->second;
}

std::string Host::interpreter_of(const std::string& path) {
    char text[256];  // what the kernel looks at
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    const ssize_t size = fd ? read(fd.get(), text, sizeof text) : 0;
    if (size < 2 || text[0] != '#' || text[1] != '!') return {};
    std::string_view line(text + 2, static_cast<std::size_t>(size) - 2);
    line = line.substr(0, line.find('\n'));
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    line = line.substr(0, line.find_first_of(" \t"));
    return std::string(line.starts_with('/') ? line : "");
}

bool Host::has_interface(const std::string& name) {
    const auto found = interfaces_.find(name);
    if (found != interfaces_.end()) return found->second;
    return interfaces_.emplace(name, if_nametoindex(name.c_str()) != 0).first->second;
}

bool Host::has_congestion(const std::string& name) {
    if (!congestion_) {
        congestion_.emplace();
        if (const auto text =
                        read_small_file("/proc/sys/net/ipv4/tcp_available_congestion_control"))
            for (const std::string_view word : split(trim(*text), ' '))
                congestion_->emplace_back(word);
    }
    return congestion_->empty() ||
           std::find(congestion_->begin(), congestion_->end(), name) != congestion_->end();
}

}  // namespace superd
