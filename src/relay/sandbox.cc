// SPDX-License-Identifier: MIT
// Order matters: a user without capabilities can neither change its root nor its bounding set,
// and only who cannot gain privileges may use Landlock and seccomp.
#include "relay/sandbox.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <vector>

#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "relay/protocol.h"

namespace superd {

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;  // their runtime opens files and starts threads of its own
#else
constexpr bool sanitized = false;
#endif

// ---- user and root

Result<void> enter_root(const std::string& path) {
    if (::chdir(path.c_str()) != 0) return fail("chdir", path);
    if (::chroot(".") != 0) return fail("chroot", path);
    if (::chdir("/") != 0) return fail("chdir", "/");
    return {};
}

Result<void> drop_bounding_set() {
    for (unsigned long capability = 0; capability < 64; ++capability) {
        if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) < 0)
            break;  // the last one was before
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return fail("prctl", "CAPBSET");
    }
    return {};
}

Result<void> become(const SandboxOptions::User& user) {
    if (::setgroups(0, nullptr) != 0) return fail("setgroups");
    if (::setresgid(user.gid, user.gid, user.gid) != 0) return fail("setresgid");
    if (::setresuid(user.uid, user.uid, user.uid) != 0) return fail("setresuid");
    if (user.uid != 0 && ::setresuid(0, 0, 0) == 0) return fail(EPERM, "stay out of root");
    return {};
}

Result<void> drop_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (::syscall(SYS_capset, &header, none.data()) != 0) return fail("capset");
    return {};
}

// ---- Landlock (5.13): no rule, so nothing of what is handled is allowed

// As linux/landlock.h has it, newer members included: the kernel takes a larger one as long as
// what it does not know is zero.
struct LandlockRules {
    std::uint64_t files = 0, network = 0, scoped = 0;
};

bool enter_landlock() {
    constexpr long create = 444, restrict_self = 446;
    constexpr unsigned ask_version = 1;
    const long version = ::syscall(create, nullptr, 0, ask_version);
    if (version < 1) return false;
    LandlockRules rules{.files = 0x1fff};       // version 1: reading, writing, making ...
    if (version >= 2) rules.files |= 1U << 13;  // refer
    if (version >= 3) rules.files |= 1U << 14;  // truncate
    if (version >= 5) rules.files |= 1U << 15;  // ioctl of devices
    if (version >= 4) rules.network = 3;        // bind and connect of TCP
    if (version >= 6) rules.scoped = 3;         // abstract sockets, signals
    const int ruleset = static_cast<int>(::syscall(create, &rules, sizeof rules, 0));
    if (ruleset < 0) return false;
    const bool entered = ::syscall(restrict_self, ruleset, 0) == 0;
    ::close(ruleset);
    return entered;
}

// ---- seccomp

#if defined(__x86_64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t architecture = 0;
#endif

// What serving connections takes. There is no socket, connect, bind, open, clone, exec, ptrace,
// kill or ioctl among them.
constexpr std::array allowed{SYS_read, SYS_pread64, SYS_write, SYS_readv, SYS_writev, SYS_recvfrom,
        SYS_recvmsg, SYS_recvmmsg, SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_splice, SYS_pipe2,
        SYS_close, SYS_shutdown, SYS_getsockopt, SYS_setsockopt, SYS_getsockname,
        SYS_getpeername, SYS_fcntl, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait,
#ifdef SYS_poll
        SYS_poll,
#endif
        SYS_ppoll,
#ifdef SYS_epoll_wait
        SYS_epoll_wait,
#endif
        SYS_clock_gettime, SYS_gettimeofday, SYS_getrandom, SYS_munmap, SYS_mremap, SYS_madvise,
        SYS_brk, SYS_futex, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_rt_sigaction,
        SYS_restart_syscall, SYS_getpid, SYS_gettid, SYS_exit, SYS_exit_group};
// ... and these with memory that is not code.
constexpr std::array without_code{SYS_mmap, SYS_mprotect};

constexpr sock_filter statement(std::size_t code, std::uint32_t value) {
    return {static_cast<std::uint16_t>(code), 0, 0, value};
}

// Goes on when true, skips `otherwise` instructions when not.
constexpr sock_filter check(std::size_t code, std::uint32_t value, std::uint8_t otherwise) {
    return {static_cast<std::uint16_t>(BPF_JMP | code | BPF_K), 0, otherwise, value};
}

std::vector<sock_filter> make_filter() {
    constexpr auto load = BPF_LD | BPF_W | BPF_ABS;
    constexpr auto answer = BPF_RET | BPF_K;
    constexpr std::uint32_t deny = SECCOMP_RET_ERRNO | EPERM;
    // The low half of the third argument: protection bits, on little-endian machines.
    constexpr std::uint32_t protection =
            offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t);
    std::vector<sock_filter> filter{
            statement(load, offsetof(seccomp_data, arch)),
            check(BPF_JEQ, architecture, 1),
            {BPF_JMP | BPF_JA, 0, 0, 1},
            statement(answer, SECCOMP_RET_KILL_PROCESS),
            statement(load, offsetof(seccomp_data, nr)),
    };
    for (const long number : allowed) {
        filter.push_back(check(BPF_JEQ, static_cast<std::uint32_t>(number), 1));
        filter.push_back(statement(answer, SECCOMP_RET_ALLOW));
    }
    for (const long number : without_code) {
        filter.push_back(check(BPF_JEQ, static_cast<std::uint32_t>(number), 4));
        filter.push_back(statement(load, protection));
        filter.push_back(check(BPF_JSET, PROT_EXEC, 1));
        filter.push_back(statement(answer, deny));
        filter.push_back(statement(answer, SECCOMP_RET_ALLOW));
    }
    filter.push_back(statement(answer, deny));
    return filter;
}

bool enter_seccomp() {
    if (sanitized || architecture == 0) return false;
    std::vector<sock_filter> filter = make_filter();
    sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

}  // namespace

Result<std::uint32_t> enter_sandbox(const SandboxOptions& options) {
    std::uint32_t holds = 0;
    // What clients say must not end in a file.
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    if (!options.root.empty()) {
        if (auto done = enter_root(options.root); !done) return tl::unexpected(done.error());
        holds |= sandbox_root;
    }
    if (options.user) {
        if (auto done = drop_bounding_set(); !done) return tl::unexpected(done.error());
        if (auto done = become(*options.user); !done) return tl::unexpected(done.error());
        holds |= sandbox_user;
    }
    if (auto done = drop_capabilities(); !done) return tl::unexpected(done.error());
    holds |= sandbox_capabilities;
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail("prctl", "NO_NEW_PRIVS");
    holds |= sandbox_no_new_privileges;
    if (!sanitized && enter_landlock()) holds |= sandbox_landlock;
    if (options.closed && ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return fail("prctl", "DUMPABLE");
    if (enter_seccomp()) holds |= sandbox_seccomp;
    return holds;
}

}  // namespace superd
