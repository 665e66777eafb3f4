// SPDX-License-Identifier: MIT
// A program for tests to start: tells what it finds about itself, or misbehaves as asked.
//
//   report                   lines KEY=VALUE of everything a process inherits, on descriptor 1
//   report to FD             ... on that descriptor
//   report accept            ... to the first client of the listening socket on 0
//   report datagram          ... to the sender of the first datagram on 0
//   report answer TEXT       writes TEXT and a newline on descriptor 1
//   report exit N            ends with status N
//   report wait              until its stdin ends
//   report linger            fills the socket on 1, asks for four seconds of linger and ends
//   report orphan            leaves a grandchild behind that ends at once, and ends first
//
// Statically linked, so that it starts in an empty root too.
#include <cctype>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace {

std::string text;

void say(const std::string& key, const std::string& value) {
    text += key + "=" + value + "\n";
}

void say(const std::string& key, long long value) {
    say(key, std::to_string(value));
}

std::string link_of(const std::string& path) {
    char target[PATH_MAX];
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    return length < 0 ? "?" : std::string(target, static_cast<std::size_t>(length));
}

std::string first_line_of(const char* path) {
    char line[256] = "?";
    if (std::FILE* file = std::fopen(path, "re")) {
        if (std::fgets(line, sizeof line, file) == nullptr) line[0] = '\0';
        std::fclose(file);
    }
    line[std::strcspn(line, "\n")] = '\0';
    return line;
}

// What is not 0 of a socket's options.
void say_option(const std::string& key, int fd, int level, int option) {
    int value = 0;
    socklen_t length = sizeof value;
    if (::getsockopt(fd, level, option, &value, &length) == 0 && value != 0) say(key, value);
}

void say_socket(const std::string& key, int fd) {
    int listening = 0;
    socklen_t length = sizeof listening;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0) return;
    say(key + ".listening", listening);
    say_option(key + ".family", fd, SOL_SOCKET, SO_DOMAIN);
    say_option(key + ".type", fd, SOL_SOCKET, SO_TYPE);
    say_option(key + ".keepalive", fd, SOL_SOCKET, SO_KEEPALIVE);
    say_option(key + ".error", fd, SOL_SOCKET, SO_ERROR);
    say_option(key + ".no_delay", fd, IPPROTO_TCP, TCP_NODELAY);
    say_option(key + ".v6only", fd, IPPROTO_IPV6, IPV6_V6ONLY);
}

void say_descriptors() {
    DIR* const directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return say("fds", "unknown");
    while (const dirent* entry = ::readdir(directory)) {
        if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) == 0) continue;
        const int fd = std::atoi(entry->d_name);
        if (fd == ::dirfd(directory)) continue;
        const std::string key = "fd." + std::to_string(fd);
        say(key, link_of("/proc/self/fd/" + std::to_string(fd)));
        const int flags = ::fcntl(fd, F_GETFL);
        if ((flags & O_NONBLOCK) != 0) say(key + ".nonblocking", 1);
        say_socket(key, fd);
    }
    ::closedir(directory);
}

void say_identity() {
    uid_t r, e, s;
    ::getresuid(&r, &e, &s);
    say("uid", std::to_string(r) + " " + std::to_string(e) + " " + std::to_string(s));
    gid_t gr, ge, gs;
    ::getresgid(&gr, &ge, &gs);
    say("gid", std::to_string(gr) + " " + std::to_string(ge) + " " + std::to_string(gs));
    gid_t groups[256];
    const int count = ::getgroups(256, groups);
    std::string list;
    for (int i = 0; i < count; ++i)
        list += (i > 0 ? " " : "") + std::to_string(groups[i]);
    say("groups", list);
}

void say_limits() {
    for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
        rlimit limit{};
        ::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
        say("rlimit." + std::to_string(resource),
                std::to_string(limit.rlim_cur) + ":" + std::to_string(limit.rlim_max));
    }
}

void say_scheduling() {
    errno = 0;
    say("nice", ::getpriority(PRIO_PROCESS, 0));
    say("ionice", ::syscall(SYS_ioprio_get, 1, 0));
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof set, &set);
    std::string cpus;
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &set)) cpus += (cpus.empty() ? "" : " ") + std::to_string(cpu);
    say("cpus", cpus);
    say("oom_score_adj", first_line_of("/proc/self/oom_score_adj"));
    say("coredump_filter", first_line_of("/proc/self/coredump_filter"));
}

