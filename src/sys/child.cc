// SPDX-License-Identifier: MIT
// What runs between clone and exec.
//
// The child shares superd's memory while a thread of superd waits for it: raw system calls
// only, no errno, no allocation, no lock, nothing that belongs to the whole memory (dumpable,
// coredump_filter ...). It starts with all signals blocked and default dispositions. Its order:
//
// 1. Leave the table. Before that not one number may be touched: where close_range(2) fails
// every
//    dup2 would land in superd's own table.
// 2. Close all other slots, or a slow exec here withholds the end of file of other services'
//    clients. Only then say `left`.
// 3. Session; descriptors 0 up to n; the control group, where it was not born there; limits,
// nice, I/O class, CPUs, oom score, umask.
// 4. What takes rights that the identity is about to give up: filters of system calls where
//    no_new_privs is off, the bounding set, keeping capabilities; root and directory.
// 5. Groups, gid, uid in that order, for each takes the right to do the one before away; the
//    capabilities that stay; check that root cannot come back.
// 6. No new privileges; Landlock; the signal mask: a signal sent to the group must not end the
// child half
//    way; the filters, which every call but execve(2) may stumble over. Exec.
//
// Where superd-exec steps in, the child execs it after the descriptors of 3 are in place, from
// a descriptor that was opened long before; superd-exec then does the rest by finish_launch().
#include "sys/child.h"

#include <csignal>

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "sys/raw_syscall.h"
#include "sys/spawner.h"

