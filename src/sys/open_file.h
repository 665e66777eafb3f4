// SPDX-License-Identifier: MIT
// What a descriptor stands for, without a question to a file system that may never answer.
#pragma once

#include <cstdint>
#include <vector>

namespace superd {

// As far as the kernel knows it without asking who serves the file.
struct FileIdentity {
    std::uint64_t device = 0, inode = 0;
    std::uint32_t type = 0;  // S_IFMT of its mode; 0: an anonymous one, or unknown
    int flags = 0;           // how it was opened: F_GETFL

    bool operator==(const FileIdentity&) const = default;
};

[[nodiscard]] FileIdentity file_identity(int fd);

// Whether it is told when the other side has gone. Of regular files there is none, and one of
// FUSE answers epoll_ctl(2) when it likes.
[[nodiscard]] bool can_hang_up(const FileIdentity& file);

// Descriptors in the order in which kcmp(2) has the open files behind them: which of them are
// copies of one another costs a few comparisons, however many there are. Where the kernel
// refuses kcmp, copies of sockets and pipes are known by their inode.
class OpenFiles {
public:
    // False where one that stands for the same open file is there already.
    bool add(int fd, const FileIdentity& file);
    // Before it is closed.
    void remove(int fd);

private:
    struct Known {
        int fd;
        FileIdentity file;
    };

    [[nodiscard]] bool holds_alike(const FileIdentity& file) const;

    std::vector<Known> files_;
};

}  // namespace superd
