// SPDX-License-Identifier: MIT
// hosts_access(3).
//
// Of libwrap.so.0 five symbols are used, as hosts_access(3) describes them; the two keys of
// request_init(3) are those of <tcpd.h>, which has not changed since 1997. Its request_info is
// filled in by the library alone: all that is known of it here is that it is smaller than the
// room it gets.
#include "sys/wrappers.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdlib>

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

namespace superd {

namespace {

constexpr const char* library_name = "libwrap.so.0";

constexpr int end_of_keys = 0, rq_file = 1, rq_daemon = 2;

struct alignas(std::max_align_t) Request {
    std::array<std::byte, 8192> room;
};

using RequestInit = Request* (*)(Request*, ...);
using Look = void (*)(Request*);
using HostsAccess = int (*)(Request*);

// What the child writes; nothing where a command has replaced it.
struct Answer {
    std::int32_t outcome;
    std::int32_t error;
};

class Child {
public:
    Child(const WrappersQuestion& question, int pipe) : question_(question), pipe_(pipe) {}

    [[noreturn]] void run() {
        ::setpgid(0, 0);
        // Whoever ends the service ends its checks as well.
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        take_identity();
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        close_foreign();
        for (const int signal : {SIGPIPE, SIGCHLD})
            ::signal(signal, SIG_DFL);
        static char path[] =
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        static std::array<char*, 2> variables{path, nullptr};
        environ = variables.data();
        running = this;
        // Where an option of hosts.allow fails libwrap calls exit(3).
        std::atexit([] { running->answer(WrappersOutcome::denied, 0); });
        check_table("hosts_allow_table");
        check_table("hosts_deny_table");
        ask();
    }

private:
    [[noreturn]] void answer(WrappersOutcome outcome, int error) {
        const Answer text{static_cast<std::int32_t>(outcome), error};
        (void)!::write(pipe_, &text, sizeof text);
        std::_Exit(0);
    }

    [[noreturn]] void give_up(int error) { answer(WrappersOutcome::failed, error); }

    void take_identity() {
        const IdentityPlan& identity = question_.identity;
        if (!identity.change) return;
        if (::setgroups(identity.groups.size(), identity.groups.data()) != 0 ||
                ::setresgid(identity.gid, identity.gid, identity.gid) != 0 ||
                ::setresuid(identity.uid, identity.uid, identity.uid) != 0)
            give_up(errno);
    }

    void close_foreign() const {
        const auto first = question_.descriptors;
        const auto pipe = static_cast<unsigned>(pipe_);
        if (pipe > first) ::close_range(first, pipe - 1, 0);
        ::close_range(std::max(pipe + 1, first), ~0U, 0);
    }

    void* symbol(const char* name) {
        if (library_ == nullptr) library_ = ::dlopen(library_name, RTLD_NOW);
        void* const found = library_ != nullptr ? ::dlsym(library_, name) : nullptr;
        if (found == nullptr) give_up(ELIBACC);
        return found;
    }

    // The tables' names are libwrap's own, so that another build's places count.
    void check_table(const char* variable) {
        const char* const path = *static_cast<char**>(symbol(variable));
        const Fd file(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
        if (!file && errno != ENOENT) give_up(errno);
    }

    [[noreturn]] void ask() {
        const auto request_init = reinterpret_cast<RequestInit>(symbol("request_init"));
        const auto sock_host = reinterpret_cast<Look>(symbol("sock_host"));
        const auto hosts_access = reinterpret_cast<HostsAccess>(symbol("hosts_access"));
        request_init(&request_, rq_file, question_.socket, rq_daemon, question_.daemon.c_str(),
                end_of_keys);
        sock_host(&request_);
        const bool allowed = hosts_access(&request_) != 0;
        answer(allowed ? WrappersOutcome::allowed : WrappersOutcome::denied, 0);
    }

    static inline Child* running = nullptr;

    const WrappersQuestion& question_;
    int pipe_;
    void* library_ = nullptr;
    Request request_{};
};

// True where there is something to read, or an end.
bool wait_for_answer(int fd, Mono deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return false;
        pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
        const int ready = ::poll(
                &entry, 1, static_cast<int>(std::min<std::int64_t>(left.count(), INT_MAX)));
        if (ready > 0) return true;
        if (ready < 0 && errno != EINTR) return false;
    }
}

void reap(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace

WrappersAnswer ask_wrappers(const WrappersQuestion& question) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return {WrappersOutcome::failed, errno, -1};
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) return {WrappersOutcome::failed, errno, -1};
    if (pid == 0) Child(question, writer.get()).run();
    writer.reset();
    ::setpgid(pid, pid);
    if (!wait_for_answer(reader.get(), question.deadline)) {
        // With the commands that it waits for: they are its group.
        ::kill(-pid, SIGKILL);
        reap(pid);
        return {WrappersOutcome::failed, ETIMEDOUT, -1};
    }
    Answer answer{};
    ssize_t n;
    do
        n = ::read(reader.get(), &answer, sizeof answer);
    while (n < 0 && errno == EINTR);
    // Closed without a word, by the exec of a command, which may have ended by now.
    if (n != sizeof answer) return {WrappersOutcome::replaced, 0, pid};
    reap(pid);
    return {static_cast<WrappersOutcome>(answer.outcome), answer.error, -1};
}

}  // namespace superd