namespace superd {

namespace {

// ioprio_set(2). <linux/ioprio.h> of some kernels has a function with a parameter called class.
constexpr long ioprio_who_process = 1;
constexpr int ioprio_class_shift = 13;

constexpr unsigned long kernel_sigset_size = 8;
constexpr long last_number = 0xffffffffL;

// struct sigaction as the kernel has it; all zero is SIG_DFL on every architecture.
struct KernelSigaction {
    unsigned long words[8];
};

SUPERD_CHILD_CODE void at_stage(const ChildWork& work, SpawnStage stage) {
    work.record->stage.store(static_cast<std::uint8_t>(stage), std::memory_order_relaxed);
}

// A pipe that is full loses the message: nobody reads it any more.
SUPERD_CHILD_CODE void tell(const ChildWork& work, ExecVerdict verdict, long error) {
    if (work.report_fd < 0) return;
    ExecReport report = work.report;
    report.verdict = verdict;
    report.stage = work.record->stage.load(std::memory_order_relaxed);
    report.error = static_cast<std::int32_t>(error);
    raw_call(SYS_write, work.report_fd, raw_address(&report), sizeof report);
}

[[noreturn]] SUPERD_CHILD_CODE void give_up(
        const ChildWork& work, long error, int status = 126) {
    tell(work, ExecVerdict::failed, error);
    work.record->error.store(static_cast<std::int32_t>(error), std::memory_order_release);
    for (;;)
        raw_call(SYS_exit_group, status);
}

SUPERD_CHILD_CODE void check(const ChildWork& work, long result) {
    if (result < 0) give_up(work, -result);
}

SUPERD_CHILD_CODE void close_numbers(long first, long last) {
    if (first <= last) raw_call(SYS_close_range, first, last, 0);
}

SUPERD_CHILD_CODE void leave_table(const ChildWork& work) {
    at_stage(work, SpawnStage::leave_table);
    if (work.sharing == Sharing::memory_and_table) {
        check(work, raw_call(SYS_close_range, low_number, last_number, CLOSE_RANGE_UNSHARE));
        close_numbers(first_slot, work.slot - 1);
        close_numbers(work.slot + slot_width, low_number - 1);
    }
    work.record->state.store(RecordState::left, std::memory_order_release);
}

SUPERD_CHILD_CODE void default_signals(const ChildWork& work) {
    const KernelSigaction action{};
    for (long signal = 1; signal <= 64; ++signal) {
        if ((work.ignored_signals >> (signal - 1) & 1) != 0)
            raw_call(SYS_rt_sigaction, signal, raw_address(&action), 0, kernel_sigset_size);
    }
}

// A number that is going to be replaced before it has been used is moved out of the way.
SUPERD_CHILD_CODE void move_up(const ChildWork& work, int& fd) {
    const long moved =
            raw_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, static_cast<long>(work.source_count));
    check(work, moved);
    fd = static_cast<int>(moved);
}

SUPERD_CHILD_CODE void place(const ChildWork& work, int from, long number) {
    if (from < 0) {
        raw_call(SYS_close, number);
        return;
    }
    // dup3(2) refuses equal numbers, and dup2(2) would leave close-on-exec on.
    if (from == number)
        check(work, raw_call(SYS_fcntl, number, F_SETFD, 0));
    else
        check(work, raw_call(SYS_dup3, from, number, 0));
}

SUPERD_CHILD_CODE void make_blocking(const ChildWork& work, long number) {
    const long flags = raw_call(SYS_fcntl, number, F_GETFL);
    check(work, flags);
    if ((flags & O_NONBLOCK) != 0)
        check(work,
                raw_call(SYS_fcntl, number, F_SETFL, flags & ~static_cast<long>(O_NONBLOCK)));
}

// An IPv4 client of a socket for both families has an IPv6 address to whoever asks the socket,
// which programs that know only IPv4 cannot read. Refused where the client has already ended
// its half, and where the socket is of IPv4: both leave it as it is (ipv6(7)).
SUPERD_CHILD_CODE void make_ipv4(const ChildWork& work) {
    if (work.ipv4_client < 0) return;
    const int family = AF_INET;
    raw_call(SYS_setsockopt, work.ipv4_client, IPPROTO_IPV6, IPV6_ADDRFORM,
            raw_address(&family), sizeof family);
}

// Everything above what the program gets. Where close_range(2) is refused, close-on-exec does
// it a little later.
SUPERD_CHILD_CODE void close_rest(long count, int exec_pipe) {
    if (exec_pipe < 0) {
        close_numbers(count, last_number);
        return;
    }
    close_numbers(count, exec_pipe - 1);
    close_numbers(exec_pipe + 1L, last_number);
}

SUPERD_CHILD_CODE void install_descriptors(const ChildWork& work) {
    at_stage(work, SpawnStage::descriptors);
    const auto count = static_cast<long>(work.source_count);
    for (long n = 0; n < count; ++n)
        if (work.sources[n] >= 0 && work.sources[n] < count && work.sources[n] != n)
            move_up(work, work.sources[n]);
    int exec_pipe = work.exec_pipe;
    if (exec_pipe >= 0 && exec_pipe < count) move_up(work, exec_pipe);
    for (long n = 0; n < count; ++n)
        place(work, work.sources[n], n);
    for (std::size_t i = 0; i < work.blocking_count; ++i)
        make_blocking(work, static_cast<long>(work.blocking_from + i));
    make_ipv4(work);
    // In a slot everything else is close-on-exec and nobody's but this child's.
    if (work.sharing != Sharing::memory_and_table) close_rest(count, exec_pipe);
}

SUPERD_CHILD_CODE void enter_cgroup(const ChildWork& work) {
    at_stage(work, SpawnStage::cgroup);
    const long fd = raw_call(
            SYS_openat, AT_FDCWD, raw_address(work.cgroup_processes), O_WRONLY | O_CLOEXEC, 0);
    check(work, fd);
    check(work, raw_call(SYS_write, fd, raw_address("0"), 1));
    raw_call(SYS_close, fd);
}

SUPERD_CHILD_CODE void set_limits(const ChildWork& work) {
    at_stage(work, SpawnStage::rlimits);
    for (const RlimitPlan *limit = work.plan->rlimits.data(), *const end =
                                                                      limit +
                                                                      work.plan->rlimits.size();
            limit != end; ++limit) {
        const std::uint64_t pair[2] = {limit->soft, limit->hard};
        check(work, raw_call(SYS_prlimit64, 0, limit->resource, raw_address(pair), 0));
    }
}

SUPERD_CHILD_CODE void set_priorities(const ChildWork& work) {
    const SpawnPlan& plan = *work.plan;
    if (plan.nice) {
        at_stage(work, SpawnStage::nice);
        check(work, raw_call(SYS_setpriority, PRIO_PROCESS, 0, *plan.nice));
    }
    if (plan.ionice_class) {
        at_stage(work, SpawnStage::ionice);
        const long level = plan.ionice_level ? *plan.ionice_level : 4;
        check(work,
                raw_call(SYS_ioprio_set, ioprio_who_process, 0,
                        static_cast<long>(*plan.ionice_class) << ioprio_class_shift | level));
    }
    if (work.cpu_mask != nullptr) {
        at_stage(work, SpawnStage::affinity);
        check(work, raw_call(SYS_sched_setaffinity, 0, static_cast<long>(work.cpu_mask_size),
                            raw_address(work.cpu_mask)));
    }
}

// The kernel copies the score to all that share the memory, except towards a parent that waits
// in vfork.
SUPERD_CHILD_CODE void set_oom_score(const ChildWork& work) {
    if (work.oom_text == nullptr) return;
    at_stage(work, SpawnStage::oom_score);
    const long fd = raw_call(SYS_openat, AT_FDCWD, raw_address("/proc/self/oom_score_adj"),
            O_WRONLY | O_CLOEXEC, 0);
    check(work, fd);
    check(work, raw_call(SYS_write, fd, raw_address(work.oom_text),
                        static_cast<long>(work.oom_length)));
    raw_call(SYS_close, fd);
}

SUPERD_CHILD_CODE void set_directories(const ChildWork& work) {
    const SpawnPlan& plan = *work.plan;
    if (!plan.root.empty()) {
        at_stage(work, SpawnStage::root);
        check(work, raw_call(SYS_chroot, raw_address(plan.root.c_str())));
        check(work, raw_call(SYS_chdir, raw_address("/")));
    }
    if (!plan.directory.empty()) {
        at_stage(work, SpawnStage::directory);
        check(work, raw_call(SYS_chdir, raw_address(plan.directory.c_str())));
    }
}

SUPERD_CHILD_CODE bool has_bit(std::uint64_t bits, long number) {
    return (bits >> number & 1) != 0;
}

SUPERD_CHILD_CODE void load_filters(const ChildWork& work) {
    at_stage(work, SpawnStage::seccomp);
    const std::vector<FilterProgram>& filters = work.plan->sandbox.filters;
    for (const FilterProgram *one = filters.data(), *const end = one + filters.size();
            one != end; ++one) {
        const struct {
            unsigned short length;
            const void* code;
        } program{static_cast<unsigned short>(one->code.size()), one->code.data()};

        static_assert(sizeof program == sizeof(sock_fprog));
        check(work, raw_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, raw_address(&program)));
    }
}

