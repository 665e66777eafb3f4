// SPDX-License-Identifier: MIT
#include "sys/guard.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "sys/recovery.h"

#include "support/catch.h"
#include "support/launching.h"
#include "support/wait_until.h"

using namespace superd;
using namespace superd::test;
using namespace std::chrono_literals;

namespace {

// Pauses that a test can wait for.
const GuardOptions quick{.no_guard = false, .hung = 200ms, .pause_unit = 1ms, .quick = 10s};

// A place that the test, its guard and every superd see.
struct Board {
    std::atomic<int> starts, value, other, pid, served;
};

Board& shared_board() {
    void* memory = ::mmap(
            nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    return *static_cast<Board*>(memory);
}

int next_signal() {
    sigset_t all;
    ::sigfillset(&all);
    return ::sigwaitinfo(&all, nullptr);
}

// The guard in a process of its own, as it is in real life.
struct Guarded {
    State state = State::for_test();
    Board& board = shared_board();
    pid_t guard = 0;

    void run(const std::function<int(State&)>& body, const GuardOptions& options = quick) {
        guard = ::fork();
        if (guard == 0) ::_exit(run_guard(state, options, body));
    }

    [[nodiscard]] pid_t superd() const { return state.header().superd_pid.load(); }

    void wait_for_start(Checker& check, int count) const {
        check.need(wait_until([&] { return board.starts.load() >= count; }), "a start");
    }

    [[nodiscard]] int result() const {
        int status = 0;
        ::waitpid(guard, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -status;
    }
};

void in_clean_process(const std::function<void(Checker&, Guarded&)>& body) {
    CHECK(in_own_process([&](Checker& check) {
        check.need(reserve_slots().has_value(), "slots");
        Guarded guarded;
        body(check, guarded);
    }) == "done\n");
}

Death death(bool killed, Nanoseconds lived, bool served = false) {
    return {.killed = killed, .served = served, .lived = lived};
}

}  // namespace

TEST_CASE("guard: quick deaths are answered at once, then after 1, 2, 4 up to 60 seconds") {
    RestartPauses pauses{GuardOptions{}};
    for (const int seconds : {0, 1, 2, 4, 8, 16, 32, 60, 60})
        CHECK(pauses.after(death(false, 1s)) == std::chrono::seconds(seconds));
    CHECK(pauses.after(death(false, 11s)) == 0s);
    CHECK(pauses.after(death(false, 1s)) == 1s);
}

TEST_CASE("guard: a superd that worked until somebody killed it starts again at once, always") {
    RestartPauses pauses{GuardOptions{}};
    for (int i = 0; i < 100; ++i)
        CHECK(pauses.after(death(true, 5ms, true)) == 0s);
    CHECK(pauses.after(death(true, 5ms)) == 0s);
    CHECK(pauses.after(death(true, 5ms)) == 1s);
}

TEST_CASE("guard: a stop ends it with 0, a failed first start with 1") {
    in_clean_process([](Checker& check, Guarded& guarded) {
        guarded.run([](State&) { return exit_stop; });
        check.equal(guarded.result(), 0, "stop");
        guarded.run([](State&) { return exit_first_start_failed; });
        check.equal(guarded.result(), 1, "first start failed");
        guarded.run([](State&) { return exit_first_start_failed; }, {.no_guard = true});
        check.equal(guarded.result(), 1, "first start failed, no guard");
        guarded.run([](State&) { return 5; }, {.no_guard = true});
        check.equal(guarded.result(), 5, "no guard");
    });
}

TEST_CASE("guard: a death nobody asked for is followed by a new superd with the same table") {
    in_clean_process([](Checker& check, Guarded& guarded) {
        Board& board = guarded.board;
        guarded.run([&board](State& state) {
            const int start = ++board.starts;
            if (start == 1) {
                board.value = ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
                std::raise(SIGKILL);
            }
            if (start == 2) return 3;
            if (start == 3) ::abort();
            board.other = ::fcntl(board.value, F_GETFD);
            return state.header().starts == 4 ? exit_stop : 1;
        });
        check.equal(guarded.result(), 0, "stop at last");
        check.equal(board.starts.load(), 4, "starts");
        check.equal(board.other.load(), FD_CLOEXEC, "the descriptor is still there");
    });
}

TEST_CASE(
        "guard: superd begins with all signals blocked and default, whatever its parent had") {
    in_clean_process([](Checker& check, Guarded& guarded) {
        ::signal(SIGPIPE, SIG_IGN);
        ::signal(SIGCHLD, SIG_IGN);
        Board& board = guarded.board;
        guarded.run([&board](State&) {
            sigset_t mask;
            ::sigprocmask(SIG_SETMASK, nullptr, &mask);
            for (int signal = 1; signal < 32; ++signal) {
                struct sigaction action {};
                ::sigaction(signal, nullptr, &action);
                if (action.sa_handler != SIG_DFL) board.value = signal;
                if (signal != SIGKILL && signal != SIGSTOP && ::sigismember(&mask, signal) != 1)
                    board.other = signal;
            }
            int subreaper = 0;
            ::prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
            if (subreaper != 1) board.value = 1000;
            if (::geteuid() == 0 && ::prctl(PR_GET_DUMPABLE) != 0) board.value = 1001;
            if (::getpgrp() != ::getpid()) board.value = 1002;
            return exit_stop;
        });
        ::signal(SIGCHLD, SIG_DFL);
        check.equal(guarded.result(), 0, "result");
        check.equal(board.value.load(), 0, "not default, or not what superd is to be");
        check.equal(board.other.load(), 0, "not blocked");
    });
}

TEST_CASE("guard: signals reach superd once each, and a stop ends both") {
    in_clean_process([](Checker& check, Guarded& guarded) {
        Board& board = guarded.board;
        guarded.run([&board](State&) {
            ++board.starts;
            for (;;) {
                const int signal = next_signal();
                board.value = board.value * 100 + signal;
                ++board.other;
                if (signal == SIGTERM) return exit_stop;
            }
        });
        guarded.wait_for_start(check, 1);
        int sent = 0;
        for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM}) {
            ::kill(guarded.guard, signal);
            ++sent;
            check.need(wait_until([&] { return board.other.load() >= sent; }), "its arrival");
        }
        check.equal(guarded.result(), 0, "result");
        check.equal(board.value.load(), 1101215, "signals in order");
    });
}

