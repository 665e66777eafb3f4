// SPDX-License-Identifier: MIT
// Learning that processes have ended, at a cost that does not grow with how many live.
//
// Each process has a pidfd in an epoll set. An end is first peeked: the owner acts while the
// pid still is reserved, then reaps. Children of a superd that was killed are the guard's:
// their status comes through StateHeader::exits. Loop thread only.
#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "sys/state.h"

namespace superd {

struct Ended {
    std::uint32_t record = 0;
    int status = -1;  // wait status as of waitpid(2); -1: nobody knows it any more
};

class Reaper {
public:
    [[nodiscard]] static Result<Reaper> create(const State& state);

    // Readable when wait() has something to say.
    [[nodiscard]] int fd() const { return set_.get(); }

    // Watches the process of a record with pid set, and pidfd where there is one. Once a
    // process, after its launch result was drained, or at recovery.
    [[nodiscard]] Result<void> add(std::uint32_t record);

    // Another process takes the place of a record's: from now on it is watched, and the one
    // before, if it is superd's or the guard's child, let go when it ends. Its parent may be
    // anybody, and then nobody here learns its status.
    [[nodiscard]] Result<void> follow(std::uint32_t record, std::int32_t pid, Fd pidfd);

    // Appends processes that have ended, each once. Up to 64 a call; never blocks.
    void wait(std::vector<Ended>& out);
    // To be called on guard_signal (sys/guard.h), and once after recovery: it also says which
    // of those that were added have gone already, with nobody to know how.
    void on_guard_signal(std::vector<Ended>& out);
    // Frees the record, so that no later superd looks for the process, lets the kernel forget
    // it, or has the guard do so, and closes the pidfd. For one that has ended, or whose launch
    // has failed. The owner gives the record's index out again only afterwards.
    void reap(std::uint32_t record);
    // For SIGCHLD: reaps children that have no record (their parent died and superd is their
    // subreaper) and finds ends of processes without pidfd. Walks all children in the kernel.
    // Takes at most so many strangers, for a service can leave more of them than superd has
    // time for, and returns their number: where it is at_most, there may be more. It is where
    // next_exit() has said so, too.
    unsigned sweep(std::vector<Ended>& out, unsigned at_most = most_strangers);

    static constexpr unsigned most_strangers = 64;

private:
    explicit Reaper(const State& state) : state_(&state) {}

    [[nodiscard]] ProcessRecord& at(std::uint32_t record) const;
    [[nodiscard]] const ProcessRecord* find(std::int32_t pid) const;
    [[nodiscard]] GuardExit* exit_of(std::int32_t pid) const;
    void let_go(std::int32_t pid) const;
    void peek(std::uint32_t record, std::vector<Ended>& out);
    void acknowledge(GuardExit& exit) const;

    const State* state_;
    Fd set_;
    std::vector<std::uint32_t> awaiting_;  // ended, but the guard has not said how
    std::vector<std::uint32_t> gone_;      // had no pidfd and no process when added
    std::unordered_map<std::int32_t, std::uint32_t> without_pidfd_;  // pid: record
};

// A child of this process that has ended and was not reaped, by waitid(2), which always shows
// the same one until then. A child that asked to be traced by its parent is shown by it at each
// of its stops, too (ptrace(2)): those are taken and passed over, at most so many of them.
struct NextExit {
    siginfo_t info{};   // si_pid 0: none was found
    bool more = false;  // for all those stops: the caller comes again soon
};

inline constexpr unsigned most_stops = 4096;

[[nodiscard]] NextExit next_exit(unsigned stops = most_stops);

// Whether a child (by its pidfd, -1: false) had been stopped by a signal; it goes on then.
bool continue_if_stopped(int pidfd);

// The wait status of what waitid(2) filled in.
[[nodiscard]] int wait_status(int code, int status);

}  // namespace superd
