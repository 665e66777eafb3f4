// SPDX-License-Identifier: MIT
// A pid namespace for one launch.
#include "sys/pid_namespace.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sys/confine.h"
#include "sys/kin.h"
#include "sys/raw_syscall.h"

namespace superd {

namespace {

constexpr long last_number = 0xffffffffL;
constexpr std::int32_t first_program = 2;

struct FirstProcess {
    int program = -1, begun = -1;
    char* const* argv = nullptr;
    char* const* environment = nullptr;
};

// Between clone and exec, as sys/child.cc has it: the memory is superd's. All signals stay
// blocked for good.
SUPERD_CHILD_CODE int first_main(void* argument) {
    const FirstProcess& first = *static_cast<const FirstProcess*>(argument);
    raw_call(SYS_setsid);
    if (first.begun == 0)
        raw_call(SYS_fcntl, 0, F_SETFD, 0);
    else
        raw_call(SYS_dup3, first.begun, 0, 0);
    if (first.program > 1) raw_call(SYS_close_range, 1, first.program - 1, 0);
    raw_call(SYS_close_range, first.program + 1, last_number, 0);
    raw_call(SYS_execveat, first.program, raw_address(""), raw_address(first.argv),
            raw_address(first.environment), AT_EMPTY_PATH);
    for (;;)
        raw_call(SYS_exit_group, 126);
}

// Where superd was killed before it could say which, the first one that is there.
Fd open_program(unsigned char number) {
    if (number != 0) return pidfd_of(number);
    Fd found = pidfd_of(first_program);
    return found ? std::move(found) : pidfd_of(first_program + 1);
}

}  // namespace

Result<PidNamespace> PidNamespace::create(
        int program, Sharing sharing, const ChildStack& stack) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail("pipe2");
    const Fd reader(ends[0]);
    PidNamespace made;
    made.begun_.reset(ends[1]);
    std::array<char, 12> name{"superd-exec"};
    std::array<char, 8> word{};
    for (std::size_t i = 0; first_process_word[i] != '\0'; ++i)
        word[i] = first_process_word[i];
    const std::array<char*, 3> argv{name.data(), word.data(), nullptr};
    const std::array<char*, 1> environment{nullptr};
    FirstProcess first{.program = program,
            .begun = reader.get(),
            .argv = argv.data(),
            .environment = environment.data()};
    std::atomic<std::int32_t> pid{0}, pidfd{-1};
    CloneRequest request;
    request.sharing = sharing == Sharing::nothing ? sharing : Sharing::memory;
    request.function = first_main;
    request.argument = &first;
    request.stack = &stack;
    request.pid = &pid;
    request.pidfd = &pidfd;
    request.new_pids = true;
    if (const int result = clone_child(request); result < 0)
        return fail(-result, "clone", "pid namespace");
    made.first_.reset(pidfd.load());
    return made;
}

Result<void> PidNamespace::enter() const {
    if (::setns(first_.get(), CLONE_NEWPID) != 0) return fail("setns", "pid namespace");
    return {};
}

// A thread that stayed would bring its next children into the world as members of a namespace
// that is another service's.
void PidNamespace::leave() {
    const Fd own = pidfd_of(::getpid());
    if (::setns(own.get(), CLONE_NEWPID) != 0) std::abort();
}

void PidNamespace::watch(unsigned attempt) const {
    const auto number = static_cast<unsigned char>(first_program + attempt - 1);
    (void)!::write(begun_.get(), &number, sizeof number);
}

// What nobody waits for the kernel reaps where SIGCHLD is ignored (wait(2)). What it is taken
// away from it here it would never use; it is in reach of a service that is root.
int watch_over_namespace() {
    if (::getpid() != 1) return 2;
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    ::signal(SIGCHLD, SIG_IGN);
    unsigned char number = 0;
    while (::read(STDIN_FILENO, &number, sizeof number) < 0 && errno == EINTR) {
    }
    ::close(STDIN_FILENO);
    const Fd program = open_program(number);
    if (!program) return 0;
    (void)confine_network_client();
    pollfd entry{.fd = program.get(), .events = POLLIN, .revents = 0};
    while (::poll(&entry, 1, -1) < 0 && errno == EINTR) {
    }
    return 0;
}

}  // namespace superd
