// SPDX-License-Identifier: MIT
#include "config/system_calls.h"

#include <cerrno>
#include <functional>
#include <set>

#include <linux/filter.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/system_call_groups.h"

#include "support/catch.h"
#include "support/own_process.h"

using namespace superd;
using namespace superd::test;

namespace {

// errno of a call that fails, 0 of one that does not.
template <class Call>
int outcome(Call call) {
    errno = 0;
    return call() < 0 ? errno : 0;
}

int socket_of(int family) {
    return outcome([&] { return ::socket(family, SOCK_DGRAM, 0); });
}

// The body in a process under the filters of a plan; what did not hold.
std::string under(SandboxPlan plan, const std::function<void(Checker&)>& body) {
    plan.no_new_privs = true;
    FilterCompiler compiler;
    const auto programs = compiler.compile(plan);
    if (!programs) return programs.error().text();
    return in_own_process([&](Checker& check) {
        check.need(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
        for (const FilterProgram& program : *programs) {
            const sock_fprog code{static_cast<unsigned short>(program.code.size()),
                    reinterpret_cast<sock_filter*>(
                            const_cast<std::uint64_t*>(program.code.data()))};
            check.need(::prctl(PR_SET_SECCOMP, 2, &code, 0, 0) == 0, "seccomp");
        }
        body(check);
    });
}

}  // namespace

TEST_CASE("system calls: every word of every group is a call or a group") {
    std::set<std::string_view> names;
    for (const SystemCallGroup& group : system_call_groups()) {
        INFO(group.name);
        CHECK(names.insert(group.name).second);
        const auto calls = calls_of_group(group.name);
        CHECK_FALSE(calls.empty());
        unsigned known = 0;
        for (const std::string_view call : calls)
            known += is_system_call(call) ? 1U : 0U;
        // A call newer than the library that makes the filters is left out of them.
        CHECK(known + 4 > calls.size());
    }
    CHECK(is_system_call("@clock"));
    CHECK_FALSE(is_system_call("@nothing"));
    CHECK(is_system_call("mount"));
    CHECK_FALSE(is_system_call("mont"));
}

TEST_CASE("system calls: what is denied fails with EPERM, everything else works") {
    SandboxPlan plan;
    plan.deny_system_calls = {"@clock", "uname"};
    CHECK(under(plan, [](Checker& check) {
        char name[400];
        check.equal(outcome([&] { return ::syscall(SYS_uname, name); }), EPERM, "uname");
        check.equal(outcome([] { return ::syscall(SYS_settimeofday, nullptr, nullptr); }),
                EPERM, "settimeofday");
        check.equal(outcome([] { return ::syscall(SYS_getppid); }), 0, "getppid");
        check.equal(socket_of(AF_UNIX), 0, "socket");
    }) == "done\n");
}

TEST_CASE("system calls: only what is allowed works, with what every program needs") {
    SandboxPlan plan;
    plan.allow_system_calls = {"@basic-io", "@file-system", "socket"};
    plan.deny_system_calls = {"chmod", "fchmodat"};  // one of which the library calls
    CHECK(under(plan, [](Checker& check) {
        check.equal(outcome([] { return ::syscall(SYS_getpid); }), 0, "getpid");
        check.equal(socket_of(AF_UNIX), 0, "socket");
        check.equal(outcome([] { return ::chdir("/"); }), 0, "chdir");
        check.equal(outcome([] { return ::syscall(SYS_sysinfo, nullptr); }), EPERM, "sysinfo");
        check.equal(outcome([] { return ::syscall(SYS_listen, 0, 1); }), EPERM, "listen");
        check.equal(outcome([] { return ::chmod("/nonexistent/x", 0); }), EPERM, "chmod");
    }) == "done\n");
}

TEST_CASE("system calls: sockets of a few families") {
    SandboxPlan plan;
    plan.address_families = AddressFamilies{{AF_UNIX, AF_INET6}};
    CHECK(under(plan, [](Checker& check) {
        check.equal(socket_of(AF_UNIX), 0, "unix");
        check.equal(socket_of(AF_INET), EAFNOSUPPORT, "inet");
        check.equal(socket_of(AF_NETLINK), EAFNOSUPPORT, "netlink");
        check.equal(socket_of(AF_UNSPEC), EAFNOSUPPORT, "unspec");
        check.equal(socket_of(1000), EAFNOSUPPORT, "beyond");
    }) == "done\n");
    plan.address_families = AddressFamilies{};
    CHECK(under(plan, [](Checker& check) {
        check.equal(socket_of(AF_UNIX), EAFNOSUPPORT, "none at all");
        int pair[2];
        check.equal(outcome([&] { return ::socketpair(AF_UNIX, SOCK_STREAM, 0, pair); }), 0,
                "a pair reaches nobody");
    }) == "done\n");
}

TEST_CASE("system calls: no namespaces") {
    SandboxPlan plan;
    plan.restrict_namespaces = true;
    CHECK(under(plan, [](Checker& check) {
        for (const int kind : {CLONE_NEWUSER, CLONE_NEWNET | CLONE_NEWNS})
            check.equal(outcome([&] { return ::unshare(kind); }), EPERM, "unshare");
        check.equal(outcome([] { return ::unshare(CLONE_FILES); }), 0, "unshare of files");
        check.equal(
                outcome([] { return ::syscall(SYS_clone3, nullptr, 0); }), ENOSYS, "clone3");
        check.equal(outcome([] { return ::setns(0, 0); }), EPERM, "setns");
        check.equal(outcome([] {
            const pid_t child = ::fork();
            if (child == 0) ::_exit(0);
            return child;
        }),
                0, "fork");
    }) == "done\n");
}

TEST_CASE("system calls: no real-time class, no set-user-ID files, no other personality") {
    SandboxPlan plan;
    plan.restrict_realtime = plan.restrict_suid_sgid = plan.lock_personality = true;
    CHECK(under(plan, [](Checker& check) {
        const sched_param one{1}, none{0};
        for (const int policy : {SCHED_FIFO, SCHED_RR | 0x40000000})
            check.equal(outcome([&] { return ::sched_setscheduler(0, policy, &one); }), EPERM,
                    "real-time");
        check.equal(outcome([&] { return ::sched_setscheduler(0, SCHED_BATCH, &none); }), 0,
                "batch");
        check.equal(outcome([] { return ::fchmod(0, 04755); }), EPERM, "set-user-ID");
        check.equal(outcome([] { return ::fchmod(-1, 0755); }), EBADF, "a plain mode");
        check.equal(outcome([] { return ::mkdir("/nonexistent/x", 02755); }), EPERM,
                "set-group-ID");
        check.equal(outcome([] { return ::personality(0xffffffff); }), 0, "asking");
        check.equal(outcome([] { return ::personality(PER_LINUX); }), 0, "the usual one");
        for (const unsigned long other : {ADDR_NO_RANDOMIZE | 0UL, READ_IMPLIES_EXEC | 0UL,
                     0x80000000UL, 0xfffffffeUL, 0x7fffffffUL})
            check.equal(outcome([&] { return ::personality(other); }), EPERM, "another one");
    }) == "done\n");
}

TEST_CASE("system calls: no memory that is written and executed") {
    SandboxPlan plan;
    plan.memory_deny_write_execute = true;
    CHECK(under(plan, [](Checker& check) {
        const auto map = [](int protection) {
            return ::mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        };
        void* const plain = map(PROT_READ | PROT_WRITE);
        check.that(plain != MAP_FAILED, "memory");
        check.that(map(PROT_READ | PROT_EXEC) != MAP_FAILED, "code");
        check.that(map(PROT_WRITE | PROT_EXEC) == MAP_FAILED && errno == EPERM, "both");
        check.equal(outcome([&] { return ::mprotect(plain, 4096, PROT_READ | PROT_EXEC); }),
                EPERM, "one after the other");
    }) == "done\n");
}

TEST_CASE("system calls: one question is answered once, nothing asked is no filter") {
    FilterCompiler compiler;
    const auto none = compiler.compile({});
    REQUIRE(none);
    CHECK(none->empty());
    SandboxPlan plan;
    plan.deny_system_calls = {"@clock"};
    plan.lock_personality = true;
    const auto first = compiler.compile(plan), again = compiler.compile(plan);
    REQUIRE(first);
    REQUIRE(again);
    CHECK(first->size() == 2);
    CHECK(*first == *again);
    plan.deny_system_calls = {"@module"};
    const auto other = compiler.compile(plan);
    REQUIRE(other);
    CHECK_FALSE(*other == *first);
}

TEST_CASE("system calls: what a launch itself needs") {
    CHECK(needed_by_launch({"@clock"}, false).empty());
    CHECK(needed_by_launch({"@clock", "execve"}, false) == "execve");
    CHECK(needed_by_launch({"@signal"}, false) == "rt_sigprocmask");
    CHECK(needed_by_launch({"@setuid"}, false).empty());
    CHECK_FALSE(needed_by_launch({"@setuid"}, true).empty());
}