TEST_CASE("guard: a stop that arrives between two superds still stops in order") {
    in_clean_process([](Checker& check, Guarded& guarded) {
        Board& board = guarded.board;
        GuardOptions slow = quick;
        slow.pause_unit = 1h;
        guarded.run(
                [&board](State&) {
                    // Two crashes: the second is followed by the pause.
                    if (++board.starts < 3) return 3;
                    return next_signal() == SIGTERM ? exit_stop : 4;
                },
                slow);
        guarded.wait_for_start(check, 2);
        check.need(wait_until([&] { return guarded.superd() == 0; }), "the second crash");
        ::kill(guarded.guard, SIGTERM);
        check.equal(guarded.result(), 0, "result");
        check.equal(board.starts.load(), 3, "started to stop");
    });
}

TEST_CASE("guard: a superd that dies while it stops is started once more, to stop") {
    in_clean_process([](Checker& check, Guarded& guarded) {
        Board& board = guarded.board;
        guarded.run([&board](State&) {
            ++board.starts;
            if (next_signal() != SIGTERM) return 9;
            return board.starts == board.value ? exit_stop : 3;
        });
        board.value = 2;
        guarded.wait_for_start(check, 1);
        ::kill(guarded.guard, SIGTERM);
        check.equal(guarded.result(), 0, "stopped by the second");
        board.starts = 0;
        board.value = 100;
        guarded.run([&board](State&) {
            ++board.starts;
            return next_signal() == SIGTERM ? 3 : 9;
        });
        guarded.wait_for_start(check, 1);
        ::kill(guarded.guard, SIGTERM);
        check.equal(guarded.result(), 1, "gave up");
        check.equal(board.starts.load(), 2, "starts");
    });
}

