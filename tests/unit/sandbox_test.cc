// SPDX-License-Identifier: MIT
// The relay's sandbox, tried from inside: each case enters it in a process of its own.
#include "relay/sandbox.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relay/protocol.h"
#include "support/catch.h"

using namespace superd;

namespace {

// What deed gives back in a process that has entered the sandbox; 200: it could not enter,
// 255: it was killed.
template <class Deed>
int inside(const SandboxOptions& options, Deed deed) {
    const pid_t child = ::fork();
    if (child == 0) {
        const auto holds = enter_sandbox(options);
        ::_exit(holds ? deed(*holds) : 200);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

// 0 where the call succeeded, else its errno.
int error_of(long result) {
    return result >= 0 ? 0 : errno;
}

bool has_seccomp() {
    return inside({}, [](std::uint32_t holds) {
        return (holds & sandbox_seccomp) != 0 ? 1 : 0;
    }) == 1;
}

struct EmptyRoot {
    EmptyRoot() {
        char name[] = "/tmp/superd-empty-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        ::chmod(name, 0755);
        path = name;
    }

    ~EmptyRoot() { ::rmdir(path.c_str()); }

    std::string path;
};

}  // namespace

TEST_CASE("sandbox: no capability and no new privilege is left, for anybody") {
    CHECK(inside({}, [](std::uint32_t holds) {
        constexpr std::uint32_t always = sandbox_capabilities | sandbox_no_new_privileges;
        return (holds & always) == always ? 0 : 1;
    }) == 0);
}

TEST_CASE(
        "sandbox: no file can be opened, no socket made, no process started, nobody "
        "signalled") {
    if (!has_seccomp()) {
        WARN("no seccomp here");
        return;
    }
    CHECK(inside({}, [](auto) { return error_of(::open("/dev/null", O_RDONLY)); }) == EPERM);
    CHECK(inside({}, [](auto) { return error_of(::socket(AF_INET, SOCK_DGRAM, 0)); }) == EPERM);
    CHECK(inside({}, [](auto) { return error_of(::socket(AF_UNIX, SOCK_DGRAM, 0)); }) == EPERM);
    CHECK(inside({}, [](auto) { return error_of(::syscall(SYS_fork)); }) == EPERM);
    CHECK(inside({}, [](auto) { return error_of(::execl("/bin/true", "true", nullptr)); }) ==
            EPERM);
    CHECK(inside({}, [](auto) { return error_of(::kill(::getppid(), 0)); }) == EPERM);
    CHECK(inside({}, [](auto) { return error_of(::setuid(0)); }) == EPERM);
    CHECK(inside({}, [](auto) { return error_of(::chroot("/")); }) == EPERM);
    CHECK(inside({}, [](auto) { return error_of(::syscall(SYS_ptrace, 16, ::getppid())); }) ==
            EPERM);
    CHECK(inside({}, [](auto) { return error_of(::syscall(SYS_unshare, 0x10000000)); }) ==
            EPERM);
    CHECK(inside({}, [](auto) { return error_of(::listen(0, 1)); }) == EPERM);
}

TEST_CASE("sandbox: memory can be had, but no memory that runs") {
    if (!has_seccomp()) {
        WARN("no seccomp here");
        return;
    }
    const auto map = [](int protection) {
        void* memory = ::mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return memory == MAP_FAILED ? errno : 0;
    };
    CHECK(inside({}, [&](auto) { return map(PROT_READ | PROT_WRITE); }) == 0);
    CHECK(inside({}, [&](auto) { return map(PROT_READ | PROT_EXEC); }) == EPERM);
    CHECK(inside({}, [](auto) {
        void* memory = ::mmap(
                nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return error_of(::mprotect(memory, 4096, PROT_READ | PROT_EXEC));
    }) == EPERM);
}

TEST_CASE("sandbox: what a relay does all day it still can") {
    CHECK(inside({}, [](auto) {
        int pipe[2];
        char byte = 'x';
        if (::pipe2(pipe, O_CLOEXEC) != 0) return 1;
        if (::write(pipe[1], &byte, 1) != 1 || ::read(pipe[0], &byte, 1) != 1) return 2;
        if (::fcntl(pipe[0], F_SETFL, O_NONBLOCK) != 0) return 3;
        std::string memory(10'000'000, 'x');
        if (memory[5'000'000] != 'x') return 4;
        return ::close(pipe[0]) == 0 ? 0 : 5;
    }) == 0);
}

TEST_CASE("sandbox: Landlock is there wherever the kernel has it") {
    constexpr long create_ruleset = 444;
    const bool kernel_has_it = ::syscall(create_ruleset, nullptr, 0, 1U) >= 1;
    const bool entered = inside({}, [](std::uint32_t holds) {
        return (holds & sandbox_landlock) != 0 ? 1 : 0;
    }) == 1;
    if (has_seccomp()) CHECK(entered == kernel_has_it);
}

TEST_CASE("sandbox: root becomes the user it is told, in an empty root, for good") {
    if (::geteuid() != 0) {
        WARN("needs root");
        return;
    }
    const EmptyRoot empty;
    SandboxOptions options{.user = SandboxOptions::User{65534, 65534}, .root = empty.path};
    const int result = inside(options, [](std::uint32_t holds) {
        constexpr std::uint32_t both = sandbox_user | sandbox_root;
        return (holds & both) == both ? 0 : 1;
    });
    CHECK(result == 0);
    options.root = "/nonexistent";
    CHECK(inside(options, [](auto) { return 0; }) == 200);
}

TEST_CASE("sandbox: a user that cannot be become stops the relay") {
    if (::geteuid() == 0) {
        WARN("is root");
        return;
    }
    CHECK(inside({.user = SandboxOptions::User{1, 1}, .root = {}}, [](auto) { return 0; }) ==
            200);
}
