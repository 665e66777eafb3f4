// SPDX-License-Identifier: MIT
#include "engine/directories.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"

namespace superd {

namespace {

constexpr std::size_t credential_limit = std::size_t{1} << 20;

// mode: nothing leaves it as it is.
Result<void> set_owner(int fd, const IdentityPlan& identity, std::optional<mode_t> mode,
        const std::string& path) {
    if (identity.change && ::fchown(fd, identity.uid, identity.gid) != 0)
        return fail("chown", path);
    if (mode && ::fchmod(fd, *mode) != 0) return fail("chmod", path);
    return {};
}

struct Below {
    Fd folder;
    bool made = false;  // the last part was not there before
};

// Opens prefix, then each part of name below it, making what is missing.
Result<Below> make_below(const std::string& prefix, const std::string& name, mode_t mode) {
    Fd folder(::open(prefix.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder && errno == ENOENT && ::mkdir(prefix.c_str(), 0755) == 0)
        folder.reset(::open(prefix.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return fail("open", prefix);
    std::string path = prefix;
    bool made = false;
    for (const auto part : split(name, '/')) {
        if (part.empty()) continue;
        const std::string step(part);
        path += '/' + step;
        made = ::mkdirat(folder.get(), step.c_str(), mode) == 0;
        if (!made && errno != EEXIST) return fail("mkdir", path);
        Fd next(::openat(
                folder.get(), step.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!next) return fail("open", path);
        folder = std::move(next);
    }
    return Below{std::move(folder), made};
}

void make_each(const std::vector<std::string>& names, const std::string& prefix,
        const IdentityPlan& identity, std::vector<Error>& errors) {
    for (const std::string& name : names) {
        auto below = make_below(prefix, name, 0755);
        if (!below) {
            errors.push_back(below.error());
            continue;
        }
        // An administrator may have closed it to others.
        const auto mode = below->made ? std::optional<mode_t>(0755) : std::nullopt;
        if (auto done = set_owner(below->folder.get(), identity, mode, prefix + '/' + name);
                !done)
            errors.push_back(done.error());
    }
}

Result<std::string> read_credential(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));

    struct stat facts {};

    if (!file || ::fstat(file.get(), &facts) != 0) return fail("open", path);
    if (!S_ISREG(facts.st_mode)) return fail(EINVAL, "open", path);
    std::string bytes;
    std::array<char, 4096> block;
    for (;;) {
        const ssize_t got = ::read(file.get(), block.data(), block.size());
        if (got < 0) return fail("read", path);
        if (got == 0) return bytes;
        bytes.append(block.data(), static_cast<std::size_t>(got));
        if (bytes.size() > credential_limit) return fail(EFBIG, "read", path);
    }
}

// Written under a name of its own and renamed, so that a program never reads half a secret.
Result<void> write_credential(int folder, const CredentialPlan& credential,
        const IdentityPlan& identity, const std::string& bytes) {
    const std::string fresh = "." + credential.name;
    ::unlinkat(folder, fresh.c_str(), 0);
    const Fd file(::openat(
            folder, fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400));
    if (!file) return fail("create", credential.name);
    if (::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        return fail("write", credential.name);
    if (auto owned = set_owner(file.get(), identity, 0400, credential.name); !owned)
        return owned;
    if (::renameat(folder, fresh.c_str(), folder, credential.name.c_str()) != 0)
        return fail("rename", credential.name);
    return {};
}

Result<void> copy_credentials(const ServicePlan& service, const Prefixes& prefixes) {
    auto below = make_below(prefixes.credentials, service.name, 0700);
    if (!below) return tl::unexpected(below.error());
    const int folder = below->folder.get();
    // Root writes into it whatever the mode; without root it must be writable for a moment.
    if (::fchmod(folder, 0700) != 0) return fail("chmod", prefixes.credentials);
    for (const CredentialPlan& credential : service.exec.credentials) {
        auto bytes = read_credential(credential.path);
        if (!bytes) return tl::unexpected(bytes.error());
        auto written = write_credential(folder, credential, service.exec.identity, *bytes);
        if (!written) return written;
    }
    return set_owner(
            folder, service.exec.identity, 0500, prefixes.credentials + '/' + service.name);
}

std::vector<std::string> names_in(Fd folder) {
    std::vector<std::string> names;
    DIR* listing = ::fdopendir(folder.get());
    if (listing == nullptr) return names;
    (void)folder.release();  // closedir(3) closes it
    while (const dirent* entry = ::readdir(listing))
        names.emplace_back(entry->d_name);
    ::closedir(listing);
    return names;
}

std::string environment_or(const char* name, std::string fallback) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : std::move(fallback);
}

}  // namespace

std::string default_run_directory() {
    if (::geteuid() == 0) return "/run/superd";
    const std::string runtime = environment_or("XDG_RUNTIME_DIR", "");
    return runtime.empty() ? "/tmp/superd-" + std::to_string(::geteuid()) : runtime + "/superd";
}

Prefixes default_prefixes(const std::string& run_directory) {
    Prefixes prefixes;
    if (::geteuid() != 0) {
        const std::string home = environment_or("HOME", "/");
        prefixes.runtime = environment_or("XDG_RUNTIME_DIR", run_directory);
        prefixes.state = environment_or("XDG_STATE_HOME", home + "/.local/state");
        prefixes.cache = environment_or("XDG_CACHE_HOME", home + "/.cache");
        prefixes.logs = prefixes.state + "/log";
    }
    prefixes.credentials = run_directory + "/credentials";
    return prefixes;
}

std::vector<Error> make_directories(const ServicePlan& service, const Prefixes& prefixes) {
    std::vector<Error> errors;
    const IdentityPlan& identity = service.exec.identity;
    make_each(service.exec.runtime_directory, prefixes.runtime, identity, errors);
    make_each(service.exec.state_directory, prefixes.state, identity, errors);
    make_each(service.exec.cache_directory, prefixes.cache, identity, errors);
    make_each(service.exec.logs_directory, prefixes.logs, identity, errors);
    if (!service.exec.credentials.empty()) {
        if (auto copied = copy_credentials(service, prefixes); !copied)
            errors.push_back(copied.error());
    }
    return errors;
}

void remove_credentials(const std::string& service, const Prefixes& prefixes) {
    const std::string path = prefixes.credentials + '/' + service;
    const Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) return;
    ::fchmod(folder.get(), 0700);
    // Only what superd puts there: plain files, no folders.
    if (Fd listing(::fcntl(folder.get(), F_DUPFD_CLOEXEC, 0)); listing) {
        for (const auto& name : names_in(std::move(listing)))
            ::unlinkat(folder.get(), name.c_str(), 0);
    }
    ::rmdir(path.c_str());
}

}  // namespace superd