TEST_CASE("guard: a superd that no longer says it lives is killed and started again") {
    in_clean_process([](Checker& check, Guarded& guarded) {
        Board& board = guarded.board;
        guarded.run([&board](State& state) {
            if (++board.starts == 2)
                return state.header().heartbeat.load() == heartbeat_of_hung ? exit_stop : 9;
            state.header().heartbeat =
                    std::chrono::steady_clock::now().time_since_epoch().count();
            ::kill(::getppid(), guard_signal());
            for (;;)
                ::pause();
        });
        check.equal(guarded.result(), 0, "result");
        check.equal(board.starts.load(), 2, "starts");
    });
}

TEST_CASE("guard: a superd that was stopped together with the guard is not killed for it") {
    in_clean_process([](Checker& check, Guarded& guarded) {
        Board& board = guarded.board;
        GuardOptions patient = quick;
        patient.hung = 2s;
        guarded.run(
                [&board](State& state) {
                    ++board.starts;
                    sigset_t term;
                    ::sigemptyset(&term);
                    ::sigaddset(&term, SIGTERM);
                    const timespec between{.tv_sec = 0, .tv_nsec = 10'000'000};
                    do {
                        state.header().heartbeat =
                                std::chrono::steady_clock::now().time_since_epoch().count();
                        if (++board.value == 1) ::kill(::getppid(), guard_signal());
                    } while (::sigtimedwait(&term, nullptr, &between) != SIGTERM);
                    return exit_stop;
                },
                patient);
        const auto beats = [&](int count) {
            const int wanted = board.value.load() + count;
            check.need(wait_until([&] { return board.value.load() >= wanted; }), "beats");
        };
        beats(3);
        const pid_t superd = guarded.superd();
        const auto let_pass = [](Nanoseconds time) {
            const auto over = std::chrono::steady_clock::now() + time;
            wait_until([&] { return std::chrono::steady_clock::now() > over; });
        };
        ::kill(guarded.guard, SIGSTOP);
        ::kill(superd, SIGSTOP);
        let_pass(patient.hung * 3 / 2);
        ::kill(guarded.guard, SIGCONT);
        ::kill(superd, SIGCONT);
        beats(1);
        let_pass(patient.hung);
        check.equal(guarded.superd(), superd, "the same superd");
        ::kill(guarded.guard, SIGTERM);
        check.equal(guarded.result(), 0, "result");
        check.equal(board.starts.load(), 1, "starts");
    });
}

TEST_CASE("guard: when the guard is killed superd is told, and may stop in order") {
    in_clean_process([](Checker& check, Guarded& guarded) {
        Board& board = guarded.board;
        guarded.run([&board](State&) {
            board.pid = ::getpid();
            ++board.starts;
            board.value = next_signal();
            ++board.other;
            return exit_stop;
        });
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        guarded.wait_for_start(check, 1);
        ::kill(guarded.guard, SIGKILL);
        (void)guarded.result();
        check.need(wait_until([&] { return board.other.load() != 0; }), "the signal");
        check.equal(board.value.load(), guard_gone_signal(), "signal");
        int status = 0;
        check.equal(::waitpid(board.pid.load(), &status, 0), board.pid.load(), "superd");
        check.equal(WEXITSTATUS(status), exit_stop, "its status");
    });
}

