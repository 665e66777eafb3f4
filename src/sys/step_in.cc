// SPDX-License-Identifier: MIT
// superd-exec.
#include "sys/step_in.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <span>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "config/codec.h"
#include "config/exec_spec.h"
#include "policy/exec_spec.h"
#include "sys/child.h"
#include "sys/exec_report.h"
#include "sys/farewell.h"
#include "sys/landlock.h"
#include "sys/launch_buffer.h"
#include "sys/mounts.h"
#include "sys/namespaces.h"
#include "sys/peer_label.h"
#include "sys/pid_namespace.h"
#include "sys/wrappers.h"

namespace superd {

namespace {

constexpr off_t largest_spec = off_t{16} << 20;

Result<ExecSpec> read_spec(int fd) {
    struct stat facts {};

    if (::fstat(fd, &facts) != 0) return fail("fstat", "spec");
    if (facts.st_size > largest_spec) return fail(EFBIG, "read", "spec");
    std::vector<char> bytes(static_cast<std::size_t>(facts.st_size));
    std::size_t at = 0;
    while (at < bytes.size()) {
        // The offset is everybody's who has this file.
        const ssize_t n =
                ::pread(fd, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail(n < 0 ? errno : EIO, "read", "spec");
        at += static_cast<std::size_t>(n);
    }
    auto spec = decode_exec_spec(bytes);
    if (!spec) return fail(EBADMSG, "read", "spec");
    return std::move(*spec);
}

// One launch.
class StepInRun {
public:
    StepInRun(const StepInCall& call, std::span<char*> variables)
            : call_(call),
              variables_(variables),
              socket_(static_cast<int>(call.socket)),
              began_(std::chrono::steady_clock::now()) {
        report_.connection = call.connection;
        report_.record = call.record;
    }

    [[noreturn]] void run() {
        auto spec = read_spec(static_cast<int>(call_.descriptors));
        if (!spec) give_up(SpawnStage::step_in, spec.error().code);
        spec_ = std::move(*spec);
        deadline_ = began_ + spec_.timeout;
        if (call_.banner_sent < spec_.banner.size())
            send(std::string_view(spec_.banner).substr(call_.banner_sent));
        if (!spec_.daemon.empty()) ask_hosts_access();
        if (spec_.peer_label) take_peer_label();
        if (!spec_.banner_admitted.empty()) send(spec_.banner_admitted);
        start_service();
    }

private:
    void tell(ExecVerdict verdict, SpawnStage stage, int error) {
        report_.verdict = verdict;
        report_.stage = static_cast<std::uint8_t>(stage);
        report_.error = error;
        // A full pipe is one that nobody reads any more.
        (void)!::write(report_fd(), &report_, sizeof report_);
    }

    [[noreturn]] void give_up(SpawnStage stage, int error) {
        tell(ExecVerdict::failed, stage, error);
        std::_Exit(126);
    }

    [[nodiscard]] int report_fd() const { return static_cast<int>(call_.descriptors) + 1; }

    void send(std::string_view text) {
        if (auto sent = send_whole(socket_, text, deadline_); !sent)
            give_up(SpawnStage::banner, sent.error().code);
    }

    void ask_hosts_access() {
        WrappersAnswer answer = ask_wrappers({.socket = socket_,
                .daemon = spec_.daemon,
                .identity = spec_.identity,
                .descriptors = call_.descriptors,
                .deadline = deadline_});
        switch (answer.outcome) {
            case WrappersOutcome::allowed: return;
            case WrappersOutcome::failed: give_up(SpawnStage::tcp_wrappers, answer.error);
            case WrappersOutcome::denied: refuse();
            case WrappersOutcome::replaced: wait_for(answer.pid);
        }
    }

    [[noreturn]] void refuse() {
        tell(ExecVerdict::refused, SpawnStage::tcp_wrappers, 0);
        if (!spec_.refusal.empty() && send_whole(socket_, spec_.refusal, deadline_))
            say_farewell(socket_, call_.kind, deadline_);
        std::_Exit(0);
    }

    // A command of hosts.allow talks to the client instead of the service: this process stands
    // for it, so that it is counted, and ended where the service would be.
    [[noreturn]] void wait_for(pid_t command) {
        tell(ExecVerdict::refused, SpawnStage::tcp_wrappers, 0);
        // The end of the connection is to be the command's alone.
        for (int fd = 0; fd < static_cast<int>(call_.descriptors); ++fd)
            ::close(fd);
        int status = 0;
        while (::waitpid(command, &status, 0) < 0 && errno == EINTR) {
        }
        std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 126);
    }

    void take_peer_label() {
        if (auto set = set_label_of_peer(socket_, spec_.program); !set)
            give_up(SpawnStage::peer_label, set.error().code);
    }

    [[noreturn]] void start_service() {
        auto plan = spawn_plan_of(spec_);
        for (const char* variable : variables_)
            plan->fixed_environment.emplace_back(variable);
        const Fd rules = enter_sandbox_of_service();
        Launch launch;
        launch.plan = plan;
        LaunchBuffer buffer;
        ProcessRecord record{};
        ChildWork& work = buffer.prepare(launch, {});
        work.record = &record;
        work.landlock = rules.get();
        work.report_fd = report_fd();
        work.report = report_;
        // Of this process's own doing; the service has the default.
        work.ignored_signals = std::uint64_t{1} << (SIGPIPE - 1);
        finish_launch(work);
    }

    // Where a path lies on a file system that does not answer it ends by itself. The rules of
    // Landlock, or nothing.
    Fd enter_sandbox_of_service() {
        const SandboxPlan& sandbox = spec_.sandbox;
        if (!sandbox.steps_in()) return {};
        ::alarm(static_cast<unsigned>(
                std::chrono::ceil<std::chrono::seconds>(spec_.timeout).count()));
        if (auto done = leave_namespaces(sandbox); !done)
            give_up(SpawnStage::namespaces, done.error());
        if (sandbox.remounts())
            if (auto done = enter_private_mounts(sandbox, spec_.root); !done)
                give_up(SpawnStage::mounts, done.error());
        Fd rules;
        if (sandbox.landlocks()) {
            auto made = make_landlock_rules(sandbox, spec_.root);
            if (!made) give_up(SpawnStage::landlock, made.error());
            rules = std::move(*made);
        }
        ::alarm(0);
        return rules;
    }

    // The service's log gets what the report has no room for: which path it was.
    [[noreturn]] void give_up(SpawnStage stage, const Error& error) {
        const std::string text = "superd-exec: " + error.text() + "\n";
        if (socket_ != STDERR_FILENO) (void)!::write(STDERR_FILENO, text.data(), text.size());
        give_up(stage, error.code);
    }

    StepInCall call_;
    std::span<char*> variables_;
    int socket_;
    Mono began_, deadline_;
    ExecSpec spec_;
    ExecReport report_;
};

// What lies behind the service's descriptors is to end with this program.
bool keep_to_oneself(unsigned first) {
    for (unsigned fd = first; fd < first + 3; ++fd)
        if (::fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC) != 0) return false;
    return true;
}

}  // namespace

