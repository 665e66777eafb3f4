// SPDX-License-Identifier: MIT
#include "sys/reaper.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <set>

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/guard.h"
#include "sys/process.h"

#include "support/catch.h"
#include "support/launching.h"

using namespace superd;
using namespace superd::test;

namespace {

// Records and children without a spawner.
struct Children {
    State state = State::for_test({2048, 16, 16, 256});
    Reaper reaper = make_reaper(state);
    std::vector<Ended> ends;

    // A child that waits for a signal, in a record of its own, watched.
    pid_t add(std::uint32_t index, bool with_pidfd = true) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            for (;;)
                ::pause();
        }
        ProcessRecord& record = state.processes()[index];
        record.pid = pid;
        record.pidfd = with_pidfd ? static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)) : -1;
        record.state = RecordState::running;
        state.header().process_high = std::max(state.header().process_high, index + 1);
        if (!reaper.add(index)) std::abort();
        return pid;
    }

    void wait_for(std::size_t count) {
        while (ends.size() < count) {
            pollfd entry{.fd = reaper.fd(), .events = POLLIN, .revents = 0};
            ::poll(&entry, 1, 1000);
            reaper.wait(ends);
        }
    }

    [[nodiscard]] bool exists(pid_t pid) const { return ::kill(pid, 0) == 0; }
};

void in_clean_process(const std::function<void(Checker&, Children&)>& body) {
    CHECK(in_own_process([&](Checker& check) {
        Children children;
        body(check, children);
    }) == "done\n");
}

// A child that is traced by this process, and has stopped.
pid_t start_traced(Checker& check) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        ::raise(SIGSTOP);
        ::_exit(0);
    }
    siginfo_t info{};
    check.need(
            ::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WNOWAIT) == 0, "stopped");
    return pid;
}

}  // namespace

TEST_CASE("reaper: the wait status is put together as waitpid has it") {
    CHECK(WEXITSTATUS(wait_status(CLD_EXITED, 127)) == 127);
    CHECK(WIFEXITED(wait_status(CLD_EXITED, 0)));
    CHECK(WTERMSIG(wait_status(CLD_KILLED, SIGKILL)) == SIGKILL);
    CHECK_FALSE(WCOREDUMP(wait_status(CLD_KILLED, SIGSEGV)));
    CHECK(WCOREDUMP(wait_status(CLD_DUMPED, SIGSEGV)));
    CHECK(WTERMSIG(wait_status(CLD_DUMPED, SIGSEGV)) == SIGSEGV);
}

TEST_CASE("reaper: the pid is reserved while the owner acts, and an end is said once") {
    in_clean_process([](Checker& check, Children& children) {
        const pid_t pid = children.add(5);
        children.reaper.wait(children.ends);
        check.equal(children.ends.size(), std::size_t{0}, "nothing yet");
        check.that(signal_process(children.state.processes()[5], SIGTERM), "signal");
        children.wait_for(1);
        check.equal(children.ends[0].record, 5U, "record");
        check.equal(WTERMSIG(children.ends[0].status), SIGTERM, "status");
        children.reaper.wait(children.ends);
        check.equal(children.ends.size(), std::size_t{1}, "once");
        check.that(children.exists(pid), "still reserved");
        children.reaper.reap(5);
        check.that(!children.exists(pid), "reaped");
        check.equal(children.state.processes()[5].pidfd.load(), -1, "no pidfd any more");
        check.that(!signal_process(children.state.processes()[5], 0), "nothing to signal");
    });
}