TEST_CASE("guard: superd's main thread is a thread of superd's, not the guard's") {
    in_clean_process([](Checker& check, Guarded& guarded) {
        Board& board = guarded.board;
        guarded.run([&board](State&) {
            // As a thread of superd would speak of the main thread.
            static const pthread_t main_thread = ::pthread_self();
            static int error = -1;
            pthread_t other;
            const auto touch = [](void*) -> void* {
                error = ::pthread_kill(main_thread, 0);
                cpu_set_t one;
                CPU_ZERO(&one);
                CPU_SET(0, &one);
                ::pthread_setaffinity_np(main_thread, sizeof one, &one);
                return nullptr;
            };
            ::pthread_create(&other, nullptr, touch, nullptr);
            ::pthread_join(other, nullptr);
            cpu_set_t guard, own;
            ::sched_getaffinity(::getppid(), sizeof guard, &guard);
            ::sched_getaffinity(0, sizeof own, &own);
            board.value = error;
            board.other = CPU_COUNT(&own);
            board.pid = CPU_COUNT(&guard);
            return exit_stop;
        });
        check.equal(guarded.result(), 0, "result");
        check.equal(board.value.load(), 0, "pthread_kill");
        check.equal(board.other.load(), 1, "CPUs of superd's main thread");
        if (::sysconf(_SC_NPROCESSORS_ONLN) > 1)
            check.that(board.pid.load() > 1, "CPUs of the guard");
    });
}

namespace {

constexpr int most_pending = 40;

// As much of an engine as shows that launches survive it: accept, write down, submit; recover.
class MiniEngine {
public:
    MiniEngine(State& state, Board& board, SpawnMethod method)
            : state_(state),
              board_(board),
              listener_(state.listeners()[0].fd),
              recovery_(recover_launches(state, {})),
              spawner_(state, {.method = method}),
              reaper_(make_reaper(state)),
              plan_(report_plan({"answer", "ok"})) {
        sigset_t all;
        ::sigfillset(&all);
        signals_ = ::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
        for (const RecoveredRecord& one : recovery_.records)
            take_over(one);
        for (const FoundConnection& one : recovery_.connections) {
            ++board_.other;
            begin(one.fd);
        }
        reaper_.on_guard_signal(ends_);
        take_ends();
    }

    int run() {
        ++board_.starts;
        while (!stop_) {
            pollfd set[] = {{listener_, POLLIN, 0}, {spawner_.event_fd(), POLLIN, 0},
                    {reaper_.fd(), POLLIN, 0}, {signals_, POLLIN, 0}};
            ::poll(set, 4, spawner_.pending() > 0 ? 5 : -1);
            if (set[3].revents != 0) read_signals();
            if (set[0].revents != 0) accept_some();
            take_results();
            reaper_.wait(ends_);
            take_ends();
            spawner_.tick(std::chrono::steady_clock::now());
        }
        while (spawner_.pending() > 0)
            take_results();
        return exit_stop;
    }

private:
    void take_over(const RecoveredRecord& one) {
        ProcessRecord& record = state_.processes()[one.record];
        switch (one.action) {
            case Recovered::start: submit(one.record); break;
            case Recovered::running:
            case Recovered::failed: (void)reaper_.add(one.record); break;
            case Recovered::give_up: ++board_.value; [[fallthrough]];
            case Recovered::forget: record.state = RecordState::free; break;
        }
    }

    void submit(std::uint32_t index) {
        Launch launch;
        launch.record = index;
        launch.plan = plan_;
        launch.connection = state_.processes()[index].connection.load();
        spawner_.submit(std::move(launch));
    }

    void begin(int fd) {
        const auto records = state_.processes();
        std::uint32_t index = 0;
        while (records[index].state.load() != RecordState::free)
            ++index;
        ProcessRecord& record = records[index];
        record.pid = 0;
        record.pidfd = -1;
        record.error = 0;
        record.stage = 0;
        record.attempts = 0;
        record.kind = ProcessKind::handler;
        record.connection = fd;
        record.cookie = socket_cookie(fd);
        state_.header().process_high = std::max(state_.header().process_high, index + 1);
        record.state.store(RecordState::accepted, std::memory_order_release);
        submit(index);
    }

