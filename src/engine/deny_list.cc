// SPDX-License-Identifier: MIT
// The file of the addresses that are kept out.
#include "engine/deny_list.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace superd {

namespace {

constexpr off_t size_limit = off_t{64} << 20;
constexpr std::size_t spare_lines = 1024;

Result<std::string> read_file(const std::string& path) {
    const Fd file(
            ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW));

    struct stat facts {};

    if (!file && errno == ENOENT) return std::string();
    if (!file || ::fstat(file.get(), &facts) != 0) return fail("open", path);
    if (!S_ISREG(facts.st_mode) || facts.st_size > size_limit)
        return fail(EINVAL, "read", path);
    std::string bytes(static_cast<std::size_t>(facts.st_size), '\0');
    const ssize_t got = ::read(file.get(), bytes.data(), bytes.size());
    if (got < 0) return fail("read", path);
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
}

Result<void> write_all(int fd, std::string_view bytes, const std::string& path) {
    while (!bytes.empty()) {
        const ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return fail("write", path);
        bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return {};
}

}  // namespace

void DenyList::take(std::string_view line, std::size_t& strange) {
    const std::string_view rest = line.size() > 2 ? line.substr(2) : "";
    if (line.starts_with("+ ")) {
        if (auto denial = parse_denial(rest)) return denials_.add(std::move(*denial));
    } else if (line == "- all") {
        return denials_.clear();
    } else if (line.starts_with("- ")) {
        if (const auto source = parse_source(rest)) {
            denials_.remove(*source);
            return;
        }
    }
    ++strange;
}

Result<void> DenyList::load(Wall now) {
    const auto bytes = read_file(path_);
    if (!bytes) return tl::unexpected(bytes.error());
    std::size_t strange = 0;
    for (const std::string_view line : split(*bytes, '\n')) {
        if (line.empty()) continue;
        ++lines_;
        take(line, strange);
    }
    // A line that was cut by a crash would swallow the next one: the file starts afresh.
    const bool cut = !bytes->empty() && bytes->back() != '\n';
    denials_.expire(now);
    if (strange > 0 || cut || lines_ > denials_.all().size() + spare_lines) {
        if (auto done = rewrite(now); !done) return done;
    }
    if (strange > 0)
        return fail(0,
                "read " + std::to_string(strange) + " line" + (strange == 1 ? "" : "s") +
                        " that are none of its own",
                path_);
    return {};
}

Result<void> DenyList::append(const std::string& line, Wall now) {
    if (!file_ || lines_ > 2 * denials_.all().size() + spare_lines) return rewrite(now);
    ++lines_;
    auto done = write_all(file_.get(), line + '\n', path_);
    // What was written of it would run into the next line: that one writes all of them anew.
    if (!done) file_.reset();
    return done;
}

Result<void> DenyList::rewrite(Wall now) {
    denials_.expire(now);
    const std::string fresh = path_ + ".new";
    ::unlink(fresh.c_str());
    Fd file(::open(fresh.c_str(),
            O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fail("create", fresh);
    std::string bytes;
    for (const Denial& denial : denials_.all())
        bytes += "+ " + format_denial(denial) + '\n';
    if (auto done = write_all(file.get(), bytes, fresh); !done) return done;
    if (std::rename(fresh.c_str(), path_.c_str()) != 0) return fail("rename", path_);
    file_ = std::move(file);
    lines_ = denials_.all().size();
    return {};
}

Result<void> DenyList::add(Denial denial, Wall now) {
    denials_.add(std::move(denial));
    return append("+ " + format_denial(denials_.all().back()), now);
}

Result<void> DenyList::remove(const Source& source, bool& found) {
    found = denials_.remove(source);
    return found ? append("- " + source.text(), {}) : Result<void>{};
}

Result<void> DenyList::clear() {
    if (denials_.empty()) return {};
    denials_.clear();
    return append("- all", {});
}

std::vector<Denial> DenyList::in_force(Wall now) {
    denials_.expire(now);
    return {denials_.all().begin(), denials_.all().end()};
}

}  // namespace superd
