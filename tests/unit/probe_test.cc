// SPDX-License-Identifier: MIT
// Which way of launching is chosen where the kernel, or a filter over it, refuses another.
#include <cstddef>
#include <fstream>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys/clone.h"
#include "sys/slots.h"
#include "sys/spawner.h"

#include "support/catch.h"
#include "support/launching.h"
#include "support/skip.h"
#include "support/sockets.h"

namespace {

using namespace superd;
using namespace superd::test;

constexpr auto number_at = static_cast<std::uint32_t>(offsetof(seccomp_data, nr));
// The lower half of the first argument, where clone(2) has its flags.
constexpr auto flags_at = static_cast<std::uint32_t>(offsetof(seccomp_data, args));

template <std::size_t Length>
void install_filter(sock_filter (&code)[Length]) {
    const sock_fprog program{.len = Length, .filter = code};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) std::abort();
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) std::abort();
}

// What seccomp filters of containers do with calls that are younger than they.
void refuse_call(long number, int error) {
    sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number_at),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    install_filter(code);
}

// clone(2) with all of these flags is refused; clone3(2), whose flags no filter sees, always.
void refuse_clone_with(std::uint32_t flags) {
    refuse_call(SYS_clone3, ENOSYS);
    sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number_at),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, flags_at),
            BPF_STMT(BPF_ALU | BPF_AND | BPF_K, flags),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, flags, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    install_filter(code);
}

// The body in a process of its own with launch slots and blocked signals, as superd has them.
void in_superds_place(const std::function<void(Checker&)>& body) {
    if (spawn_methods().front() != SpawnMethod::shared_table) {
        skip("launches by a shared table do not work here at all, as under a sanitizer");
        return;
    }
    CHECK(in_own_process([&](Checker& check) {
        check.need(reserve_slots().has_value(), "slots");
        sigset_t all;
        ::sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, nullptr);
        body(check);
    }) == "done\n");
}

void check_a_launch(Checker& check, SpawnMethod method) {
    Bench bench(method);
    check.equal(bench.answer_of(report_plan({"answer", "started"})), "started\n", "a launch");
}

}  // namespace

TEST_CASE("probe: fs.suid_dumpable = 1 makes root launch by plain fork, other values do not") {
    const Scratch scratch;
    const std::string path = scratch / "suid_dumpable";
    const auto with = [&](const char* value) {
        std::ofstream(path, std::ios::trunc) << value;
        return probe_spawn_method(path.c_str());
    };
    const SpawnMethod usual = probe_spawn_method((scratch / "none").c_str());
    CHECK(with("0\n") == usual);
    CHECK(with("2\n") == usual);
    CHECK(with("") == usual);
    if (::geteuid() != 0) {
        // Its children are its own user's: there is nobody else to keep out.
        CHECK(with("1\n") == usual);
        return;
    }
    CHECK(with("1\n") == SpawnMethod::fork);
    if (usual == SpawnMethod::fork) skip("plain fork is all that works here");
}

TEST_CASE("probe: where close_range is refused nothing of superd's table is touched") {
    in_superds_place([](Checker& check) {
        refuse_call(SYS_close_range, EPERM);
        check.that(probe_spawn_method() == SpawnMethod::vfork, "the next best way");
        check_a_launch(check, SpawnMethod::vfork);
        // Even if the shared table were used all the same.
        Bench bench(SpawnMethod::shared_table);
        struct stat before {
        }, after{};
        ::fstat(0, &before);
        const Pair pair = socket_pair();
        bench.submit(report_plan(), pair.theirs);
        const LaunchResult result = bench.results(1)[0];
        check.equal(stage_name(result.stage), "close_range", "stage");
        check.equal(result.error, EPERM, "errno");
        ::fstat(0, &after);
        check.equal(after.st_ino, before.st_ino, "descriptor 0");
        check.equal(read_to_end(pair.ours), "", "the connection is closed");
        bench.ends(1);
    });
}

TEST_CASE("probe: where clone3 is refused clone launches by the shared table all the same") {
    in_superds_place([](Checker& check) {
        check.that(has_clone3(), "clone3 before");
        refuse_call(SYS_clone3, ENOSYS);
        check.that(probe_spawn_method() == SpawnMethod::shared_table, "the usual way");
        check.that(!has_clone3(), "no clone3 any more");
        check_a_launch(check, SpawnMethod::shared_table);
    });
}

TEST_CASE("probe: where a child may not share the table a vfork is used") {
    in_superds_place([](Checker& check) {
        refuse_clone_with(CLONE_VFORK | CLONE_FILES);
        check.that(probe_spawn_method() == SpawnMethod::vfork, "vfork");
        check_a_launch(check, SpawnMethod::vfork);
    });
}

TEST_CASE("probe: where a child may not share the memory plain fork is used") {
    in_superds_place([](Checker& check) {
        refuse_clone_with(CLONE_VFORK);
        check.that(probe_spawn_method() == SpawnMethod::fork, "fork");
        check_a_launch(check, SpawnMethod::fork);
    });
}

TEST_CASE("probe: a launch whose clone is refused fails at that stage, with its errno") {
    in_superds_place([](Checker& check) {
        refuse_clone_with(CLONE_VFORK);
        Bench bench(SpawnMethod::shared_table);
        const Pair pair = socket_pair();
        bench.submit(report_plan(), pair.theirs);
        const LaunchResult result = bench.results(1)[0];
        check.equal(stage_name(result.stage), "clone", "stage");
        check.equal(result.error, EPERM, "errno");
        check.equal(read_to_end(pair.ours), "", "the connection is closed");
    });
}