void say_signals() {
    sigset_t mask;
    ::sigprocmask(SIG_SETMASK, nullptr, &mask);
    std::string blocked, ignored;
    for (int signal = 1; signal < 65; ++signal) {
        if (::sigismember(&mask, signal) == 1) blocked += " " + std::to_string(signal);

        struct sigaction action {};

        if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN)
            ignored += " " + std::to_string(signal);
    }
    say("blocked", blocked);
    say("ignored", ignored);
    int death_signal = 0;
    ::prctl(PR_GET_PDEATHSIG, &death_signal);
    say("death_signal", death_signal);
}

void report(char** argv) {
    for (int i = 0; argv[i] != nullptr; ++i)
        say("argv." + std::to_string(i), argv[i]);
    for (char** variable = environ; *variable != nullptr; ++variable)
        text += std::string("env.") + *variable + "\n";
    say("pid", ::getpid());
    say("session_leader", ::getsid(0) == ::getpid() ? 1 : 0);
    say("group_leader", ::getpgrp() == ::getpid() ? 1 : 0);
    char directory[PATH_MAX];
    say("cwd", ::getcwd(directory, sizeof directory) != nullptr ? directory : "?");
    say("root", link_of("/proc/self/root"));

    struct stat root {};

    ::stat("/", &root);
    say("root_inode", static_cast<long long>(root.st_ino));
    const mode_t mask = ::umask(0);
    ::umask(mask);
    say("umask", mask);
    say("dumpable", ::prctl(PR_GET_DUMPABLE));
    say("no_new_privs", ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    say_descriptors();
    say_identity();
    say_limits();
    say_scheduling();
    say_signals();
    say("end", 1);
}

int write_all(int fd) {
    std::size_t at = 0;
    while (at < text.size()) {
        const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
        if (n < 0) return 1;
        at += static_cast<std::size_t>(n);
    }
    return 0;
}

// What was found before the client came: accepting adds a descriptor.
int report_to_client() {
    const int client = ::accept(0, nullptr, nullptr);
    return client < 0 ? 1 : write_all(client);
}

int report_to_sender() {
    sockaddr_storage sender{};
    socklen_t length = sizeof sender;
    char byte;
    auto* const address = reinterpret_cast<sockaddr*>(&sender);
    if (::recvfrom(0, &byte, 1, 0, address, &length) < 0) return 1;
    return ::sendto(0, text.data(), text.size(), 0, address, length) < 0 ? 1 : 0;
}

int wait_for_end() {
    char byte;
    while (::read(0, &byte, 1) > 0) {
    }
    return 0;
}

int fill_and_linger() {
    ::fcntl(1, F_SETFL, ::fcntl(1, F_GETFL) | O_NONBLOCK);
    static char block[65536];
    while (::write(1, block, sizeof block) > 0) {
    }
    const linger time{.l_onoff = 1, .l_linger = 60};
    return ::setsockopt(1, SOL_SOCKET, SO_LINGER, &time, sizeof time) == 0 ? 0 : 1;
}

int leave_orphan() {
    int ends[2];
    if (::pipe(ends) != 0) return 1;
    const pid_t child = ::fork();
    if (child != 0) return child < 0 ? 1 : 0;
    // Ends when its parent has: it then is the subreaper's.
    ::close(ends[1]);
    char byte;
    return static_cast<int>(::read(ends[0], &byte, 1));
}

}  // namespace

int main(int argc, char** argv) {
    const std::string verb = argc > 1 ? argv[1] : "to";
    const std::string operand = argc > 2 ? argv[2] : "1";
    if (verb == "answer") {
        text = operand + "\n";
        return write_all(1);
    }
    if (verb == "exit") return std::atoi(operand.c_str());
    if (verb == "wait") return wait_for_end();
    if (verb == "linger") return fill_and_linger();
    if (verb == "orphan") return leave_orphan();
    report(argv);
    if (verb == "accept") return report_to_client();
    if (verb == "datagram") return report_to_sender();
    return write_all(std::atoi(operand.c_str()));
}
