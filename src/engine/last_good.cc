// SPDX-License-Identifier: MIT
#include "engine/last_good.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/codec.h"
#include "config/config.h"

namespace superd {

namespace {

constexpr off_t size_limit = off_t{512} << 20;

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

// Without blanks, for the index.
std::string copy_name(std::size_t number, const std::string& path) {
    std::string name = std::to_string(number) + '-' + path.substr(path.rfind('/') + 1);
    std::replace_if(
            name.begin(), name.end(), [](char c) { return c == ' ' || c == '\n'; }, '_');
    return name;
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

std::string last_good_folder(const std::string& state_directory) {
    return state_directory + "/last-good";
}

Result<void> keep_last_good(
        const std::string& state_directory, const Plan& plan, const std::string& encoded) {
    const std::string folder = last_good_folder(state_directory);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return fail("mkdir", folder);
    std::size_t number = 0;
    std::string index;
    for (const std::string& path : plan.files) {
        const auto bytes = read_file(path);
        if (!bytes) continue;
        const std::string copy = copy_name(number++, path);
        if (auto done = replace_file(folder + '/' + copy, *bytes); !done) return done;
        index += copy + ' ' + path + '\n';
    }
    if (auto done = replace_file(folder + '/' + kept_files_index, index); !done) return done;
    return replace_file(folder + "/plan", encoded);
}

std::optional<Plan> load_last_good(const std::string& state_directory) {
    const auto bytes = read_file(last_good_folder(state_directory) + "/plan");
    if (!bytes) return std::nullopt;
    return decode_plan(*bytes);
}

}  // namespace superd
