// SPDX-License-Identifier: MIT
// The guard: shares its descriptor table and the state with superd and starts it again.
//
// It does as little as possible, because nobody starts it again: all signals are blocked and
// read by sigtimedwait(2), and every turn of the loop looks at everything, so that signals that
// merged lose nothing.
#include "sys/guard.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <optional>

#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/raw_syscall.h"
#include "sys/reaper.h"

namespace superd {

namespace {

constexpr unsigned longest_pause = 60;  // units

using Instant = std::chrono::nanoseconds;  // of CLOCK_MONOTONIC

Instant now() {
    return std::chrono::steady_clock::now().time_since_epoch();
}

void block_all_signals() {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
}

// What superd was started with must not reach services: an ignored SIGPIPE would.
void default_dispositions() {
    struct {
        unsigned long words[8];
    } action{};

    for (long signal = 1; signal <= 64; ++signal)
        raw_call(SYS_rt_sigaction, signal, raw_address(&action), 0, 8);
}

// What both processes are: parents of what their children leave behind, and, as root, not to be
// looked into: a child shares superd's memory when it already is another user.
void become_keeper() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (::geteuid() == 0) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

// The place where glibc keeps the thread's id: the child's own must come there, or its main
// thread would go on with the guard's.
int* thread_id_address() {
    int* address = nullptr;
    return ::prctl(PR_GET_TID_ADDRESS, &address, 0, 0, 0) == 0 ? address : nullptr;
}

long clone_sharing_descriptors() {
    int* const tid = thread_id_address();
    const unsigned long flags =
            CLONE_FILES | SIGCHLD |
            (tid != nullptr ? CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID : 0UL);
#if defined(__x86_64__)
    return raw_call(SYS_clone, static_cast<long>(flags), 0, 0, raw_address(tid), 0);
#else
    return raw_call(SYS_clone, static_cast<long>(flags), 0, 0, 0, raw_address(tid));
#endif
}

bool is_forwarded(int signal) {
    constexpr std::array forwarded{SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
    return std::find(forwarded.begin(), forwarded.end(), signal) != forwarded.end();
}

bool is_stop(int signal) {
    return signal == SIGTERM || signal == SIGINT || signal == SIGQUIT;
}

class Guard {
public:
    Guard(State& state, const GuardOptions& options, const std::function<int(State&)>& body)
            : header_(state.header()),
              state_(state),
              options_(options),
              body_(body),
              pauses_(options) {}

    int run();

private:
    [[nodiscard]] bool start();
    [[noreturn]] void become_superd(pid_t guard);
    void take_signal();
    [[nodiscard]] std::optional<Instant> next_look() const;
    [[nodiscard]] std::optional<int> look_at_superd();
    [[nodiscard]] std::optional<int> after_death(const siginfo_t& info);
    void leave_place();
    void kill_hung();
    void look_at_orphans();
    void reap_acknowledged();
    [[nodiscard]] bool is_listed(pid_t pid) const;
    [[nodiscard]] bool publish(const siginfo_t& info);

    StateHeader& header_;
    State& state_;
    const GuardOptions& options_;
    const std::function<int(State&)>& body_;
    RestartPauses pauses_;
    pid_t superd_ = 0;  // 0: none runs
    Instant started_{0}, start_at_{0};
    int stop_signal_ = 0;  // a stop was asked for
    unsigned deaths_in_stop_ = 0;
    std::optional<Instant> reading_at_;  // of the heartbeat; none where there is none
    std::int64_t last_beat_ = 0;
    bool suspected_ = false;   // last_beat_ was too old when it was last looked at
    bool look_again_ = false;  // next_exit() had more than it took
};

int Guard::run() {
    header_.guard_pid.store(::getpid());
    for (;;) {
        if (superd_ == 0 && now() >= start_at_ && !start())
            start_at_ = now() + options_.pause_unit;
        take_signal();
        if (const auto code = look_at_superd()) return *code;
        look_at_orphans();
        kill_hung();
    }
}

bool Guard::start() {
    ++header_.starts;
    if (header_.heartbeat.load() != heartbeat_of_hung) header_.heartbeat.store(0);
    header_.serving.store(0);
    started_ = now();
    const pid_t guard = ::getpid();
    const long pid = clone_sharing_descriptors();
    if (pid == 0) become_superd(guard);
    if (pid < 0) return false;
    superd_ = static_cast<pid_t>(pid);
    header_.superd_pid.store(superd_);
    if (stop_signal_ != 0) ::kill(superd_, stop_signal_);
    return true;
}

void Guard::become_superd(pid_t guard) {
    // In the guard's group Ctrl-C would arrive twice.
    ::setpgid(0, 0);
    become_keeper();
    header_.superd_pid.store(::getpid());
    ::prctl(PR_SET_PDEATHSIG, guard_gone_signal(), 0, 0, 0);
    if (::getppid() != guard) ::kill(::getpid(), guard_gone_signal());
    ::_exit(body_(state_));
}

// When to look without a signal: a pause that ends, a heartbeat that may be too old.
std::optional<Instant> Guard::next_look() const {
    if (look_again_) return now();
    if (superd_ == 0) return start_at_;
    return reading_at_;
}

void Guard::take_signal() {
    sigset_t all;
    ::sigfillset(&all);
    siginfo_t info{};
    int signal = 0;
    if (const auto look = next_look()) {
        const auto left = std::max(*look - now(), Instant{0});
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        const timespec timeout{.tv_sec = static_cast<time_t>(seconds.count()),
                .tv_nsec = static_cast<long>((left - seconds).count())};
        signal = ::sigtimedwait(&all, &info, &timeout);
    } else {
        signal = ::sigwaitinfo(&all, &info);
    }
    if (signal <= 0 || !is_forwarded(signal)) return;
    if (is_stop(signal)) {
        stop_signal_ = signal;
        // In a pause: superd is started once more, to stop what it left running in order.
        start_at_ = now();
    }
    if (superd_ != 0) ::kill(superd_, signal);
}

std::optional<int> Guard::look_at_superd() {
    if (superd_ == 0) return std::nullopt;
    siginfo_t info{};
    const auto id = static_cast<id_t>(superd_);
    if (::waitid(P_PID, id, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
        return std::nullopt;
    return after_death(info);
}

std::optional<int> Guard::after_death(const siginfo_t& info) {
    superd_ = 0;
    header_.superd_pid.store(0);
    if (info.si_code == CLD_EXITED && info.si_status == exit_stop)
        return header_.final_code.load();
    if (info.si_code == CLD_EXITED && info.si_status == exit_first_start_failed) return 1;
    if (stop_signal_ != 0) {
        // Once more: what it was to end in order is still there.
        start_at_ = now();
        if (deaths_in_stop_++ == 0) return std::nullopt;
        return 1;
    }
    const bool upgrades = info.si_code == CLD_EXITED && info.si_status == exit_upgrade;
    const bool failed = header_.serving.load() == 0 && header_.former_program.load() >= 0;
    if (options_.beginning != nullptr && (upgrades || failed)) {
        leave_place();
        return std::nullopt;
    }
    const Death death{.killed = info.si_code == CLD_KILLED && info.si_status == SIGKILL,
            .served = header_.serving.load() != 0,
            .lived = now() - started_};
    start_at_ = now() + pauses_.after(death);
    return std::nullopt;
}

// Does not return where it succeeds.
void Guard::leave_place() {
    reap_acknowledged();
    const bool back = header_.former_program.load() >= 0;
    if (back) --header_.starts;
    const Error error = back ? hand_back(state_, *options_.beginning,
                                       fmt::format("superd {} did not come to serve",
                                               options_.beginning->version))
                             : hand_over(state_, *options_.beginning, header_.successor);
    set_text(header_.handover_failure, error.text());
    start_at_ = now();
}

// run_guard() says why it looks twice.
void Guard::kill_hung() {
    const std::int64_t beat = header_.heartbeat.load();
    if (superd_ == 0 || beat <= 0) {
        reading_at_.reset();
        return;
    }
    const Nanoseconds between = options_.hung * 3 / 4;
    if (!reading_at_ || beat != last_beat_) {
        last_beat_ = beat;
        suspected_ = false;
        reading_at_ = Instant(beat) + between;
    }
    const Instant late = now() - *reading_at_;
    if (late < Instant{0}) return;
    if (!suspected_ || late > options_.hung / 4) {
        suspected_ = true;
        reading_at_ = now() + between;
        return;
    }
    header_.heartbeat.store(heartbeat_of_hung);
    ::kill(superd_, SIGKILL);
}

// waitid(P_ALL) shows the first of them until it was reaped: one at a time, then.
void Guard::look_at_orphans() {
    reap_acknowledged();
    for (;;) {
        const NextExit next = next_exit();
        const siginfo_t& info = next.info;
        look_again_ = next.more;
        if (info.si_pid == 0 || info.si_pid == superd_ || is_listed(info.si_pid)) return;
        if (!publish(info)) return;
        if (superd_ != 0) ::kill(superd_, guard_signal());
    }
}

void Guard::reap_acknowledged() {
    for (GuardExit& exit : header_.exits) {
        if (exit.acknowledged.load(std::memory_order_acquire) == 0) continue;
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(exit.pid.load()), &info, WEXITED | WNOHANG);
        exit.pid.store(0);
        exit.acknowledged.store(0, std::memory_order_release);
    }
}

bool Guard::is_listed(pid_t pid) const {
    return std::any_of(std::begin(header_.exits), std::end(header_.exits),
            [pid](const GuardExit& exit) { return exit.pid.load() == pid; });
}

bool Guard::publish(const siginfo_t& info) {
    for (GuardExit& exit : header_.exits) {
        if (exit.pid.load() != 0) continue;
        exit.status = wait_status(info.si_code, info.si_status);
        exit.pid.store(info.si_pid, std::memory_order_release);
        return true;
    }
    return false;
}

int run_here(State& state, const std::function<int(State&)>& body) {
    state.header().guard_pid.store(0);
    state.header().superd_pid.store(::getpid());
    ++state.header().starts;
    const int code = body(state);
    if (code == exit_stop) return state.header().final_code.load();
    return code == exit_first_start_failed ? 1 : code;
}

}  // namespace

int guard_signal() {
    return SIGRTMIN;
}

int guard_gone_signal() {
    return SIGRTMIN + 1;
}

Nanoseconds RestartPauses::after(const Death& death) {
    if (death.lived >= options_.quick) quick_deaths_ = 0;
    if (death.killed && death.served) return Nanoseconds{0};
    if (quick_deaths_ == 0) {
        quick_deaths_ = 1;
        return Nanoseconds{0};
    }
    const unsigned units = quick_deaths_ > 6 ? longest_pause : 1U << (quick_deaths_ - 1);
    ++quick_deaths_;
    return options_.pause_unit * std::min(units, longest_pause);
}

int run_guard(
        State& state, const GuardOptions& options, const std::function<int(State&)>& body) {
    default_dispositions();
    block_all_signals();
    become_keeper();
    if (options.no_guard) return run_here(state, body);
    return Guard(state, options, body).run();
}

}  // namespace superd