TEST_CASE("reaper: of a thousand that live only those that ended are looked at") {
    in_clean_process([](Checker& check, Children& children) {
        std::vector<pid_t> pids;
        for (std::uint32_t i = 0; i < 1000; ++i)
            pids.push_back(children.add(i));
        const std::set<std::uint32_t> chosen{3, 500, 999};
        for (const std::uint32_t index : chosen)
            ::kill(pids[index], SIGKILL);
        children.wait_for(3);
        std::set<std::uint32_t> seen;
        for (const Ended& end : children.ends)
            seen.insert(end.record);
        check.that(seen == chosen, "which");
        for (const pid_t pid : pids)
            ::kill(pid, SIGKILL);
        children.wait_for(1000);
        for (const Ended& end : children.ends)
            children.reaper.reap(end.record);
        int status = 0;
        check.equal(::waitpid(-1, &status, WNOHANG), -1, "no zombie is left");
    });
}

TEST_CASE("reaper: one that has ended before it was added is said too") {
    in_clean_process([](Checker& check, Children& children) {
        const pid_t pid = ::fork();
        if (pid == 0) ::_exit(3);
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
        ProcessRecord& record = children.state.processes()[0];
        record.pid = pid;
        record.pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
        record.state = RecordState::running;
        check.that(children.reaper.add(0).has_value(), "add");
        children.wait_for(1);
        check.equal(WEXITSTATUS(children.ends[0].status), 3, "status");
        children.reaper.reap(0);
    });
}

TEST_CASE("reaper: the sweep takes what nobody has, and leaves what has a record") {
    in_clean_process([](Checker& check, Children& children) {
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        // A child that leaves a grandchild to its subreaper.
        const pid_t parent = ::fork();
        if (parent == 0) {
            if (::fork() == 0) ::_exit(1);
            ::_exit(0);
        }
        unsigned strangers = 0;
        while (strangers < 2)
            strangers += children.reaper.sweep(children.ends);
        check.equal(strangers, 2U, "strangers");
        check.equal(children.ends.size(), std::size_t{0}, "nobody's ends");

        const pid_t known = children.add(7);
        ::kill(known, SIGKILL);
        children.wait_for(1);
        check.equal(children.reaper.sweep(children.ends), 0U, "no stranger");
        check.that(children.exists(known), "still its owner's to reap");
        children.reaper.reap(7);
    });
}

TEST_CASE("reaper: a process without a pidfd is found by the sweep") {
    in_clean_process([](Checker& check, Children& children) {
        const pid_t pid = children.add(2, false);
        check.that(signal_process(children.state.processes()[2], SIGKILL), "signal by pid");
        while (children.ends.empty())
            (void)children.reaper.sweep(children.ends);
        check.equal(children.ends[0].record, 2U, "record");
        check.equal(WTERMSIG(children.ends[0].status), SIGKILL, "status");
        check.that(children.exists(pid), "reserved");
        children.reaper.reap(2);
        check.that(!children.exists(pid), "reaped");
    });
}

