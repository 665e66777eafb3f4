// SPDX-License-Identifier: MIT
// Facts of the host and of this process that the checks need, each asked once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace superd {

// What a path names, for warnings.
enum class PathKind : std::uint8_t { missing, unreadable, directory, program, file, other };

class Host {
public:
    [[nodiscard]] std::uint32_t uid() const { return uid_; }  // effective

    [[nodiscard]] std::uint32_t gid() const { return gid_; }

    // 0.8 of the least of RLIMIT_NPROC, kernel.pid_max, kernel.threads-max and the cgroup's
    // pids.max, of those that can be read; at least 16.
    [[nodiscard]] std::uint32_t default_max_processes();
    // Ports below this one need root or CAP_NET_BIND_SERVICE.
    [[nodiscard]] std::uint32_t first_unprivileged_port();
    // A processor that is online.
    [[nodiscard]] std::uint32_t processors();
    [[nodiscard]] PathKind look_at(const std::string& path);
    // Of a script: the absolute path in its first line; empty: it has none.
    [[nodiscard]] static std::string interpreter_of(const std::string& path);
    [[nodiscard]] bool has_interface(const std::string& name);
    // Whether a process runs under the user now.
    [[nodiscard]] bool has_processes(std::uint32_t uid);
    // Whether the kernel offers the algorithm; true where it does not say.
    [[nodiscard]] bool has_congestion(const std::string& name);

    Host();

private:
    std::uint32_t uid_, gid_;
    std::optional<std::uint32_t> max_processes_, first_port_;
    std::optional<std::vector<std::string>> congestion_;
    std::optional<std::unordered_set<std::uint32_t>> owners_;
    std::unordered_map<std::string, PathKind> paths_;
    std::unordered_map<std::string, bool> interfaces_;
};

// The whole of a small file, at most `limit` bytes; nothing where it cannot be read.
[[nodiscard]] std::optional<std::string> read_small_file(
        const std::string& path, std::size_t limit = 4096);

}  // namespace superd
