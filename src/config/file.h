// SPDX-License-Identifier: MIT
// Reading a configuration file as a file: what it is, how large, whose.
#pragma once

#include <cstddef>
#include <string>
#include <tl/expected.hpp>

#include <sys/types.h>

namespace superd {

constexpr std::size_t max_file_size = std::size_t{16} << 20;

// A sentence for a diagnostic, and what mends it.
struct FileProblem {
    std::string message, suggestion;
};

struct FileContent {
    std::string text;
    dev_t device = 0;
    ino_t inode = 0;
};

// The whole of a regular file of at most max_file_size bytes. A FIFO, a device or a directory
// is a problem and never blocks.
[[nodiscard]] tl::expected<FileContent, FileProblem> read_regular_file(const std::string& path);

// Whether nobody but root can change what `path` names: the file, each folder on the way and,
// where one of them is a symbolic link, those of its target belong to root and cannot be
// written by group or others. path is absolute. problem.message is empty where all is well.
[[nodiscard]] FileProblem find_foreign_writer(const std::string& path);

// path made absolute by the working directory, "." and empty parts removed; ".." stays, since
// what it means depends on symbolic links.
[[nodiscard]] std::string absolute_path(const std::string& path);

}  // namespace superd