SUPERD_CHILD_CODE void bound_capabilities(const ChildWork& work) {
    const SandboxPlan& sandbox = work.plan->sandbox;
    if (!sandbox.capabilities) return;
    at_stage(work, SpawnStage::capabilities);
    const std::uint64_t kept = sandbox.capabilities->bits;
    for (long number = 0; number < 64; ++number) {
        if (has_bit(kept, number)) continue;
        const long result = raw_call(SYS_prctl, PR_CAPBSET_DROP, number, 0, 0, 0);
        if (result == -EINVAL) return;  // the last one of this kernel was before
        check(work, result);
    }
}

SUPERD_CHILD_CODE void keep_capabilities(const ChildWork& work) {
    if (work.plan->sandbox.ambient_capabilities.bits == 0) return;
    at_stage(work, SpawnStage::ambient_capabilities);
    check(work, raw_call(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0));
}

// After the identity: of what was kept only these stay, and what is executed inherits them.
SUPERD_CHILD_CODE void take_capabilities(const ChildWork& work) {
    const std::uint64_t bits = work.plan->sandbox.ambient_capabilities.bits;
    if (bits == 0) return;
    at_stage(work, SpawnStage::ambient_capabilities);
    const auto low = static_cast<std::uint32_t>(bits);
    const auto high = static_cast<std::uint32_t>(bits >> 32);
    const __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct data[2]{{low, low, low}, {high, high, high}};
    check(work, raw_call(SYS_capset, raw_address(&header), raw_address(data)));
    for (long number = 0; number < 64; ++number)
        if (has_bit(bits, number))
            check(work,
                    raw_call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0));
    check(work, raw_call(SYS_prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0));
}