std::string StepInCall::text() const {
    return fmt::format("{} {} {} {} {} {}", descriptors, socket, static_cast<unsigned>(kind),
            record, connection, banner_sent);
}

std::optional<StepInCall> StepInCall::parse(std::string_view text) {
    std::array<std::uint64_t, 6> numbers{};
    std::size_t count = 0;
    for (const std::string_view word : split(text, ' ')) {
        const auto number = parse_decimal(word);
        if (!number || count == numbers.size()) return std::nullopt;
        numbers[count++] = *number;
    }
    if (count != numbers.size() || numbers[0] < 3 || numbers[0] > 4096 ||
            numbers[1] >= numbers[0] ||
            numbers[2] > static_cast<unsigned>(ListenerKind::netlink) || numbers[3] > ~0U ||
            numbers[5] > ~0U)
        return std::nullopt;
    return StepInCall{.descriptors = static_cast<unsigned>(numbers[0]),
            .socket = static_cast<unsigned>(numbers[1]),
            .kind = static_cast<ListenerKind>(numbers[2]),
            .record = static_cast<std::uint32_t>(numbers[3]),
            .connection = numbers[4],
            .banner_sent = static_cast<std::uint32_t>(numbers[5])};
}

int run_step_in(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == first_process_word)
        return watch_over_namespace();
    const auto call = argc >= 2 ? StepInCall::parse(argv[1]) : std::nullopt;
    if (!call || !keep_to_oneself(call->descriptors)) return 2;
    ::signal(SIGPIPE, SIG_IGN);
    StepInRun(*call, std::span(argv + 2, static_cast<std::size_t>(argc) - 2)).run();
}

}  // namespace superd
