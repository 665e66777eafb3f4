// SPDX-License-Identifier: MIT
// A process that runs only where nobody else wants the processor, for a time.
#pragma once

#include <cstdint>

namespace superd {

// False where it was not done, also because superd could not take it back: that takes
// CAP_SYS_NICE; or where superd itself has a policy of its own, which the process inherited.
[[nodiscard]] bool enter_idle_priority(std::int32_t pid);
// All threads that it has by now.
void leave_idle_priority(std::int32_t pid);

}  // namespace superd
