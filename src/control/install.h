// SPDX-License-Identifier: MIT
// Puts a new text in the place of a file, in one step.
#pragma once

#include <string>

#include "base/result.h"

namespace superd {

// A copy of `path` beside it, with its owner, group and mode; nobody else reads it before that.
// Returns its name, "FOLDER/.NAME.XXXXXX", which no pattern of include takes in.
[[nodiscard]] Result<std::string> copy_beside(const std::string& path);

// What was written to `copy` reaches the disk, then takes the place of `path`.
[[nodiscard]] Result<void> install_copy(const std::string& copy, const std::string& path);

// Both change places: what `path` named is `copy` now.
[[nodiscard]] Result<void> exchange(const std::string& copy, const std::string& path);

// The file holds `text` in one step: mode 0644 where it was not there, else as it was. Its
// folder is made where it is missing.
[[nodiscard]] Result<void> write_file(const std::string& path, const std::string& text);

[[nodiscard]] Result<std::string> read_file(const std::string& path);

}  // namespace superd
