// SPDX-License-Identifier: MIT
// What a sandboxed service sees of the file system.
//
// All that is to be done to paths is collected first, one thing a path: what switches stand
// for, then the service's own lists, which have the last word. What is to stay writable is
// copied as it is, aside; then the paths are gone through in order, so that the one farther
// down has the last word about itself. A path is turned into a descriptor before anything is
// done to it: between a check and a mount no link can be put in its place.
#include "sys/mounts.h"

#include <array>
#include <cerrno>
#include <climits>
#include <initializer_list>
#include <linux/openat2.h>
#include <map>
#include <string_view>

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

namespace superd {

namespace {

constexpr unsigned recursive = 0x8000;  // AT_RECURSIVE

// ---- the calls, each with its error

Result<Fd> call_for_fd(long result, const char* name, const std::string& path) {
    if (result < 0) return fail(name, path);
    return Fd(static_cast<int>(result));
}

// A copy of the mounts at and below a place, attached nowhere.
Result<Fd> copy_tree(int at, const std::string& path) {
    return call_for_fd(::syscall(SYS_open_tree, at, "",
                               OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive),
            "open_tree", path);
}

Result<void> attach(int tree, int at, const std::string& path) {
    const long result = ::syscall(SYS_move_mount, tree, "", at, "",
            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    if (result < 0) return fail("move_mount", path);
    return {};
}

Result<void> change(
        int tree, const mount_attr& attributes, unsigned flags, const std::string& path) {
    const long result = ::syscall(
            SYS_mount_setattr, tree, "", AT_EMPTY_PATH | flags, &attributes, sizeof attributes);
    if (result < 0) return fail("mount_setattr", path);
    return {};
}

constexpr mount_attr sealed{
        .attr_set = MOUNT_ATTR_RDONLY, .attr_clr = 0, .propagation = 0, .userns_fd = 0};

struct TmpfsShape {
    const char* mode = "0755";
    const char* size = "10%";  // of memory
    const char* inodes = "100k";
    unsigned attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
};

// Attached nowhere.
Result<Fd> make_tmpfs(const TmpfsShape& shape) {
    const Fd context(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)));
    if (!context) return fail("fsopen", "tmpfs");
    const std::pair<const char*, const char*> options[] = {
            {"mode", shape.mode}, {"size", shape.size}, {"nr_inodes", shape.inodes}};
    for (const auto& [key, value] : options)
        if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, key, value, 0) != 0)
            return fail("fsconfig", key);
    if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return fail("fsconfig", "tmpfs");
    return call_for_fd(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, shape.attributes),
            "fsmount", "tmpfs");
}

// The processes of the caller's own pid namespace; attached nowhere.
Result<Fd> make_proc() {
    const Fd context(static_cast<int>(::syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC)));
    if (!context) return fail("fsopen", "proc");
    if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return fail("fsconfig", "proc");
    return call_for_fd(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC,
                               MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC),
            "fsmount", "proc");
}

// ---- what is done to a path

enum class Deed : std::uint8_t { keep, read_only, hide, empty, temporary, devices };

struct Step {
    Deed deed = Deed::keep;
    bool required = false;  // an error where there is no such path
    Fd tree{};              // Deed::keep: as it was
};

class MountView {
public:
    MountView(const SandboxPlan& plan, const std::string& root) : plan_(plan), root_(root) {}

