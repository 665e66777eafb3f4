// SPDX-License-Identifier: MIT
// Taking rights away from a process of superd's own.
#include "sys/confine.h"

#include <cerrno>
#include <cstddef>
#include <vector>

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace superd {

namespace {

#if defined(__x86_64__)
constexpr unsigned native_architecture = AUDIT_ARCH_X86_64;
constexpr unsigned foreign_numbers = 0x40000000;  // x32 calls share the architecture
#elif defined(__aarch64__)
constexpr unsigned native_architecture = AUDIT_ARCH_AARCH64;
constexpr unsigned foreign_numbers = 0;
#else
constexpr unsigned native_architecture = 0;  // no filter for this one
constexpr unsigned foreign_numbers = 0;
#endif

// By what is not allowed: which calls the C library and its name service modules make differs
// from host to host.
constexpr unsigned forbidden[] = {SYS_execve, SYS_execveat, SYS_listen, SYS_accept, SYS_accept4,
        SYS_kill, SYS_tkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_pidfd_open,
        SYS_pidfd_send_signal, SYS_pidfd_getfd, SYS_ptrace, SYS_process_vm_readv,
        SYS_process_vm_writev, SYS_process_madvise, SYS_kcmp, SYS_mount, SYS_umount2,
        SYS_pivot_root, SYS_chroot, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig,
        SYS_fsmount, SYS_fspick, SYS_setns, SYS_unshare, SYS_name_to_handle_at,
        SYS_open_by_handle_at, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
        SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_add_key,
        SYS_request_key, SYS_keyctl, SYS_init_module, SYS_finit_module, SYS_delete_module,
        SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_acct, SYS_quotactl, SYS_syslog,
        SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_sethostname, SYS_setdomainname,
        SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid,
        SYS_setgroups, SYS_setfsuid, SYS_setfsgid, SYS_capset, SYS_unlinkat, SYS_renameat2,
        SYS_mkdirat, SYS_linkat, SYS_symlinkat, SYS_mknodat, SYS_fchmodat, SYS_fchownat,
        SYS_truncate, SYS_setxattr, SYS_memfd_create};

sock_filter statement(unsigned code, unsigned value) {
    return {static_cast<std::uint16_t>(code), 0, 0, value};
}

// Jumps over the next statement unless the loaded word compares so.
sock_filter unless(unsigned comparison, unsigned value) {
    return {static_cast<std::uint16_t>(BPF_JMP | comparison | BPF_K), 0, 1, value};
}

std::vector<sock_filter> make_filter() {
    const auto refuse = statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    std::vector<sock_filter> program{
            statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
            {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, native_architecture},
            statement(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
            statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    if (foreign_numbers != 0) {
        program.push_back(unless(BPF_JGE, foreign_numbers));
        program.push_back(refuse);
    }
    for (const unsigned number : forbidden) {
        program.push_back(unless(BPF_JEQ, number));
        program.push_back(refuse);
    }
    program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    return program;
}

// Where superd is root the identity has changed before exec and nothing is left; this is for a
// superd that was given capabilities without being root. The bounding set stays: with no new
// privileges nothing comes out of it.
void drop_capabilities() {
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    ::syscall(SYS_capset, &header, none);
}

void limit(__rlimit_resource resource, rlim_t value) {
    const rlimit both{value, value};
    ::setrlimit(resource, &both);
}

}  // namespace

Result<void> confine_network_client() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail("no_new_privs");
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    drop_capabilities();
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_MEMLOCK, 0);
    limit(RLIMIT_NOFILE, 1024);
#if !defined(__SANITIZE_ADDRESS__)
    limit(RLIMIT_DATA, rlim_t{512} << 20);
#endif
    if (native_architecture == 0) return fail(ENOSYS, "seccomp");
    auto filter = make_filter();
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        return fail("seccomp");
    return {};
}

}  // namespace superd
