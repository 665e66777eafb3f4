// SPDX-License-Identifier: MIT
// Reading a configuration file as a file: what it is, how large, whose.
#include "config/file.h"

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <deque>
#include <optional>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/result.h"
#include "base/text.h"

namespace superd {

namespace {

constexpr unsigned max_links = 40;  // as the kernel's own bound

tl::unexpected<FileProblem> problem(std::string message, std::string suggestion = {}) {
    return tl::unexpected(FileProblem{std::move(message), std::move(suggestion)});
}

std::string_view kind_name(mode_t mode) {
    if (S_ISDIR(mode)) return "a folder";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

std::string read_error(int code) {
    return "cannot be read: " + errno_text(code);
}

std::string size_error() {
    return "is larger than " + std::to_string(max_file_size >> 20) + " MiB";
}

// Everything up to the end of the file, which may grow meanwhile.
tl::expected<std::string, FileProblem> read_all(const Fd& fd, std::size_t expected) {
    std::string text;
    std::size_t size = 0;
    for (;;) {
        // One byte more than expected, so that the end is seen without growing.
        if (size == text.size()) text.resize(size == 0 ? expected + 1 : 2 * size + 4096);
        const ssize_t n = ::read(fd.get(), text.data() + size, text.size() - size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return problem(read_error(errno));
        if (n == 0) break;
        size += static_cast<std::size_t>(n);
        if (size > max_file_size) return problem(size_error());
    }
    text.resize(size);
    return text;
}

// What keeps `path` from being root's alone.
std::optional<FileProblem> judge(const std::string& path, const struct stat& status) {
    const std::string what = S_ISDIR(status.st_mode) ? "folder " : "file ";
    const std::string shown = escape(path);
    if (status.st_uid != 0) {
        return FileProblem{what + shown + " does not belong to root but to uid " +
                                   std::to_string(status.st_uid),
                "chown root " + shown};
    }
    const mode_t writable = status.st_mode & (S_IWGRP | S_IWOTH);
    if (writable == 0) return std::nullopt;
    // As /tmp: others may put something in, but not in the place of what is root's.
    if (S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0) return std::nullopt;
    const bool group = (writable & S_IWGRP) != 0, others = (writable & S_IWOTH) != 0;
    return FileProblem{what + shown + " can be written by " +
                               (group && others ? "its group and others"
                                       : group  ? "its group"
                                                : "others"),
            std::string("chmod ") + (group ? "g" : "") + (others ? "o" : "") + "-w " + shown};
}

// Follows a path part by part, as the kernel does.
class Walk {
public:
    explicit Walk(const std::string& path) { push_front(path); }

    FileProblem run() {
        if (auto found = look(current_)) return *found;
        while (!parts_.empty()) {
            const std::string part = parts_.front();
            parts_.pop_front();
            if (auto found = step(part)) return *found;
        }
        return {};
    }

private:
    void push_front(std::string_view path) {
        const auto parts = split(path, '/');
        for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
            if (!part->empty() && *part != ".") parts_.emplace_front(*part);
        }
    }

    std::optional<FileProblem> step(const std::string& part) {
        if (part == "..") {
            current_.erase(current_.rfind('/'));
            if (current_.empty()) current_ = "/";
            return std::nullopt;  // looked at on the way down
        }
        const std::string next = (current_ == "/" ? "" : current_) + '/' + part;

        struct stat status {};

        if (::lstat(next.c_str(), &status) != 0) return unreadable(next);
        if (S_ISLNK(status.st_mode)) {
            if (status.st_uid != 0)
                return FileProblem{"link " + escape(next) +
                                           " does not belong to root but to uid " +
                                           std::to_string(status.st_uid),
                        "chown -h root " + escape(next)};
            return follow(next);
        }
        current_ = next;
        return judge(next, status);
    }

    std::optional<FileProblem> follow(const std::string& link) {
        std::array<char, PATH_MAX> target{};
        if (++links_ > max_links) {
            errno = ELOOP;
            return unreadable(link);
        }
        const ssize_t length = ::readlink(link.c_str(), target.data(), target.size() - 1);
        if (length < 0) return unreadable(link);
        const std::string_view text(target.data(), static_cast<std::size_t>(length));
        push_front(text);
        if (!text.starts_with('/')) return std::nullopt;
        current_ = "/";
        return look(current_);
    }

    static std::optional<FileProblem> look(const std::string& path) {
        struct stat status {};

        if (::stat(path.c_str(), &status) != 0) return unreadable(path);
        return judge(path, status);
    }

    static FileProblem unreadable(const std::string& path) {
        return {escape(path) + ' ' + read_error(errno), {}};
    }

    std::string current_ = "/";
    std::deque<std::string> parts_;
    unsigned links_ = 0;
};

}  // namespace

tl::expected<FileContent, FileProblem> read_regular_file(const std::string& path) {
    // O_NONBLOCK: a FIFO opens at once instead of waiting for its writer.
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!fd) return problem(read_error(errno));

    struct stat status {};

    if (::fstat(fd.get(), &status) != 0) return problem(read_error(errno));
    if (!S_ISREG(status.st_mode)) {
        return problem("is " + std::string(kind_name(status.st_mode)) + ", not a file");
    }
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > max_file_size) return problem(size_error());
    auto text = read_all(fd, size);
    if (!text) return tl::unexpected(text.error());
    return FileContent{std::move(*text), status.st_dev, status.st_ino};
}

FileProblem find_foreign_writer(const std::string& path) {
    return Walk(path).run();
}

std::string absolute_path(const std::string& path) {
    std::string start;
    if (!path.starts_with('/')) {
        if (char* folder = ::get_current_dir_name()) {
            start = folder;
            std::free(folder);
        }
    }
    std::string out;
    const std::string whole = start + '/' + path;
    for (const std::string_view part : split(whole, '/')) {
        if (!part.empty() && part != ".") out.append("/").append(part);
    }
    return out.empty() ? "/" : out;
}

}  // namespace superd
