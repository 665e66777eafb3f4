// SPDX-License-Identifier: MIT
// Landlock: a service's own rules of what it may read, write and execute.
#include "sys/landlock.h"

#include <cerrno>
#include <cstdint>
#include <linux/openat2.h>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace superd {

namespace {

// As <linux/landlock.h> of a newer kernel has them; that of the build may be older.
constexpr std::uint64_t execute = 1, write_file = 2, read_file = 4, read_directory = 8,
                        all_of_version_1 = 0x1fff, refer = 1 << 13, truncate_file = 1 << 14,
                        device_control = 1 << 15;
constexpr std::uint64_t to_read = read_file | read_directory, to_execute = to_read | execute;
// What means something for a path that is no directory.
constexpr std::uint64_t of_files =
        execute | write_file | read_file | truncate_file | device_control;

constexpr unsigned ask_version = 1, beneath_path = 1;

struct __attribute__((packed)) PathRule {
    std::uint64_t allowed;
    std::int32_t parent;
};

std::uint64_t handled_by(int version) {
    std::uint64_t bits = all_of_version_1;
    if (version >= 2) bits |= refer;
    if (version >= 3) bits |= truncate_file;
    if (version >= 5) bits |= device_control;
    return bits;
}

class LandlockRules {
public:
    explicit LandlockRules(std::uint64_t handled) : handled_(handled) {}

    Result<Fd> make(const SandboxPlan& plan, const std::string& root) {
        base_.reset(
                ::open(root.empty() ? "/" : root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!base_) return fail("open", root);
        set_.reset(static_cast<int>(
                ::syscall(SYS_landlock_create_ruleset, &handled_, sizeof handled_, 0)));
        if (!set_) return fail("landlock_create_ruleset");
        // Everything of a directory but executing.
        const std::uint64_t to_write = handled_ & ~execute;
        if (auto done = add_all(plan.landlock_read, to_read); !done)
            return tl::unexpected(done.error());
        if (auto done = add_all(plan.landlock_execute, to_execute); !done)
            return tl::unexpected(done.error());
        if (auto done = add_all(plan.landlock_write, to_write); !done)
            return tl::unexpected(done.error());
        for (const char* device : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                     "/dev/urandom", "/dev/tty"})
            if (auto done = add(device, read_file | write_file | device_control); !done)
                if (done.error().code != ENOENT) return tl::unexpected(done.error());
        return std::move(set_);
    }

private:
    Result<void> add_all(const std::vector<std::string>& paths, std::uint64_t allowed) {
        for (const std::string& path : paths)
            if (auto done = add(path, allowed); !done) return done;
        return {};
    }

    Result<void> add(const std::string& path, std::uint64_t allowed) {
        open_how how{};
        how.flags = O_PATH | O_CLOEXEC;
        how.resolve = RESOLVE_IN_ROOT;
        const Fd at(static_cast<int>(
                ::syscall(SYS_openat2, base_.get(), path.c_str(), &how, sizeof how)));
        if (!at) return fail("open", path);

        struct stat facts {};

        if (::fstatat(at.get(), "", &facts, AT_EMPTY_PATH) != 0) return fail("fstatat", path);
        allowed &= handled_;
        if (!S_ISDIR(facts.st_mode)) allowed &= of_files;
        const PathRule rule{allowed, at.get()};
        if (::syscall(SYS_landlock_add_rule, set_.get(), beneath_path, &rule, 0) != 0)
            return fail("landlock_add_rule", path);
        return {};
    }

    std::uint64_t handled_;
    Fd base_, set_;
};

}  // namespace

int landlock_version() {
    const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, ask_version);
    return version < 0 ? 0 : static_cast<int>(version);
}

Result<Fd> make_landlock_rules(const SandboxPlan& plan, const std::string& root) {
    const int version = landlock_version();
    if (version == 0) return fail(errno, "landlock");
    return LandlockRules(handled_by(version)).make(plan, root);
}

}  // namespace superd
