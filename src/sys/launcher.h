// SPDX-License-Identifier: MIT
// One launch after the other, in one thread: descriptors into place, clone, what became of it.
#pragma once

#include <array>

#include "base/fd.h"
#include "sys/clone.h"
#include "sys/launch_buffer.h"
#include "sys/spawner.h"
#include "sys/state.h"

namespace superd {

class Launcher {
public:
    // index: of the thread; the first hot_slots threads have a slot each. null: a loan of
    // /dev/null, above the slots.
    Launcher(const State& state, SpawnMethod method, unsigned index, int null);

    // Blocks until the child has exec'd or died. launch.connection is closed in this process
    // when it returns. The result's timed_out is left to the caller.
    [[nodiscard]] LaunchResult run(Launch& launch);

private:
    [[nodiscard]] bool has_slot(const Launch& launch) const;
    [[nodiscard]] LaunchNumbers enter_slot(Launch& launch);
    void leave_slot(const Launch& launch, const LaunchNumbers& numbers);
    [[nodiscard]] static LaunchResult finish(
            const Launch& launch, ProcessRecord& record, int pid);
    // Without a child.
    [[nodiscard]] static LaunchResult give_up(
            const Launch& launch, ProcessRecord& record, SpawnStage stage, int error);
    [[nodiscard]] LaunchResult clone_where_wanted(
            const Launch& launch, ChildWork& work, ProcessRecord& record);
    // attempts: how often a child was tried to be made.
    [[nodiscard]] int clone_and_wait(
            const Launch& launch, ChildWork& work, ProcessRecord& record, unsigned& attempts);
    [[nodiscard]] int fork_and_wait(CloneRequest& request, ChildWork& work);
    void keep_spares();

    const State& state_;
    SpawnMethod method_;
    int slot_;  // -1: none
    int null_;
    ChildStack stack_;
    LaunchBuffer buffer_;
    std::uint64_t ignored_signals_;
    // A launch by plain fork needs three descriptors more than its connection has, and at the
    // end of superd's own would lose a client that was let in already.
    std::array<Fd, 3> spares_;
};

// Switches off a linger time that whoever held the socket may have set: it would make close(2)
// wait as long as that process liked. A reset on close (time 0) stays.
void forget_linger(int fd);

// Bit n-1: signal n is ignored in this process, and would be in every child.
[[nodiscard]] std::uint64_t ignored_signals();

}  // namespace superd