    void accept_some() {
        for (int i = 0; i < 16 && spawner_.pending() < most_pending; ++i) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) return;
            begin(fd);
        }
    }

    void take_results() {
        results_.clear();
        spawner_.drain(results_);
        for (const LaunchResult& result : results_) {
            ++board_.served;
            if (result.stage != SpawnStage::none) ++board_.pid;
            (void)reaper_.add(result.record);
        }
    }

    void take_ends() {
        for (const Ended& end : ends_) {
            reaper_.reap(end.record);
            state_.processes()[end.record].state = RecordState::free;
        }
        ends_.clear();
    }

    void read_signals() {
        signalfd_siginfo info;
        while (::read(signals_, &info, sizeof info) == sizeof info) {
            if (info.ssi_signo == SIGTERM) stop_ = true;
            if (info.ssi_signo == static_cast<std::uint32_t>(guard_signal()))
                reaper_.on_guard_signal(ends_);
        }
        take_ends();
    }

    State& state_;
    Board& board_;
    int listener_;
    Recovery recovery_;
    Spawner spawner_;
    Reaper reaper_;
    std::shared_ptr<SpawnPlan> plan_;
    int signals_ = -1;
    bool stop_ = false;
    std::vector<LaunchResult> results_;
    std::vector<Ended> ends_;
};

sockaddr_in listen_on_loopback(int fd) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd, generic, length) != 0 || ::listen(fd, 4096) != 0 ||
            ::getsockname(fd, generic, &length) != 0)
        std::abort();
    return address;
}

// Clients one after the other in each of some threads, and what became of them.
class Clients {
public:
    Clients(const sockaddr_in& address, int threads, int each)
            : address_(address), running_(threads) {
        for (int i = 0; i < threads; ++i)
            threads_.emplace_back([this, each] {
                for (int n = 0; n < each; ++n)
                    one();
                --running_;
            });
    }

    void join() {
        for (std::thread& thread : threads_)
            thread.join();
    }

    std::atomic<int> right{0}, lost{0}, twice{0};

    [[nodiscard]] bool running() const { return running_.load() > 0; }

private:
    void one() {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0) {
            ::close(fd);
            ++lost;
            return;
        }
        const std::string answer = read_to_end(fd);
        ++(answer == "ok\n" ? right : answer.empty() ? lost : twice);
    }

    sockaddr_in address_;
    std::atomic<int> running_;
    std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("guard: kill -9 under load answers every connection exactly once") {
    for (const SpawnMethod method : spawn_methods()) {
        CHECK(in_own_process([&](Checker& check) {
            check.need(reserve_slots().has_value(), "slots");
            Guarded guarded;
            Board& board = guarded.board;
            const int listener =
                    ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            const sockaddr_in address = listen_on_loopback(listener);
            guarded.state.listeners()[0].fd = listener;
            guarded.state.header().listener_high = 1;
            guarded.run(
                    [&board, method](
                            State& state) { return MiniEngine(state, board, method).run(); },
                    {.no_guard = false, .pause_unit = 0ns});
            guarded.wait_for_start(check, 1);

            Clients clients(address, 8, method == SpawnMethod::shared_table ? 600 : 200);
            // A launch that two kills hit is given up, and rightly: so each superd first serves
            // more than its predecessor can have left it.
            int kills = 0;
            for (int more = 8; clients.running(); more = (more * 7 + 13) % 40 + 8) {
                const int enough = board.served.load() + most_pending + more;
                check.need(wait_until([&] {
                    return !clients.running() || board.served.load() >= enough;
                }),
                        "connections served after a kill");
                const pid_t superd = guarded.superd();
                if (superd > 0 && ::kill(superd, SIGKILL) == 0) ++kills;
            }
            clients.join();
            ::kill(guarded.guard, SIGTERM);
            check.equal(guarded.result(), 0, "stop");
            check.equal(clients.lost.load(), 0, "lost");
            check.equal(clients.twice.load(), 0, "answered twice");
            check.equal(board.value.load(), 0, "given up");
            check.equal(board.pid.load(), 0, "failed to start");
            check.that(kills > 8, "there were kills");
            check.that(clients.right.load() > 0, "there were answers");
        }) == "done\n");
    }
}
