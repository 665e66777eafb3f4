// SPDX-License-Identifier: MIT
// Atomic installation of files.
#include "control/install.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace superd {

namespace {

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

// Turns the path of a file into that of one beside it. A hidden one: include = ["superd.d/*"]
// must not take it for the host's.
Result<Fd> open_temporary(std::string& name) {
    const auto slash = name.rfind('/');
    const std::size_t file = slash == std::string::npos ? 0 : slash + 1;
    name = name.substr(0, file) + '.' + name.substr(file) + ".XXXXXX";
    Fd fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd) return fail("create", name);
    return fd;
}

Result<void> write_all(int fd, std::string_view text, const std::string& name) {
    while (!text.empty()) {
        const auto put = ::write(fd, text.data(), text.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail("write", name);
        text.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

Result<void> sync_path(const std::string& path, int flags) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
    if (!fd) return fail("open", path);
    if (::fsync(fd.get()) < 0) return fail("fsync", path);
    return {};
}

// Owner first: it takes set-id bits away, and the mode decides who may read.
Result<void> dress_like(int fd, const struct stat& facts, const std::string& name) {
    if (::fchown(fd, facts.st_uid, facts.st_gid) < 0 && errno != EPERM)
        return fail("chown", name);
    if (::fchmod(fd, facts.st_mode & 07777) < 0) return fail("chmod", name);
    return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail("open", path);
    std::string text;
    char buffer[4096];
    for (;;) {
        const auto got = ::read(fd.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail("read", path);
        if (got == 0) return text;
        text.append(buffer, static_cast<std::size_t>(got));
    }
}

Result<std::string> copy_beside(const std::string& path) {
    const auto text = read_file(path);
    if (!text) return tl::unexpected(text.error());

    struct stat facts {};

    if (::stat(path.c_str(), &facts) < 0) return fail("stat", path);
    std::string name = path;
    const auto fd = open_temporary(name);
    if (!fd) return tl::unexpected(fd.error());
    auto done = dress_like(fd->get(), facts, name);
    if (done) done = write_all(fd->get(), *text, name);
    if (done) return name;
    ::unlink(name.c_str());
    return tl::unexpected(done.error());
}

Result<void> install_copy(const std::string& copy, const std::string& path) {
    struct stat facts {};

    // An editor may have written a new file in the copy's place: with whatever owner and mode.
    if (::stat(path.c_str(), &facts) == 0) {
        const Fd fd(::open(copy.c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd) return fail("open", copy);
        if (auto done = dress_like(fd.get(), facts, copy); !done) return done;
    }
    if (auto done = sync_path(copy, 0); !done) return done;
    if (::rename(copy.c_str(), path.c_str()) < 0) return fail("rename", path);
    return sync_path(folder_of(path), O_DIRECTORY);
}

Result<void> exchange(const std::string& copy, const std::string& path) {
    if (auto done = sync_path(copy, 0); !done) return done;
    if (::renameat2(AT_FDCWD, copy.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) < 0)
        return fail("exchange", path);
    return sync_path(folder_of(path), O_DIRECTORY);
}

Result<void> write_file(const std::string& path, const std::string& text) {
    const auto folder = folder_of(path);
    if (::mkdir(folder.c_str(), 0755) < 0 && errno != EEXIST) return fail("mkdir", folder);
    std::string name = path;
    const auto fd = open_temporary(name);
    if (!fd) return tl::unexpected(fd.error());
    auto done = write_all(fd->get(), text, name);
    if (done && ::fchmod(fd->get(), 0644) < 0) done = fail("chmod", name);
    if (done) done = install_copy(name, path);
    if (!done) ::unlink(name.c_str());
    return done;
}

}  // namespace superd