TEST_CASE("reaper: handlers of a superd that was killed end with their status known") {
    CHECK(in_own_process([](Checker& check) {
        check.need(reserve_slots().has_value(), "slots");
        State state = State::for_test();
        std::atomic<int>& seen = *static_cast<std::atomic<int>*>(::mmap(
                nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
        constexpr std::uint32_t count = 20;
        const auto body = [&seen](State& shared) {
            Reaper reaper = make_reaper(shared);
            if (shared.header().starts == 1) {
                // Its children become the guard's: each ends as its number, once it is told.
                for (std::uint32_t i = 0; i < count; ++i) {
                    const pid_t pid = ::fork();
                    if (pid == 0) {
                        int signal = 0;
                        sigset_t one;
                        ::sigemptyset(&one);
                        ::sigaddset(&one, SIGUSR1);
                        ::sigwait(&one, &signal);
                        ::_exit(static_cast<int>(i) + 10);
                    }
                    ProcessRecord& record = shared.processes()[i];
                    record.pid = pid;
                    record.pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
                    record.state = RecordState::running;
                }
                shared.header().process_high = count;
                // And one that no record knows.
                if (::fork() == 0) ::_exit(99);
                std::raise(SIGKILL);
            }
            std::vector<Ended> ends;
            for (std::uint32_t i = 0; i < count; ++i)
                if (!reaper.add(i)) return exit_first_start_failed;
            for (const ProcessRecord& record : shared.processes().first(count))
                (void)signal_process(record, SIGUSR1);
            std::uint32_t right = 0;
            std::size_t handled = 0;
            while (handled < count) {
                pollfd entry{.fd = reaper.fd(), .events = POLLIN, .revents = 0};
                ::poll(&entry, 1, 1);
                reaper.wait(ends);
                reaper.on_guard_signal(ends);
                for (; handled < ends.size(); ++handled) {
                    const Ended& end = ends[handled];
                    if (WIFEXITED(end.status) &&
                            WEXITSTATUS(end.status) == static_cast<int>(end.record) + 10)
                        ++right;
                    reaper.reap(end.record);
                    shared.processes()[end.record].state = RecordState::free;
                }
            }
            seen = static_cast<int>(right);
            return exit_stop;
        };
        const pid_t guard = ::fork();
        if (guard == 0) ::_exit(run_guard(state, {}, body));
        int status = 0;
        ::waitpid(guard, &status, 0);
        check.equal(WEXITSTATUS(status), 0, "guard");
        check.equal(seen.load(), static_cast<int>(count), "statuses");
    }) == "done\n");
}

TEST_CASE("reaper: an end that nobody can know the status of is said as unknown") {
    in_clean_process([](Checker& check, Children& children) {
        // Reaped by a superd that was killed before it had freed the record.
        const pid_t pid = children.add(4);
        ::kill(pid, SIGKILL);
        int status = 0;
        ::waitpid(pid, &status, 0);
        children.wait_for(1);
        check.equal(children.ends[0].record, 4U, "record");
        check.equal(children.ends[0].status, -1, "status");
        children.reaper.reap(4);
    });
}

TEST_CASE("reaper: an end that nobody saw is said too where there is no pidfd") {
    in_clean_process([](Checker& check, Children& children) {
        const pid_t pid = ::fork();
        if (pid == 0) ::_exit(0);
        ::waitpid(pid, nullptr, 0);
        ProcessRecord& record = children.state.processes()[3];
        record.pid = pid;
        record.pidfd = -1;
        record.state = RecordState::running;
        check.that(children.reaper.add(3).has_value(), "add");
        children.reaper.on_guard_signal(children.ends);
        check.need(children.ends.size() == 1, "said");
        check.equal(children.ends[0].record, 3U, "record");
        check.equal(children.ends[0].status, -1, "status");
        children.reaper.reap(3);
        children.reaper.on_guard_signal(children.ends);
        check.equal(children.ends.size(), std::size_t{1}, "once");
    });
}

namespace {

// What the guard would find when it is told of an acknowledgement.
const ProcessRecord* looked_at = nullptr;
volatile sig_atomic_t was_free = -1;

void look(int) {
    was_free = looked_at->state.load() == RecordState::free ? 1 : 0;
}

}  // namespace

TEST_CASE("reaper: the record is free before the guard may let the process go") {
    in_clean_process([](Checker& check, Children& children) {
        ProcessRecord& record = children.state.processes()[1];
        const pid_t pid = children.add(1);
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        // As a child of the guard's, which it has told of.
        GuardExit& exit = children.state.header().exits[0];
        exit.status = 9;
        exit.pid = pid;
        children.wait_for(1);
        looked_at = &record;
        ::signal(guard_signal(), look);
        children.state.header().guard_pid = ::getpid();
        children.reaper.reap(1);
        check.equal(exit.acknowledged.load(), 1U, "acknowledged");
        check.equal(static_cast<int>(was_free), 1, "free by then");
    });
}

TEST_CASE("reaper: a sweep takes a bounded number of strangers, and says so") {
    in_clean_process([](Checker& check, Children& children) {
        constexpr unsigned count = 5;
        for (unsigned i = 0; i < count; ++i) {
            const pid_t pid = ::fork();
            if (pid == 0) ::_exit(0);
            siginfo_t info{};
            ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
        }
        check.equal(children.reaper.sweep(children.ends, 3), 3U, "as many as asked for");
        check.equal(children.reaper.sweep(children.ends, 3), 2U, "the others");
        check.equal(children.reaper.sweep(children.ends, 3), 0U, "none");
    });
}

TEST_CASE("reaper: the end of a process that a tracer holds is said when it lets go") {
    in_clean_process([](Checker& check, Children& children) {
        const pid_t pid = children.add(6);
        int told[2], let_go[2];
        check.need(::pipe(told) == 0 && ::pipe(let_go) == 0, "pipes");
        const pid_t tracer = ::fork();
        if (tracer == 0) {
            ::close(let_go[1]);
            char done = ::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0 ? 1 : 0;
            ::kill(pid, SIGKILL);
            (void)!::write(told[1], &done, 1);
            // Its parent may not have it before the tracer has gone.
            (void)!::read(let_go[0], &done, 1);
            ::_exit(0);
        }
        char traced = 0;
        check.need(::read(told[0], &traced, 1) == 1 && traced == 1, "a tracer");
        pollfd ended{.fd = children.reaper.fd(), .events = POLLIN, .revents = 0};
        check.need(::poll(&ended, 1, 30000) == 1, "its pidfd tells of its end");
        children.reaper.wait(children.ends);
        check.equal(children.ends.size(), std::size_t{0}, "nothing before that");
        ::close(let_go[1]);
        check.need(::poll(&ended, 1, 30000) == 1, "once more");
        children.reaper.wait(children.ends);
        check.need(children.ends.size() == 1, "said");
        check.equal(WTERMSIG(children.ends[0].status), SIGKILL, "status");
        children.reaper.reap(6);
        ::waitpid(tracer, nullptr, 0);
    });
}

TEST_CASE("reaper: a child that has its parent trace it hides no other from the sweep") {
    in_clean_process([](Checker& check, Children& children) {
        const pid_t stopped = start_traced(check);
        siginfo_t info{};
        const pid_t other = ::fork();
        if (other == 0) ::_exit(0);
        ::waitid(P_PID, static_cast<id_t>(other), &info, WEXITED | WNOWAIT);
        check.equal(children.reaper.sweep(children.ends, 5), 1U, "the other one");
        check.that(children.exists(stopped), "the stopped one lives");
        ::kill(stopped, SIGKILL);
        ::waitpid(stopped, nullptr, 0);
    });
}

TEST_CASE("reaper: many stops of traced children are passed over in turns, and no end lost") {
    in_clean_process([](Checker& check, Children&) {
        std::vector<pid_t> stopped;
        for (int i = 0; i < 5; ++i)
            stopped.push_back(start_traced(check));
        const pid_t other = ::fork();
        if (other == 0) ::_exit(7);
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(other), &info, WEXITED | WNOWAIT);
        for (int turn = 0; turn < 2; ++turn) {
            const NextExit next = next_exit(2);
            check.that(next.more, "there is more");
            check.equal(next.info.si_pid, 0, "none yet");
        }
        const NextExit next = next_exit(2);
        check.that(!next.more, "nothing more");
        check.equal(next.info.si_pid, other, "the one that has ended");
        for (const pid_t pid : stopped) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
    });
}

TEST_CASE("reaper: a child that was stopped goes on, one that runs is left alone") {
    Children children;
    const pid_t pid = children.add(0);
    const int pidfd = children.state.processes()[0].pidfd.load();
    REQUIRE(pidfd >= 0);
    CHECK_FALSE(continue_if_stopped(pidfd));
    CHECK_FALSE(continue_if_stopped(-1));
    ::kill(pid, SIGSTOP);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WNOWAIT) == 0);
    CHECK(continue_if_stopped(pidfd));
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WCONTINUED) == 0);
    CHECK(info.si_code == CLD_CONTINUED);
    CHECK_FALSE(continue_if_stopped(pidfd));
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
}
