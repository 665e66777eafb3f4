// SPDX-License-Identifier: MIT
#include "engine/config_reader.h"

#include <csignal>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/codec.h"

namespace superd {

namespace {

// A generous bound on what the reader may answer: 10,000 services need about 20 MB.
constexpr off_t answer_limit = off_t{512} << 20;

struct Child {
    pid_t pid = -1;
    Fd pidfd;
    Fd answer;  // memory file that the child writes
};

std::vector<std::string> to_arguments(const ReadOptions& options) {
    return {"file", options.path, options.as, options.root ? "root" : "",
            options.check_ownership ? "owned" : "", options.copies};
}

ReadOptions from_arguments(const std::vector<std::string>& a) {
    ReadOptions options;
    options.path = a[1];
    options.as = a[2];
    options.root = !a[3].empty();
    options.check_ownership = !a[4].empty();
    options.copies = a[5];
    return options;
}

Result<std::string> read_whole(int fd) {
    struct stat facts {};

    if (::fstat(fd, &facts) != 0) return fail("fstat", "the reader's answer");
    if (facts.st_size > answer_limit) return fail(EFBIG, "read", "the reader's answer");
    std::string bytes(static_cast<std::size_t>(facts.st_size), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got =
                ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
        if (got <= 0) return fail("read", "the reader's answer");
        done += static_cast<std::size_t>(got);
    }
    return bytes;
}

bool write_answer(int fd, const ReadResult& result) {
    const std::string answer = encode_read_result(result);
    std::size_t done = 0;
    while (done < answer.size()) {
        const ssize_t wrote = ::write(fd, answer.data() + done, answer.size() - done);
        if (wrote <= 0) return false;
        done += static_cast<std::size_t>(wrote);
    }
    return true;
}

// child.pid runs: what is needed to follow it.
Result<Child> followed(Child child) {
    child.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
    if (!child.pidfd) return fail("pidfd_open", "the configuration's reader");
    return child;
}

Result<Child> prepared_child() {
    Child child;
    child.answer.reset(::memfd_create("superd-answer", MFD_CLOEXEC));
    if (!child.answer) return fail("memfd_create");
    return child;
}

void unblock_signals() {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// At the first start superd is small and has one thread: a fork reads as far from it as another
// program would, and spares the dynamic linker's work, a fifth of what reading takes.
Result<Child> fork_child(const ReadOptions& options) {
    auto child = prepared_child();
    if (!child) return child;
    const pid_t parent = ::getpid();
    child->pid = ::fork();
    if (child->pid < 0) return fail("start", "the configuration's reader");
    if (child->pid > 0) return followed(std::move(*child));
    // It has a copy of everything superd holds, locks among it: it must not stay behind.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != parent) ::_exit(1);
    unblock_signals();
    ::_exit(write_answer(child->answer.get(), read_config(options)) ? 0 : 1);
}

Result<Child> start_child(const std::vector<std::string>& arguments, int input) {
    auto prepared = prepared_child();
    if (!prepared) return prepared;
    Child child = std::move(*prepared);
    std::vector<std::string> words{"superd", "--read-plan"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (auto& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    if (input >= 0) ::posix_spawn_file_actions_adddup2(&actions, input, 0);
    ::posix_spawn_file_actions_adddup2(&actions, child.answer.get(), 1);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    const int error = ::posix_spawn(
            &child.pid, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) return fail(error, "start", "the configuration's reader");
    return followed(std::move(child));
}

// The child has ended. Its status may be gone (an orphan sweep was faster): the answer decides.
Result<ReadResult> answer_of(Child& child) {
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED);
    auto bytes = read_whole(child.answer.get());
    if (!bytes) return tl::unexpected(bytes.error());
    auto result = decode_read_result(*bytes);
    if (result) return std::move(*result);
    const std::string how = info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED
                                    ? "it was ended by signal " + std::to_string(info.si_status)
                                    : "it answered nothing that can be read";
    return fail(0, "the configuration's reader failed: " + how);
}

}  // namespace

struct ConfigReader::Running {
    Child child;
    Callback callback;
    std::unique_ptr<Poll> poll;
};

ConfigReader::ConfigReader(Loop& loop)
        : loop_(loop), deadline_(loop, [this] {
              if (running_)
                  ::syscall(SYS_pidfd_send_signal, running_->child.pidfd.get(), SIGKILL,
                          nullptr, 0);
          }) {}

void ConfigReader::read(const ReadOptions& options, Callback callback) {
    submit({to_arguments(options), -1, std::move(callback)});
}

void ConfigReader::reread_networks(int plan_fd, Callback callback) {
    submit({{"networks"}, plan_fd, std::move(callback)});
}

void ConfigReader::submit(Request request) {
    queue_.push_back(std::move(request));
    start_next();
}

void ConfigReader::start_next() {
    while (!running_ && !queue_.empty()) {
        Request request = std::move(queue_.front());
        queue_.pop_front();
        auto child = start_child(request.arguments, request.input);
        if (!child) {
            request.callback(tl::unexpected(child.error()));
            continue;
        }
        running_ = std::make_shared<Running>();
        running_->child = std::move(*child);
        running_->callback = std::move(request.callback);
        running_->poll = std::make_unique<Poll>(
                loop_, running_->child.pidfd.get(), [this](int, int) { finish(); });
        running_->poll->start(Poll::readable);
        deadline_.start(patience);
    }
}

void ConfigReader::finish() {
    auto ended = std::exchange(running_, nullptr);
    deadline_.stop();
    ended->poll.reset();
    ended->callback(answer_of(ended->child));
    start_next();
}

Result<ReadResult> ConfigReader::read_now(
        const ReadOptions& options, const std::function<void()>& meanwhile) {
    auto child = fork_child(options);
    meanwhile();
    if (!child) return tl::unexpected(child.error());
    return answer_of(*child);
}

int run_config_reader(const std::vector<std::string>& arguments) {
    ReadResult result;
    if (arguments.size() == 6 && arguments[0] == "file") {
        result = read_config(from_arguments(arguments));
    } else if (arguments.size() == 1 && arguments[0] == "networks") {
        auto bytes = read_whole(0);
        if (bytes) result.plan = decode_plan(*bytes);
        if (!result.plan) return 1;
        result.plan->networks = reread_networks(*result.plan, result.diagnostics);
    } else {
        return 2;
    }
    if (!write_answer(1, result)) return 1;
    // superd waits for this end: taking thousands of services apart first would only delay it.
    ::_exit(0);
}

}  // namespace superd
