// SPDX-License-Identifier: MIT
// What tests of the log share: a directory of their own, waiting for descriptors, the real
// superd-log as a child.
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "log/hub.h"

#include "support/catch.h"

namespace superd::test {

// Long enough for a machine under load; only a failing test ever waits for it.
inline constexpr int patience = 20000;  // ms

class Directory {
public:
    Directory() {
        char name[] = "/tmp/superd-log-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path_ = name;
    }

    ~Directory() { std::filesystem::remove_all(path_); }

    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    [[nodiscard]] std::string operator/(const std::string& name) const {
        return path_ + '/' + name;
    }

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

inline bool wait_readable(int fd) {
    pollfd entry{fd, POLLIN, 0};
    return ::poll(&entry, 1, patience) == 1;
}

// What is there now, without waiting.
inline std::string read_available(int fd) {
    std::string out;
    char chunk[65536];
    for (;;) {
        pollfd entry{fd, POLLIN, 0};
        if (::poll(&entry, 1, 0) != 1) return out;
        const ssize_t n = ::read(fd, chunk, sizeof chunk);
        if (n <= 0) return out;
        out.append(chunk, static_cast<std::size_t>(n));
    }
}

inline std::string read_file(const std::string& path) {
    std::ifstream in(path);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
}

// Where something is done beside the thread that asks.
template <class Condition>
bool eventually(const Condition& condition) {
    for (int waited = 0; !condition(); waited += 5) {
        if (waited > patience) return false;
        ::poll(nullptr, 0, 5);
    }
    return true;
}

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> out;
    std::stringstream in(text);
    for (std::string line; std::getline(in, line);)
        out.push_back(line);
    return out;
}

inline void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        REQUIRE(n > 0);
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

// superd-log beside the program of the tests, or where SUPERD_LOG says.
inline std::string log_program() {
    if (const char* path = std::getenv("SUPERD_LOG")) return path;
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "superd-log";
}

// The real program, connected to a hub. Ended and reaped by the destructor at the latest.
class LogProgram {
public:
    // standard_error: a loan.
    LogProgram(LogHub& hub, int standard_error = 2) {
        auto channel = hub.open_channel();
        REQUIRE(channel);
        const std::string path = log_program();
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::dup2(channel->get(), 0);
            ::dup2(0, 1);
            ::dup2(standard_error, 2);
            ::close_range(3, ~0U, 0);
            ::execl(path.c_str(), "superd-log", nullptr);
            ::_exit(127);
        }
        channel->reset();
        REQUIRE(hub.flush());
    }

    ~LogProgram() {
        if (pid_ > 0) ::kill(pid_, SIGKILL);
        wait();
    }

    LogProgram(const LogProgram&) = delete;
    LogProgram& operator=(const LogProgram&) = delete;

    void signal(int number) const { ::kill(pid_, number); }

    // Wait status; -1 where it was reaped before.
    int wait() {
        if (pid_ <= 0) return -1;
        int status = -1;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return status;
    }

    [[nodiscard]] int pid() const { return pid_; }

    [[nodiscard]] bool alive() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }

private:
    int pid_ = -1;
};

}  // namespace superd::test
