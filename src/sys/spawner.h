// SPDX-License-Identifier: MIT
// Launching: a growable pool of threads, each with a stack and, the first of them, a launch
// slot.
//
// The loop submits; a thread clones with CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD |
// CLONE_PARENT_SETTID; the child leaves the shared table, closes all other slots, marks its
// record `left` and does the sequence of its SpawnPlan with raw system calls only. When it has
// exec'd or died the thread covers the slot's numbers with /dev/null again and queues a result.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "policy/spawn_plan.h"
#include "sys/closer.h"
#include "sys/state.h"

namespace superd {

// How a child is made. `shared_table` is the usual way; the others stand behind the same
// interface where close_range(2) or clone(2) are refused, under sanitizers and valgrind, and
// for launches that need more descriptors than a slot has: workers, and where superd-exec
// steps in.
enum class SpawnMethod : std::uint8_t { shared_table, vfork, fork };

// What this kernel and this process's seccomp filter allow; asked once, before any thread.
// dumpable_file: where fs.suid_dumpable stands.
[[nodiscard]] SpawnMethod probe_spawn_method(
        const char* dumpable_file = "/proc/sys/fs/suid_dumpable");

// The numbers of the launch slots: FIRST_SLOT .. low-1 are kept occupied by /dev/null from the
// guard's first act on; everything else lives above.
inline constexpr int first_slot = 3;
inline constexpr int slot_width = 4;
inline constexpr int hot_slots = 32;
inline constexpr int low_number = first_slot + slot_width * hot_slots;
// Occupies the slots' numbers. Call before anything else is opened.
[[nodiscard]] Result<void> reserve_slots();

// superd-exec, where it steps in before the service. Loans that stay open until the result was
// drained.
struct StepIn {
    bool wanted = false;
    int program = -1;  // superd-exec itself, opened; -1: there is none, and the launch fails
    int spec = -1;     // memory file with the encoded ExecSpec
    int report = -1;   // StateHeader::report_fd[1]
    std::uint64_t connection = 0;   // ProcessRecord::id
    std::uint32_t banner_sent = 0;  // bytes
};

// A descriptor for a child that is started later. It stays open with the loan where that names
// an owner; else whoever lends it keeps it open until the result was drained.
struct Loan {
    Loan() = default;

    // NOLINTNEXTLINE(google-explicit-constructor): a number is a loan
    Loan(int number) : fd(number) {}

    explicit Loan(std::shared_ptr<const Fd> of)
            : fd(of ? of->get() : -1), owner(std::move(of)) {}

    int fd = -1;
    std::shared_ptr<const Fd> owner;
};

struct Launch {
    std::uint32_t record = 0;   // State::processes() index; state accepted, pid 0
    std::uint32_t service = 0;  // for the share
    std::shared_ptr<const SpawnPlan> plan;
    ConnectionFacts facts;       // handlers; facts.local_path must outlive the launch
    int connection = -1;         // handler: owned by the spawner from submit() on
    std::vector<int> listeners;  // worker: in the order of listen_fdnames; submit() copies them
    Loan standard_error;         // the log stream or a file; -1: /dev/null, or the socket
    Loan standard_output;        //   where the plan says so
    Loan cgroup;                 // directory of the control group it is to be in; -1: superd's
    std::string cgroup_processes{};  // its cgroup.procs, where it cannot be born there

    int copy_error = 0;  // errno where a listener (by submit()) or one of `stored` could not
                         // be copied

    // Takes O_NONBLOCK off the listeners, which servers of inetd's "wait" and of systemd
    // expect. The flag is the open file's, not the descriptor's: false where another process
    // already has these listeners and may have set it for its own event loop.
    bool listeners_blocking = true;

    StepIn step_in;  // handlers only

    // Workers and daemons only.
    std::vector<std::string> variables;  // "NAME=value", beside the plan's
    std::vector<Loan> stored;            // kept for it: behind its sockets, from 3 up
    std::string stored_names;            // "state:web"
    bool watched = false;                // WATCHDOG_PID is to be its pid
    Loan ready;                          // what it writes to when it is ready; -1: nothing
    std::uint32_t ready_number = 0;      // ... by that number
};

struct LaunchResult {
    std::uint32_t record = 0;
    std::uint32_t service = 0;
    SpawnStage stage = SpawnStage::none;  // where it failed; none: exec succeeded
    int error = 0;                        // errno
    bool timed_out = false;
};

struct SpawnerOptions {
    SpawnMethod method = SpawnMethod::shared_table;
    unsigned threads = 4;  // at the start; grows to `ceiling` while launches wait
    unsigned ceiling = 256;
    unsigned share = 16;  // launches one service may have in hand; more wait their turn
};

class Spawner {
public:
    Spawner(const State& state, const SpawnerOptions& options);
    // Waits a second for what threads have begun, then kills what has not exec'd; closes the
    // connections of launches that no thread has.
    ~Spawner();
    Spawner(const Spawner&) = delete;
    Spawner& operator=(const Spawner&) = delete;

    // Loop thread. Takes over launch.connection. The listeners may be closed from then on.
    void submit(Launch launch);
    // eventfd, readable when results are there.
    [[nodiscard]] int event_fd() const;
    // Appends the results that are there and clears the eventfd. Loop thread.
    void drain(std::vector<LaunchResult>& out);
    // Kills what has not exec'd within its launch_timeout, adds a thread where launches have
    // waited. To be called every 5 ms or so while pending() > 0.
    void tick(Mono now);
    [[nodiscard]] std::size_t pending() const;  // submitted, not yet drained
    [[nodiscard]] std::size_t pending(std::uint32_t service) const;  // of one service

    // Closes a descriptor that another process has held, on a thread of its own: SO_LINGER and
    // network file systems make close(2) block.
    void close_later(int fd, Closer::Linger linger = Closer::Linger::forget);
    // ... how many it has not closed yet.
    [[nodiscard]] std::size_t closing() const;

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace superd
