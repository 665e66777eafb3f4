// SPDX-License-Identifier: MIT
#include "sys/idle_priority.h"

#include <string>

#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include "base/text.h"

namespace superd {

bool enter_idle_priority(std::int32_t pid) {
    if (pid <= 0 || ::geteuid() != 0 || ::sched_getscheduler(0) != SCHED_OTHER) return false;
    const sched_param parameters{};
    return ::sched_setscheduler(pid, SCHED_IDLE, &parameters) == 0;
}

void leave_idle_priority(std::int32_t pid) {
    const sched_param parameters{};
    // Threads inherit it: twice, for the first time another one may just be made.
    for (int i = 0; i < 2; ++i) {
        DIR* const threads = ::opendir(("/proc/" + std::to_string(pid) + "/task").c_str());
        if (threads == nullptr) {
            ::sched_setscheduler(pid, SCHED_OTHER, &parameters);
            return;
        }
        while (const dirent* const entry = ::readdir(threads)) {
            const auto thread = parse_decimal(entry->d_name);
            if (!thread) continue;
            const auto number = static_cast<pid_t>(*thread);
            if (::sched_getscheduler(number) == SCHED_IDLE)
                ::sched_setscheduler(number, SCHED_OTHER, &parameters);
        }
        ::closedir(threads);
    }
}

}  // namespace superd
