// SPDX-License-Identifier: MIT
#include "cmd/superd_place.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/codec.h"
#include "engine/config_reader.h"
#include "engine/last_good.h"
#include "sys/spawner.h"

#include "config.h"

namespace superd {

namespace {

tl::unexpected<int> say(const Error& error) {
    std::fprintf(stderr, "superd: %s\n", error.text().c_str());
    return tl::unexpected(1);
}

// In /tmp anybody may have made the folder before: only one's own will do.
Result<void> check_own(const std::string& path) {
    struct stat facts {};

    if (!path.starts_with("/tmp/")) return {};
    if (::lstat(path.c_str(), &facts) != 0) return fail("stat", path);
    if (!S_ISDIR(facts.st_mode) || facts.st_uid != ::geteuid() || (facts.st_mode & 022) != 0)
        return fail(EPERM, "use " + path + ", which is not this user's alone");
    return {};
}

Result<void> make_folder(const std::string& path) {
    for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const std::string part = path.substr(0, slash);
        if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) return fail("mkdir", part);
        if (slash == std::string::npos) return check_own(path);
    }
}

// One superd for each run directory: the lock is held by the guard and every superd it starts.
Result<Fd> take_lock(const DaemonOptions& options) {
    const std::string path = options.run + "/superd.lock";
    Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!file) return fail("open", path);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        std::array<char, 32> text{};
        const ssize_t length = ::read(file.get(), text.data(), text.size() - 1);
        if (length <= 0) text[0] = 0;
        const int holder = std::atoi(text.data());
        const bool ends = holder > 0 && ::kill(holder, 0) != 0 && errno == ESRCH;
        if (!ends)
            return fail(0, "another superd, pid " + std::to_string(holder) + ", uses " +
                                   options.run + "; superctl status shows it");
        // A superd without its guard stops, which takes as long as its services do.
        std::fprintf(stderr,
                "superd: waiting for the superd of pid %d, which was killed, to end\n", holder);
        if (::flock(file.get(), LOCK_EX) != 0) return fail("lock", path);
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(file.get(), 0) != 0 || ::write(file.get(), pid.data(), pid.size()) < 0)
        return fail("write", path);
    return file;
}

Result<void> write_pid_file(const DaemonOptions& options) {
    if (options.pid_file.empty()) return {};
    const Fd file(::open(options.pid_file.c_str(),
            O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (!file || ::write(file.get(), pid.data(), pid.size()) < 0)
        return fail("write", options.pid_file);
    return {};
}

// The plan of the program before, or, where it is of a form that this one does not know, one
// from the files that it was made from.
std::optional<std::string> plan_of(
        const Inheritance& inheritance, const DaemonOptions& options) {
    if (decode_plan(inheritance.plan)) return inheritance.plan;
    const auto kept = read_kept_files(options);
    return kept ? std::optional(encode_plan(*kept)) : std::nullopt;
}

const Error no_plan{
        0, "neither the plan in force nor the kept copies of its files can be read", {}};

}  // namespace

std::string find_own_program(const std::string& name) {
    std::array<char, 4096> self{};
    const ssize_t length = ::readlink("/proc/self/exe", self.data(), self.size() - 1);
    std::string path(self.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    path = path.substr(0, path.rfind('/')) + '/' + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
    path = SUPERD_LIBEXECDIR "/" + name;
    return ::access(path.c_str(), X_OK) == 0 ? path : "";
}

ReadOptions read_options_of(const DaemonOptions& options) {
    return {.path = options.file,
            .as = options.as,
            .copies = {},
            .dynamic_users = {},
            .root = is_root(),
            .check_ownership = is_root(),
            .tls_program = find_own_program("superd-tls")};
}

// What a superd of another version kept may be a plan that this one cannot read; the files that
// it was made from are kept beside it.
std::optional<Plan> read_kept_files(const DaemonOptions& options) {
    ReadOptions wanted = read_options_of(options);
    wanted.copies = last_good_folder(options.state);
    wanted.as.clear();
    wanted.check_ownership = false;  // the copies are in a folder of superd's own
    auto read = ConfigReader::read_now(wanted, [] {});
    if (!read || !read->plan) return std::nullopt;
    return std::move(read->plan);
}

PlaceOrStatus take_place(const DaemonOptions& options) {
    if (const auto reserved = reserve_slots(); !reserved) return say(reserved.error());
    for (const std::string& folder : {options.run, options.state, options.run + "/empty"})
        if (const auto made = make_folder(folder); !made) return say(made.error());
    Background background;
    if (options.background && !background.leave()) return tl::unexpected(background.status());
    auto lock = take_lock(options);
    if (!lock) return say(lock.error());
    auto state = State::create({});
    if (!state) return say(state.error());
    if (const auto written = write_pid_file(options); !written) return say(written.error());
    return Place{std::move(background), std::move(*lock), std::move(*state)};
}

PlaceOrStatus resume_place(const DaemonOptions& options, const Beginning& beginning) {
    auto found = inherit(options.resume);
    if (!found) return say(return_to(options.resume, beginning, found.error().text()));
    auto plan = plan_of(*found, options);
    if (!plan) return say(return_to(options.resume, beginning, no_plan.text()));
    found->state.header().plan_sequence = found->handover.plan_sequence - 1;
    if (const auto committed = found->state.commit_plan(*plan); !committed)
        return say(return_to(options.resume, beginning, committed.error().text()));
    accept_inheritance(*found, options.resume);
    return Place{{}, Fd(found->handover.lock_fd), std::move(found->state)};
}

int check_state(const DaemonOptions& options) {
    const auto found = look_at_inheritance(0, 3);
    if (found && plan_of(*found, options)) {
        std::puts("superd " PACKAGE_VERSION);
        return 0;
    }
    std::puts((found ? no_plan : found.error()).text().c_str());
    return 1;
}

}  // namespace superd
