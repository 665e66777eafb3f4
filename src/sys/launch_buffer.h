// SPDX-License-Identifier: MIT
// Lays out what one child needs before it is cloned: pointers, environment, descriptor map.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sys/child.h"
#include "sys/spawner.h"

namespace superd {

// Where the launch's descriptors are when the child starts.
struct LaunchNumbers {
    int connection = -1;      // or -1
    int standard_error = -1;  // -1: none was given
    int standard_output = -1;
    int null = -1;  // /dev/null
};

// Belongs to one thread and is used again for each launch: no allocation once it has grown. The
// environment lives here and not in the plan, which concurrent children share.
class LaunchBuffer {
public:
    LaunchBuffer();

    // Valid until the next call, as long as launch lives and does not change. slot, exec_pipe,
    // sharing and record are left to the caller.
    [[nodiscard]] ChildWork& prepare(const Launch& launch, const LaunchNumbers& numbers);

private:
    void map_descriptors(const Launch& launch, const LaunchNumbers& numbers);
    void write_environment(const Launch& launch);
    void write_arguments(const SpawnPlan& plan);
    void write_step_in(const Launch& launch);
    void write_connection_variables(const Launch& launch);
    void append_variables(std::vector<char*>& to);
    void write_oom_score(const SpawnPlan& plan);
    void write_cpu_mask(const SpawnPlan& plan);

    ChildWork work_;
    std::vector<int> sources_;
    std::size_t passed_ = 0;  // sockets from 3 up
    std::string text_;        // the variables of this launch, each ended by NUL
    std::vector<char*> argv_, environment_;
    std::string oom_text_;
    std::string call_text_;  // superd-exec's argv[1]
    std::vector<unsigned long> cpu_mask_;
};

}  // namespace superd
