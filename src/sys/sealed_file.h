// SPDX-License-Identifier: MIT
// Bytes that nobody can change any more, as a file without a name.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace superd {

// A sealed memory file, close-on-exec; name is for those who look into /proc.
[[nodiscard]] Result<Fd> sealed_file(const std::string& name, std::string_view bytes);

}  // namespace superd
