// SPDX-License-Identifier: MIT
// Compresses an ended log file: the only file that knows zlib.
#include "log/gzip.h"

#include <cerrno>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/fd.h"

namespace superd {

namespace {

constexpr std::size_t chunk = 64 * 1024;
constexpr int gzip_window = 15 + 16;  // zlib.h: 16 asks for a gzip header

struct Deflate {
    Deflate() {
        good = ::deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_window, 8,
                       Z_DEFAULT_STRATEGY) == Z_OK;
    }

    ~Deflate() {
        if (good) ::deflateEnd(&stream);
    }

    Deflate(const Deflate&) = delete;
    Deflate& operator=(const Deflate&) = delete;

    z_stream stream{};
    bool good = false;
};

bool write_whole(int fd, const unsigned char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t n = ::write(fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        data += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

Result<void> compress(int from, int to, const std::string& name) {
    Deflate deflate;
    if (!deflate.good) return fail(ENOMEM, "deflateInit", name);
    std::vector<unsigned char> in(chunk), out(chunk);
    for (bool last = false; !last;) {
        const ssize_t n = ::read(from, in.data(), in.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail("read", name);
        last = n == 0;
        deflate.stream.next_in = in.data();
        deflate.stream.avail_in = static_cast<unsigned>(n);
        do {
            deflate.stream.next_out = out.data();
            deflate.stream.avail_out = static_cast<unsigned>(out.size());
            ::deflate(&deflate.stream, last ? Z_FINISH : Z_NO_FLUSH);
            if (!write_whole(to, out.data(), out.size() - deflate.stream.avail_out))
                return fail("write", name);
        } while (deflate.stream.avail_out == 0);
    }
    if (::fsync(to) != 0) return fail("fsync", name);
    return {};
}

}  // namespace

Result<void> gzip_file(int directory, const std::string& name) {
    constexpr int open_flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    const Fd from(::openat(directory, name.c_str(), O_RDONLY | open_flags));
    if (!from) return fail("open", name);
    if (::flock(from.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return fail(EBUSY, "flock", name);

    struct stat status {};

    if (::fstat(from.get(), &status) != 0) return fail("fstat", name);
    const std::string part = name + ".gz.part-" + std::to_string(::getpid()),
                      whole = name + ".gz";
    // One of that name is of a superd-log that was killed: in a container pids come again.
    ::unlinkat(directory, part.c_str(), 0);
    const Fd to(::openat(directory, part.c_str(), O_WRONLY | O_CREAT | O_EXCL | open_flags,
            status.st_mode & 07777));
    if (!to) return fail("open", part);
    auto done = compress(from.get(), to.get(), name);
    if (done && ::renameat(directory, part.c_str(), directory, whole.c_str()) != 0)
        done = fail("rename", part);
    // Where it is gone already, somebody has thrown it away and will throw this one away, too.
    ::unlinkat(directory, done ? name.c_str() : part.c_str(), 0);
    return done;
}

}  // namespace superd
