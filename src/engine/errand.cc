// SPDX-License-Identifier: MIT
#include "engine/errand.h"

#include <csignal>
#include <utility>

#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace superd {

namespace {

// A generous bound on an answer: a plan of 10,000 services needs about 20 MB.
constexpr off_t answer_limit = off_t{512} << 20;

class SpawnActions {
public:
    SpawnActions() {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawnattr_init(&attributes_);
        sigset_t none;
        ::sigemptyset(&none);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
    }

    ~SpawnActions() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }

    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;

    void lend(int ours, int theirs) {
        ::posix_spawn_file_actions_adddup2(&actions_, ours, theirs);
    }

    int run(pid_t& pid, const char* program, char* const* argv) const {
        return ::posix_spawn(&pid, program, &actions_, &attributes_, argv, environ);
    }

private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

}  // namespace

Result<Errand> prepare_errand(std::string what) {
    Errand errand;
    errand.answer.reset(::memfd_create("superd-answer", MFD_CLOEXEC));
    if (!errand.answer) return fail("memfd_create");
    errand.what = std::move(what);
    return errand;
}

Result<Errand> follow(Errand errand) {
    errand.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, errand.pid, 0)));
    if (!errand.pidfd) return fail("pidfd_open", errand.what);
    return errand;
}

Result<Errand> begin_errand(std::string what, const std::string& program,
        std::vector<std::string> argv, std::span<const Lent> lent) {
    auto errand = prepare_errand(std::move(what));
    if (!errand) return errand;
    std::vector<char*> words;
    for (auto& word : argv)
        words.push_back(word.data());
    words.push_back(nullptr);
    SpawnActions actions;
    for (const Lent& one : lent)
        actions.lend(one.ours, one.theirs);
    actions.lend(errand->answer.get(), 1);
    if (const int error = actions.run(errand->pid, program.c_str(), words.data()); error != 0)
        return fail(error, "start", errand->what);
    return follow(std::move(*errand));
}

Result<ErrandAnswer> answer_of(const Errand& errand) {
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(errand.pidfd.get()), &info, WEXITED);
    auto bytes = read_whole(errand.answer.get(), "what " + errand.what + " answered");
    if (!bytes) return tl::unexpected(bytes.error());
    ErrandAnswer answer{std::move(*bytes), {}};
    if (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)
        answer.failure = "it was ended by signal " + std::to_string(info.si_status);
    else if (info.si_status != 0)
        answer.failure = "it ended with status " + std::to_string(info.si_status);
    return answer;
}

Result<std::string> read_whole(int fd, const std::string& what) {
    struct stat facts {};

    if (::fstat(fd, &facts) != 0) return fail("fstat", what);
    if (facts.st_size > answer_limit) return fail(EFBIG, "read", what);
    std::string bytes(static_cast<std::size_t>(facts.st_size), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got =
                ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
        if (got < 0) return fail("read", what);
        if (got == 0) return fail(EIO, "read", what);
        done += static_cast<std::size_t>(got);
    }
    return bytes;
}

}  // namespace superd