    Result<void> enter() {
        collect();
        if (::unshare(CLONE_NEWNS) != 0) return fail("unshare", "mount namespace");
        base_.reset(
                ::open(root_.empty() ? "/" : root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!base_) return fail("open", root_);
        if (auto done = hold_to_ourselves(); !done) return done;
        if (plan_.private_pids)
            if (auto done = renew_processes(); !done) return done;
        if (auto done = set_aside(); !done) return done;
        for (auto& [path, step] : steps_)
            if (auto done = perform(path, step); !done) return done;
        return {};
    }

private:
    // ---- which paths

    void add(Deed deed, std::initializer_list<const char*> paths) {
        for (const char* path : paths)
            steps_[path] = Step{deed, false, {}};
    }

    void add_own(Deed deed, const std::vector<std::string>& paths) {
        for (const std::string& path : paths)
            steps_[path] = Step{deed, true, {}};
    }

    void collect() {
        if (plan_.protect_system == ProtectSystem::strict) {
            add(Deed::read_only, {"/"});
            add(Deed::keep, {"/dev", "/proc", "/sys"});
        } else if (plan_.protect_system != ProtectSystem::no) {
            add(Deed::read_only, {"/usr", "/boot", "/efi"});
            if (plan_.protect_system == ProtectSystem::full) add(Deed::read_only, {"/etc"});
        }
        if (plan_.protect_kernel) {
            add(Deed::read_only, {"/sys", "/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs",
                                         "/proc/sysrq-trigger"});
            add(Deed::hide,
                    {"/proc/kallsyms", "/proc/kcore", "/proc/kmsg", "/dev/kmsg",
                            "/sys/kernel/debug", "/sys/kernel/tracing", "/usr/lib/modules"});
        }
        if (plan_.private_devices) add(Deed::devices, {"/dev"});
        if (plan_.private_tmp) add(Deed::temporary, {"/tmp", "/var/tmp"});
        if (plan_.protect_home != ProtectHome::no)
            add(home_deed(), {"/home", "/root", "/run/user"});
        add_own(Deed::keep, plan_.read_write_paths);
        add_own(Deed::read_only, plan_.read_only_paths);
        add_own(Deed::hide, plan_.inaccessible_paths);
    }

    [[nodiscard]] Deed home_deed() const {
        switch (plan_.protect_home) {
            case ProtectHome::read_only: return Deed::read_only;
            case ProtectHome::tmpfs: return Deed::empty;
            default: return Deed::hide;
        }
    }

    // ---- places

    // Links are followed inside of the root alone.
    [[nodiscard]] Fd place(const std::string& path) const {
        open_how how{};
        how.flags = O_PATH | O_CLOEXEC;
        how.resolve = RESOLVE_IN_ROOT;
        return Fd(static_cast<int>(
                ::syscall(SYS_openat2, base_.get(), path.c_str(), &how, sizeof how)));
    }

    [[nodiscard]] static bool is_missing(const Step& step) {
        return !step.required && (errno == ENOENT || errno == ENOTDIR);
    }

    // ---- the steps

    // What the host mounts later comes in, what is mounted here goes nowhere.
    Result<void> hold_to_ourselves() {
        const mount_attr slave{
                .attr_set = 0, .attr_clr = 0, .propagation = MS_SLAVE, .userns_fd = 0};
        const Fd top(::open("/", O_PATH | O_CLOEXEC));
        if (!top) return fail("open", "/");
        return change(top.get(), slave, recursive, "/");
    }

    // Before everything else, which then finds it as the host's is found. A root without /proc
    // shows nobody.
    Result<void> renew_processes() {
        const Fd at = place("/proc");
        if (!at && errno == ENOENT) return {};
        if (!at) return fail("open", "/proc");
        auto fresh = make_proc();
        if (!fresh) return tl::unexpected(fresh.error());
        return attach(fresh->get(), at.get(), "/proc");
    }

    Result<void> set_aside() {
        for (auto& [path, step] : steps_) {
            if (step.deed != Deed::keep) continue;
            const Fd at = place(path);
            if (!at && is_missing(step)) continue;
            if (!at) return fail("open", path);
            auto tree = copy_tree(at.get(), path);
            if (!tree) return tl::unexpected(tree.error());
            step.tree = std::move(*tree);
        }
        return {};
    }

    Result<void> perform(const std::string& path, Step& step) {
        if (path == "/") return seal_all();
        const Fd at = place(path);
        if (!at && is_missing(step)) return {};
        if (!at) return fail("open", path);
        switch (step.deed) {
            case Deed::keep: return attach(step.tree.get(), at.get(), path);
            case Deed::read_only: return make_read_only(at.get(), path);
            case Deed::hide: return hide(at.get(), path);
            case Deed::empty:
                return mount_over(at.get(), path,
                        {.size = "4k",
                                .inodes = "1",
                                .attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID |
                                              MOUNT_ATTR_RDONLY});
            case Deed::temporary: return mount_over(at.get(), path, {.mode = "1777"});
            case Deed::devices: return renew_devices(at.get(), path);
        }
        return {};
    }

    // The root itself: its mounts are changed where they are, for nothing can be put over "/".
    Result<void> seal_all() {
        if (root_.empty()) return change(base_.get(), sealed, recursive, "/");
        auto done = make_read_only(base_.get(), root_);
        if (!done) return done;
        base_.reset(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!base_) return fail("open", root_);
        return {};
    }

    static Result<void> make_read_only(int at, const std::string& path) {
        auto tree = copy_tree(at, path);
        if (!tree) return tl::unexpected(tree.error());
        if (auto done = change(tree->get(), sealed, recursive, path); !done) return done;
        return attach(tree->get(), at, path);
    }

    static Result<void> mount_over(int at, const std::string& path, const TmpfsShape& shape) {
        auto tree = make_tmpfs(shape);
        if (!tree) return tl::unexpected(tree.error());
        return attach(tree->get(), at, path);
    }

    // A directory without permissions for a directory, such a file for everything else.
    static Result<void> hide(int at, const std::string& path) {
        struct stat facts {};

        if (::fstatat(at, "", &facts, AT_EMPTY_PATH) != 0) return fail("fstatat", path);
        const TmpfsShape nothing{.mode = "0000",
                .size = "4k",
                .inodes = "2",
                .attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC};
        auto tree = make_tmpfs(nothing);
        if (!tree) return tl::unexpected(tree.error());
        if (!S_ISDIR(facts.st_mode)) {
            const Fd file(
                    ::openat(tree->get(), "file", O_CREAT | O_EXCL | O_CLOEXEC | O_RDONLY, 0));
            if (!file) return fail("create", path);
            auto one = copy_tree(file.get(), path);
            if (!one) return tl::unexpected(one.error());
            *tree = std::move(*one);
        }
        if (auto done = change(tree->get(), sealed, 0, path); !done) return done;
        return attach(tree->get(), at, path);
    }

    // ---- a /dev of its own

    static constexpr std::array nodes{"null", "zero", "full", "random", "urandom", "tty"};

    struct Link {
        const char *name, *target;
    };

    static constexpr std::array links{Link{"fd", "/proc/self/fd"},
            Link{"stdin", "/proc/self/fd/0"}, Link{"stdout", "/proc/self/fd/1"},
            Link{"stderr", "/proc/self/fd/2"}, Link{"ptmx", "pts/ptmx"}};

    Result<void> renew_devices(int at, const std::string& path) {
        auto fresh = make_tmpfs({.size = "64k",
                .inodes = "64",
                .attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC});
        if (!fresh) return tl::unexpected(fresh.error());
        std::map<std::string, Fd> kept;
        for (const char* name : nodes)
            if (auto done = keep_device(fresh->get(), name, kept); !done) return done;
        for (const char* name : {"pts", "mqueue"})
            if (auto done = keep_device(fresh->get(), name, kept); !done) return done;
        if (auto done = keep_log(fresh->get(), kept); !done) return done;
        for (const Link& link : links)
            if (::symlinkat(link.target, fresh->get(), link.name) != 0)
                return fail("symlink", link.name);
        if (::mkdirat(fresh->get(), "shm", 0755) != 0) return fail("mkdir", "shm");
        if (auto done = attach(fresh->get(), at, path); !done) return done;
        for (const auto& [name, tree] : kept) {
            const Fd target = place("/dev/" + name);
            if (!target) return fail("open", "/dev/" + name);
            if (auto done = attach(tree.get(), target.get(), "/dev/" + name); !done)
                return done;
        }
        const Fd shared = place("/dev/shm");
        if (!shared) return fail("open", "/dev/shm");
        if (auto done = mount_over(shared.get(), "/dev/shm", {.mode = "1777"}); !done)
            return done;
        return change(fresh->get(), sealed, 0, path);
    }

    // A copy of what is at /dev/NAME, and a place for it in the new one.
    Result<void> keep_device(
            int fresh, const std::string& name, std::map<std::string, Fd>& kept) {
        const std::string path = "/dev/" + name;
        const Fd at = place(path);
        if (!at) return {};

        struct stat facts {};

        if (::fstatat(at.get(), "", &facts, AT_EMPTY_PATH) != 0) return fail("fstatat", path);
        if (S_ISDIR(facts.st_mode)) {
            if (::mkdirat(fresh, name.c_str(), 0755) != 0) return fail("mkdir", path);
        } else {
            const Fd file(::openat(
                    fresh, name.c_str(), O_CREAT | O_EXCL | O_CLOEXEC | O_RDONLY, 0600));
            if (!file) return fail("create", path);
        }
        auto tree = copy_tree(at.get(), path);
        if (!tree) return tl::unexpected(tree.error());
        kept[name] = std::move(*tree);
        return {};
    }

    // Where programs write to syslog: a socket, or a link to one that stays where it is.
    Result<void> keep_log(int fresh, std::map<std::string, Fd>& kept) {
        const Fd devices = place("/dev");
        if (!devices) return fail("open", "/dev");
        std::array<char, PATH_MAX> target{};
        const ssize_t length =
                ::readlinkat(devices.get(), "log", target.data(), target.size() - 1);
        if (length < 0) return keep_device(fresh, "log", kept);
        if (::symlinkat(target.data(), fresh, "log") != 0) return fail("symlink", "/dev/log");
        return {};
    }

    const SandboxPlan& plan_;
    const std::string& root_;
    std::map<std::string, Step> steps_;  // what lies above comes before what lies below
    Fd base_;
};

}  // namespace

Result<void> enter_private_mounts(const SandboxPlan& plan, const std::string& root) {
    return MountView(plan, root).enter();
}

}  // namespace superd
