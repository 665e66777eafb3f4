// SPDX-License-Identifier: MIT
#include "engine/last_good.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/codec.h"

namespace superd {

namespace {

constexpr off_t size_limit = off_t{512} << 20;

std::string folder_of(const std::string& state_directory) {
    return state_directory + "/last-good";
}

Result<std::string> read_file(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));

    struct stat facts {};

    if (!file || ::fstat(file.get(), &facts) != 0) return fail("open", path);
    if (!S_ISREG(facts.st_mode) || facts.st_size > size_limit)
        return fail(EINVAL, "read", path);
    std::string bytes(static_cast<std::size_t>(facts.st_size), '\0');
    if (::read(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        return fail("read", path);
    return bytes;
}

// 0600: a plan holds what environment files say.
Result<void> replace_file(const std::string& path, const std::string& bytes) {
    const std::string fresh = path + ".new";
    ::unlink(fresh.c_str());
    Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fail("create", fresh);
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t wrote = ::write(file.get(), bytes.data() + done, bytes.size() - done);
        if (wrote <= 0) return fail("write", fresh);
        done += static_cast<std::size_t>(wrote);
    }
    file.reset();
    if (std::rename(fresh.c_str(), path.c_str()) != 0) return fail("rename", path);
    return {};
}

}  // namespace

Result<void> keep_last_good(
        const std::string& state_directory, const Plan& plan, const std::string& encoded) {
    const std::string folder = folder_of(state_directory);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return fail("mkdir", folder);
    std::size_t number = 0;
    for (const std::string& path : plan.files) {
        const auto bytes = read_file(path);
        if (!bytes) continue;
        const std::string copy = folder + '/' + std::to_string(number++) + '-' +
                                 path.substr(path.rfind('/') + 1);
        if (auto done = replace_file(copy, *bytes); !done) return done;
    }
    return replace_file(folder + "/plan", encoded);
}

std::optional<Plan> load_last_good(const std::string& state_directory) {
    const auto bytes = read_file(folder_of(state_directory) + "/plan");
    if (!bytes) return std::nullopt;
    return decode_plan(*bytes);
}

}  // namespace superd
