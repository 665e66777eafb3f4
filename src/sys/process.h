// SPDX-License-Identifier: MIT
// Signals to a process that has a record.
#pragma once

#include "sys/state.h"

namespace superd {

// Through its pidfd where there is one. Without one through its pid, which is right as long as
// superd or the guard has not reaped it. False where there is no such process (any more).
bool signal_process(const ProcessRecord& record, int signal);

}  // namespace superd