SUPERD_CHILD_CODE void refuse_new_privileges(const ChildWork& work) {
    if (!work.plan->sandbox.no_new_privs) return;
    at_stage(work, SpawnStage::no_new_privs);
    check(work, raw_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

SUPERD_CHILD_CODE void enter_landlock(const ChildWork& work) {
    at_stage(work, SpawnStage::landlock);
    check(work, raw_call(SYS_landlock_restrict_self, work.landlock, 0));
}

SUPERD_CHILD_CODE void set_identity(const ChildWork& work) {
    const IdentityPlan& identity = work.plan->identity;
    if (!identity.change) return;
    const long uid = static_cast<long>(identity.uid), gid = static_cast<long>(identity.gid);
    at_stage(work, SpawnStage::groups);
    check(work, raw_call(SYS_setgroups, static_cast<long>(identity.groups.size()),
                        raw_address(identity.groups.data())));
    at_stage(work, SpawnStage::gid);
    check(work, raw_call(SYS_setresgid, gid, gid, gid));
    at_stage(work, SpawnStage::uid);
    check(work, raw_call(SYS_setresuid, uid, uid, uid));
    if (identity.uid == 0) return;
    take_capabilities(work);
    // Who was given the right to become anybody may become root.
    if (has_bit(work.plan->sandbox.ambient_capabilities.bits, CAP_SETUID)) return;
    at_stage(work, SpawnStage::verify);
    if (raw_call(SYS_setresuid, -1, 0, -1) >= 0) give_up(work, EPERM);
}

SUPERD_CHILD_CODE void write_pid(char* out, std::int32_t pid) {
    char digits[11];
    int n = 0;
    do {
        digits[n++] = static_cast<char>('0' + pid % 10);
        pid /= 10;
    } while (pid > 0);
    while (n > 0)
        *out++ = digits[--n];
    *out = '\0';
}

SUPERD_CHILD_CODE void unblock_signals() {
    const std::uint64_t no_signals = 0;
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, raw_address(&no_signals), 0, kernel_sigset_size);
}

SUPERD_CHILD_CODE void set_pid_texts(const ChildWork& work) {
    const auto own = static_cast<std::int32_t>(raw_call(SYS_getpid));
    if (work.listen_pid != nullptr) write_pid(work.listen_pid, own);
    if (work.watchdog_pid != nullptr) write_pid(work.watchdog_pid, own);
    if (work.local_pid != nullptr) write_pid(work.local_pid, own);
}

[[noreturn]] SUPERD_CHILD_CODE void execute(const ChildWork& work) {
    at_stage(work, SpawnStage::exec);
    set_pid_texts(work);
    tell(work, ExecVerdict::begins, 0);
    if (work.report_fd >= 0) default_signals(work);
    unblock_signals();
    if (work.plan->sandbox.no_new_privs) load_filters(work);
    at_stage(work, SpawnStage::exec);
    const long error = -raw_call(SYS_execve, raw_address(work.plan->program.c_str()),
            raw_address(work.argv), raw_address(work.environment));
    give_up(work, error, error == ENOENT ? 127 : 126);
}

[[noreturn]] SUPERD_CHILD_CODE void execute_step_in(const ChildWork& work) {
    at_stage(work, SpawnStage::step_in);
    set_pid_texts(work);
    unblock_signals();
    give_up(work, -raw_call(SYS_execveat, work.step_in, raw_address(""), raw_address(work.argv),
                          raw_address(work.environment), AT_EMPTY_PATH));
}

}  // namespace

SUPERD_CHILD_CODE void finish_launch(const ChildWork& work) {
    set_limits(work);
    set_priorities(work);
    set_oom_score(work);
    if (work.plan->umask) {
        at_stage(work, SpawnStage::umask);
        raw_call(SYS_umask, static_cast<long>(*work.plan->umask));
    }
    const bool confines = work.plan->confines;
    if (confines) {
        if (!work.plan->sandbox.no_new_privs) load_filters(work);
        bound_capabilities(work);
        keep_capabilities(work);
    }
    set_directories(work);
    set_identity(work);
    if (confines) refuse_new_privileges(work);
    if (work.landlock >= 0) enter_landlock(work);
    execute(work);
}

SUPERD_CHILD_CODE int child_main(void* argument) {
    const ChildWork& work = *static_cast<const ChildWork*>(argument);
    leave_table(work);
    if (work.ignored_signals != 0) default_signals(work);
    at_stage(work, SpawnStage::session);
    check(work, raw_call(SYS_setsid));
    install_descriptors(work);
    if (work.cgroup_processes != nullptr) enter_cgroup(work);
    if (work.step_in >= 0) execute_step_in(work);
    finish_launch(work);
}

}  // namespace superd
