// SPDX-License-Identifier: MIT
// Signals to a process that has a record.
#include "sys/process.h"

#include <csignal>

#include "sys/raw_syscall.h"

namespace superd {

bool signal_process(const ProcessRecord& record, int signal) {
    const std::int32_t pidfd = record.pidfd.load();
    if (pidfd >= 0) return raw_call(SYS_pidfd_send_signal, pidfd, signal, 0, 0) == 0;
    const std::int32_t pid = record.pid.load();
    return pid > 0 && ::kill(pid, signal) == 0;
}

}  // namespace superd
