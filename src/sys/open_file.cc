// SPDX-License-Identifier: MIT
// What a descriptor stands for.
#include "sys/open_file.h"

#include <algorithm>

#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace superd {

namespace {

enum class Comparison : std::uint8_t { same, less, more, unknown };

// kcmp(2) orders open files by what it does not say, the same way as long as the machine runs.
Comparison compare(int a, int b) {
    const auto self = static_cast<long>(::getpid());
    const long result = ::syscall(SYS_kcmp, self, self, KCMP_FILE,
            static_cast<unsigned long>(a), static_cast<unsigned long>(b));
    switch (result) {
        case 0: return Comparison::same;
        case 1: return Comparison::less;
        case 2: return Comparison::more;
        default: return Comparison::unknown;
    }
}

}  // namespace

FileIdentity file_identity(int fd) {
    struct statx facts {};

    FileIdentity file;
    file.flags = ::fcntl(fd, F_GETFL);
    if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &facts) !=
            0)
        return file;
    file.device = std::uint64_t{facts.stx_dev_major} << 32 | facts.stx_dev_minor;
    file.inode = facts.stx_ino;
    file.type = facts.stx_mode & S_IFMT;
    return file;
}

bool can_hang_up(const FileIdentity& file) {
    return file.type != S_IFREG && file.type != S_IFDIR && file.type != S_IFBLK &&
           (file.flags & O_PATH) == 0;
}

bool OpenFiles::holds_alike(const FileIdentity& file) const {
    if (file.type != S_IFSOCK && file.type != S_IFIFO) return false;
    return std::any_of(files_.begin(), files_.end(),
            [&file](const Known& known) { return known.file == file; });
}

bool OpenFiles::add(int fd, const FileIdentity& file) {
    bool unknown = false;
    const auto at = std::lower_bound(
            files_.begin(), files_.end(), fd, [&unknown](const Known& known, int wanted) {
                const Comparison result = compare(known.fd, wanted);
                unknown = unknown || result == Comparison::unknown;
                return result == Comparison::less;
            });
    if (unknown ? holds_alike(file)
                : at != files_.end() && compare(at->fd, fd) == Comparison::same)
        return false;
    files_.insert(unknown ? files_.end() : at, Known{fd, file});
    return true;
}

void OpenFiles::remove(int fd) {
    std::erase_if(files_, [fd](const Known& known) { return known.fd == fd; });
}

}  // namespace superd
