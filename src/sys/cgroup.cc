// SPDX-License-Identifier: MIT
// Control groups of version 2.
#include "sys/cgroup.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

namespace superd {

namespace {

// Where superd itself goes; no service's name begins with a dot.
constexpr const char* aside_name = ".superd";

// One that is there already is as good.
bool make_directory(const std::string& path) {
    return ::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST;
}

Result<void> write_file(const std::string& path, std::string_view text) {
    const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) return fail("open", path);
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail("write", path);
    return {};
}

void remove_below(const std::string& path, int depth) {
    if (DIR* const directory = depth > 0 ? ::opendir(path.c_str()) : nullptr) {
        while (const dirent* entry = ::readdir(directory))
            if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
                remove_below(path + "/" + entry->d_name, depth - 1);
        ::closedir(directory);
    }
    ::rmdir(path.c_str());
}

std::string text_of(const std::string& path) {
    const std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// "\040" and its like, in which mountinfo writes blanks.
std::string unescaped(std::string_view word) {
    std::string out;
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (word[i] != '\\' || i + 3 >= word.size()) {
            out += word[i];
            continue;
        }
        const auto digit = [&](std::size_t at) {
            return word[at] - '0';
        };
        out += static_cast<char>(digit(i + 1) * 64 + digit(i + 2) * 8 + digit(i + 3));
        i += 3;
    }
    return out;
}

}  // namespace

std::string cgroup_mount_in(std::string_view mountinfo) {
    for (const std::string_view line : split(mountinfo, '\n')) {
        const auto behind = line.find(" - cgroup2 ");
        if (behind == std::string_view::npos) continue;
        const auto words = split(line.substr(0, behind), ' ');
        // A mount of a part of the hierarchy does not hold the paths of /proc/self/cgroup.
        if (words.size() > 4 && words[3] == "/") return unescaped(words[4]);
    }
    return {};
}

std::string own_cgroup_in(std::string_view cgroup) {
    for (const std::string_view line : split(cgroup, '\n'))
        if (line.starts_with("0::/")) return std::string(line.substr(3));
    return {};
}

std::optional<CgroupTree> CgroupTree::find(const std::string& name) {
    const std::string mount = cgroup_mount_in(text_of("/proc/self/mountinfo"));
    std::string own = own_cgroup_in(text_of("/proc/self/cgroup"));
    // Outside of what is visible here.
    if (mount.empty() || own.empty() || own.starts_with("/..")) return std::nullopt;
    // A superd that was killed has left its successor where it had stepped aside to.
    const std::string aside = "/" + name + "/" + aside_name;
    if (own.ends_with(aside)) own.resize(own.size() - aside.size());
    if (own == "/") own.clear();
    CgroupTree tree(mount + own, name);
    const bool made = ::mkdir(tree.path_.c_str(), 0755) == 0;
    if (!made && errno != EEXIST) return std::nullopt;
    const bool kills = ::access((tree.path_ + "/cgroup.kill").c_str(), W_OK) == 0;
    if (made) ::rmdir(tree.path_.c_str());
    if (!kills) return std::nullopt;
    return tree;
}

std::string CgroupTree::path_of(std::string_view group) const {
    return path_ + "/" + std::string(group);
}

Result<Fd> CgroupTree::open(std::string_view group) const {
    const std::string path = path_of(group);
    if (!make_directory(path)) {
        const std::string service = path.substr(0, path.rfind('/'));
        if (errno != ENOENT || !make_directory(path_)) return fail("mkdir", path_);
        if (!make_directory(service)) return fail("mkdir", service);
        if (!make_directory(path)) return fail("mkdir", path);
    }
    Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return fail("open", path);
    return fd;
}

std::vector<pid_t> CgroupTree::processes(std::string_view group) const {
    std::vector<pid_t> pids;
    std::ifstream file(path_of(group) + "/cgroup.procs");
    for (pid_t pid = 0; file >> pid;)
        if (pid > 0) pids.push_back(pid);
    return pids;
}

// A number may be another process's by now; one that was opened before the list was read again
// and is still in it is not.
unsigned CgroupTree::signal(std::string_view group, int signal) const {
    std::vector<std::pair<pid_t, Fd>> opened;
    for (const pid_t pid : processes(group))
        if (Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); fd)
            opened.emplace_back(pid, std::move(fd));
    const auto still = processes(group);
    unsigned told = 0;
    for (const auto& [pid, fd] : opened)
        if (std::find(still.begin(), still.end(), pid) != still.end() &&
                ::syscall(SYS_pidfd_send_signal, fd.get(), signal, nullptr, 0) == 0)
            ++told;
    return told;
}

Result<void> CgroupTree::kill(std::string_view group) const {
    return write_file(path_of(group) + "/cgroup.kill", "1");
}

void CgroupTree::remove(std::string_view group) const {
    ::rmdir(path_of(group).c_str());
}

void CgroupTree::remove_empty() const {
    remove_below(path_, 2);
}

// EBUSY: there are processes in the group itself.
Result<void> CgroupTree::enable(const std::string& controller) const {
    const std::string word = "+" + controller;
    if (!make_directory(path_)) return fail("mkdir", path_);
    const std::string above = own_ + "/cgroup.subtree_control";
    auto done = write_file(above, word);
    if (!done && done.error().code == EBUSY) {
        if (auto aside = step_aside(); !aside) return aside;
        done = write_file(above, word);
    }
    if (!done) return done;
    return write_file(path_ + "/cgroup.subtree_control", word);
}

// Those that are forked meanwhile are in the list when it is read again.
Result<void> CgroupTree::step_aside() const {
    const std::string aside = path_ + "/" + aside_name;
    if (!make_directory(aside)) return fail("mkdir", aside);
    for (int turn = 0; turn < 8; ++turn) {
        std::ifstream file(own_ + "/cgroup.procs");
        bool any = false;
        for (pid_t pid = 0; file >> pid; any = true) {
            const auto moved = write_file(aside + "/cgroup.procs", std::to_string(pid));
            if (!moved && moved.error().code != ESRCH) return moved;
        }
        if (!any) break;
    }
    return {};
}

std::optional<std::string> CgroupTree::read(
        std::string_view group, const std::string& file) const {
    const std::string path = path_of(group) + "/" + file;
    if (::access(path.c_str(), R_OK) != 0) return std::nullopt;
    return text_of(path);
}

Result<void> CgroupTree::write(
        std::string_view group, const std::string& file, const std::string& text) const {
    return write_file(path_of(group) + "/" + file, text);
}

std::uint64_t memory_kills_of_all() {
    return count_in(text_of("/proc/vmstat"), "oom_kill").value_or(0);
}

std::optional<std::uint64_t> count_in(std::string_view text, std::string_view word) {
    for (const std::string_view line : split(text, '\n'))
        if (line.size() > word.size() && line.starts_with(word) && line[word.size()] == ' ')
            return parse_decimal(line.substr(word.size() + 1));
    return std::nullopt;
}

std::optional<double> pressure_in(std::string_view text) {
    constexpr std::string_view begin = "some avg10=";
    for (const std::string_view line : split(text, '\n')) {
        if (!line.starts_with(begin)) continue;
        double share = 0;
        const char* const from = line.data() + begin.size();
        const auto [end, error] = std::from_chars(from, line.data() + line.size(), share);
        if (error == std::errc() && share >= 0) return share;
    }
    return std::nullopt;
}

}  // namespace superd
