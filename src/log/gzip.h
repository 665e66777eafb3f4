// SPDX-License-Identifier: MIT
// Compresses an ended log file in its directory.
#pragma once

#include <string>

#include "base/result.h"

namespace superd {

// Writes NAME.gz.part-PID beside NAME, gives it the name NAME.gz once it is whole and on the
// disk, and removes NAME. EBUSY: somebody still writes to NAME (has it locked with flock(2));
// it stays. After any other error NAME is as it was. Takes as long as it takes: not for a loop.
[[nodiscard]] Result<void> gzip_file(int directory, const std::string& name);

}  // namespace superd
