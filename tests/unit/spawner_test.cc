// SPDX-License-Identifier: MIT
#include "sys/spawner.h"

#include <csignal>
#include <fstream>
#include <sstream>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "sys/clone.h"
#include "sys/slots.h"

#include "support/catch.h"
#include "support/launching.h"
#include "support/skip.h"
#include "support/sockets.h"
#include "support/wait_until.h"

namespace {

using namespace superd;
using namespace superd::test;

std::string name_of(SpawnMethod method) {
    switch (method) {
        case SpawnMethod::shared_table: return "shared table: ";
        case SpawnMethod::vfork: return "vfork: ";
        case SpawnMethod::fork: return "fork: ";
    }
    return {};
}

// The body once for every way of launching that works here.
void with_every_method(const std::function<void(Checker&, SpawnMethod)>& body) {
    for (const SpawnMethod method : spawn_methods()) {
        const std::string said = in_own_process([&](Checker& check) {
            check.need(reserve_slots().has_value(), "slots");
            sigset_t all;
            ::sigfillset(&all);
            ::sigprocmask(SIG_SETMASK, &all, nullptr);
            body(check, method);
        });
        INFO(name_of(method));
        CHECK(said == "done\n");
    }
}

std::string file_text(const char* path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// Of /proc/self/status: memory, counters, what is pending.
bool changes_by_itself(const std::string& line) {
    const auto begins = [&](std::string_view with) {
        return line.starts_with(with);
    };
    return begins("Vm") || begins("Rss") || begins("Hugetlb") || begins("Threads") ||
           begins("SigQ") || begins("SigPnd") || begins("ShdPnd") || begins("FDSize") ||
           line.find("ctxt") != std::string::npos;
}

// A copy of the report program that nobody else runs.
std::string own_copy() {
    char path[] = "/tmp/superd-test-XXXXXX";
    const int fd = ::mkostemp(path, O_CLOEXEC);
    const std::string bytes = file_text(test_program("report").c_str());
    if (::write(fd, bytes.data(), bytes.size()) < 0) std::abort();
    ::fchmod(fd, 0755);
    ::close(fd);
    return path;
}

void wait_for_exec(Checker& check, const ProcessRecord& record) {
    const auto at_exec = [&] {
        return record.stage.load() == static_cast<std::uint8_t>(SpawnStage::exec);
    };
    check.need(wait_until(at_exec), "the launch to come to its exec");
}

// While it lives, exec of that program hangs: the kernel waits for the lease to be given back.
class HungProgram {
public:
    HungProgram() : path(own_copy()), fd_(::open(path.c_str(), O_WRONLY | O_CLOEXEC)) {
        // A lease wants no writer but its holder.
        leased = ::fcntl(fd_, F_SETLEASE, F_WRLCK) == 0;
    }

    ~HungProgram() {
        release();
        ::unlink(path.c_str());
    }

    void release() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

    std::string path;
    bool leased = false;

private:
    int fd_;
};

}  // namespace

TEST_CASE("spawner: a handler gets its connection on 0 and 1 and nothing else of superd") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method);
        const int secret = ::open("/etc/passwd", O_RDONLY);  // not even close-on-exec
        const auto report = parse_report(bench.answer_of(report_plan({"to", "1"})));
        check.that(report.contains("end"), "the report is whole");
        check.equal(report.at("fd.0"), report.at("fd.1"), "one socket");
        check.that(report.at("fd.0").starts_with("socket:"), "a socket on 0");
        check.equal(report.at("fd.2"), "/dev/null", "stderr");
        check.that(!report.contains("fd.0.nonblocking"), "the connection blocks");
        for (const auto& [key, value] : report)
            check.that(
                    !key.starts_with("fd.") || std::stoi(key.substr(3)) < 3, "leaked " + key);
        check.equal(report.at("blocked"), "", "signal mask");
        check.equal(report.at("ignored"), "", "ignored signals");
        check.equal(report.at("session_leader"), "1", "session");
        check.equal(report.at("death_signal"), "0", "death signal");
        check.equal(report.at("cwd"), "/", "directory");
        ::close(secret);
    });
}

TEST_CASE("spawner: signals that superd itself was told to ignore are default in a child") {
    with_every_method([](Checker& check, SpawnMethod method) {
        ::signal(SIGPIPE, SIG_IGN);
        ::signal(SIGHUP, SIG_IGN);
        Bench bench(method);
        const auto report = parse_report(bench.answer_of(report_plan()));
        check.equal(report.at("ignored"), "", "ignored signals");
        forbid_clone3();
        const auto again = parse_report(bench.answer_of(report_plan()));
        check.equal(again.at("ignored"), "", "ignored signals without clone3");
    });
}

TEST_CASE("spawner: without clone3 a launch has a pid, a pidfd and a stage all the same") {
    with_every_method([](Checker& check, SpawnMethod method) {
        forbid_clone3();
        Bench bench(method);
        const Pair pair = socket_pair();
        const std::uint32_t record = bench.submit(report_plan({"wait"}), pair.theirs);
        check.equal(static_cast<int>(bench.results(1)[0].stage), 0, "stage");
        check.that(bench.state.processes()[record].pid.load() > 0, "pid");
        check.that(bench.state.processes()[record].pidfd.load() >= low_number, "pidfd");
        ::close(pair.ours);
        check.equal(bench.ends(1)[0].status, 0, "status");
    });
}

TEST_CASE(
        "spawner: a program that is not there is named with its stage and errno, and ends "
        "127") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method);
        const Pair pair = socket_pair();
        const std::uint32_t record =
                bench.submit(plan_of({"/nonexistent/program"}), pair.theirs);
        const LaunchResult result = bench.results(1)[0];
        check.equal(result.record, record, "record");
        check.equal(std::string(stage_name(result.stage)), "exec", "stage");
        check.equal(result.error, ENOENT, "errno");
        check.equal(read_to_end(pair.ours), "", "the connection is closed");
        check.equal(WEXITSTATUS(bench.ends(1)[0].status), 127, "status");
    });
}

TEST_CASE("spawner: a stage that fails is named, and ends 126 without running anything") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method);
        const auto fail = [&](SpawnPlan change, SpawnStage stage, int error) {
            const Pair pair = socket_pair();
            auto plan = std::make_shared<SpawnPlan>(*report_plan());
            plan->directory = change.directory;
            plan->root = change.root;
            plan->rlimits = change.rlimits;
            plan->cpu_affinity = change.cpu_affinity;
            bench.submit(plan, pair.theirs);
            const LaunchResult result = bench.results(1)[0];
            check.equal(stage_name(result.stage), stage_name(stage), "stage");
            check.equal(result.error, error, std::string(stage_name(stage)));
            check.equal(read_to_end(pair.ours), "", "answer");
            check.equal(WEXITSTATUS(bench.ends(1)[0].status), 126, "status");
        };
        SpawnPlan plan;
        plan.directory = "/nonexistent";
        fail(plan, SpawnStage::directory, ENOENT);
        plan = {};
        plan.directory = "/";
        plan.rlimits = {{.resource = RLIMIT_NOFILE, .soft = 10, .hard = 5}};
        fail(plan, SpawnStage::rlimits, EINVAL);
        plan.rlimits.clear();
        plan.cpu_affinity = {1000};
        fail(plan, SpawnStage::affinity, EINVAL);
        plan.cpu_affinity.clear();
        plan.root = "/nonexistent";
        if (::geteuid() == 0) fail(plan, SpawnStage::root, ENOENT);
    });
}

TEST_CASE("spawner: every setting of a plan is what the child finds") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method);
        auto plan = report_plan();
        plan->argv.front() = "other-name";
        plan->fixed_environment = {"A=1", "B=two words"};
        plan->umask = 027;
        plan->nice = 7;
        plan->oom_score_adjust = 321;
        plan->rlimits = {{.resource = RLIMIT_NOFILE, .soft = 40, .hard = 50},
                {.resource = RLIMIT_CORE, .soft = 0, .hard = 0}};
        plan->directory = "/usr";
        plan->cpu_affinity = {0};
        plan->ionice_class = std::uint8_t{2};
        plan->ionice_level = std::uint8_t{6};
        const auto report = parse_report(bench.answer_of(plan));
        check.equal(report.at("argv.0"), "other-name", "argv0");
        check.equal(report.at("env.A"), "1", "A");
        check.equal(report.at("env.B"), "two words", "B");
        check.equal(report.at("umask"), std::to_string(027), "umask");
        check.equal(report.at("nice"), "7", "nice");
        check.equal(report.at("oom_score_adj"), "321", "oom score");
        check.equal(report.at("rlimit." + std::to_string(RLIMIT_NOFILE)), "40:50", "nofile");
        check.equal(report.at("rlimit." + std::to_string(RLIMIT_CORE)), "0:0", "core");
        check.equal(report.at("cwd"), "/usr", "directory");
        check.equal(report.at("cpus"), "0", "cpus");
        check.equal(report.at("ionice"), std::to_string(2 << 13 | 6), "ionice");
    });
}

TEST_CASE("spawner: as root, the identity is changed in full and root cannot come back") {
    if (::geteuid() != 0) {
        skip("needs root");
        return;
    }
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method);
        auto plan = report_plan();
        plan->identity.change = true;
        plan->identity.uid = 12345;
        plan->identity.gid = 23456;
        plan->identity.groups = {34567, 45678};
        const auto report = parse_report(bench.answer_of(plan));
        check.equal(report.at("uid"), "12345 12345 12345", "uid");
        check.equal(report.at("gid"), "23456 23456 23456", "gid");
        check.equal(report.at("groups"), "34567 45678", "groups");
        plan->identity.groups.clear();
        check.equal(parse_report(bench.answer_of(plan)).at("groups"), "", "no groups");
        check.equal(::geteuid(), uid_t{0}, "superd's own uid");
    });
}

TEST_CASE("spawner: as root, a handler can be shut into a folder") {
    if (::geteuid() != 0) {
        skip("needs root");
        return;
    }
    with_every_method([](Checker& check, SpawnMethod method) {
        char folder[] = "/tmp/superd-root-XXXXXX";
        check.need(::mkdtemp(folder) != nullptr, "folder");
        const std::string program = std::string(folder) + "/report";
        const std::string copy = own_copy();
        check.need(::rename(copy.c_str(), program.c_str()) == 0, "rename");
        struct stat inside {};
        ::stat(folder, &inside);
        {
            Bench bench(method);
            auto plan = plan_of({"/report"});
            plan->root = folder;
            const auto report = parse_report(bench.answer_of(plan));
            check.equal(report.at("root_inode"), std::to_string(inside.st_ino), "root");
            check.equal(report.at("cwd"), "/", "directory");
        }
        ::unlink(program.c_str());
        ::rmdir(folder);
    });
}

TEST_CASE("spawner: stderr goes to the given stream, to the socket or nowhere") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method);
        const auto stderr_of = [&](OutputKind kind, int stream) {
            const Pair pair = socket_pair();
            auto plan = report_plan();
            plan->standard_error = kind;
            Launch launch;
            launch.record = bench.take_record();
            launch.plan = plan;
            launch.connection = pair.theirs;
            launch.standard_error = stream;
            bench.spawner.submit(std::move(launch));
            (void)bench.results(1);
            auto report = parse_report(read_to_end(pair.ours));
            bench.ends(1);
            return std::pair(report.at("fd.2"), report.at("fd.1"));
        };
        const int file = ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        check.equal(stderr_of(OutputKind::log, file).first, "/etc/passwd", "a stream");
        check.equal(stderr_of(OutputKind::file, file).first, "/etc/passwd", "a file");
        check.equal(stderr_of(OutputKind::log, -1).first, "/dev/null", "no stream");
        check.equal(stderr_of(OutputKind::null, file).first, "/dev/null", "null");
        const auto socket = stderr_of(OutputKind::socket, file);
        check.equal(socket.first, socket.second, "the socket");
    });
}

TEST_CASE("spawner: with listen_fds a handler has its connection on 3 and only there") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method);
        auto plan = report_plan({"to", "3"});
        plan->pass = Pass::listen_fds;
        const auto report = parse_report(bench.answer_of(plan));
        check.that(report.at("fd.3").starts_with("socket:"), "3");
        check.equal(report.at("fd.0"), "/dev/null", "0");
        check.equal(report.at("fd.1"), "/dev/null", "1");
        check.equal(report.at("env.LISTEN_FDS"), "1", "LISTEN_FDS");
        check.equal(report.at("env.LISTEN_FDNAMES"), "connection", "LISTEN_FDNAMES");
        check.equal(report.at("env.LISTEN_PID"), report.at("pid"), "LISTEN_PID");
    });
}

TEST_CASE("spawner: an IPv4 client of a socket for both families is one to the program too") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method);
        const int listener = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int off = 0;
        ::setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        check.need(::listen(listener, 4) == 0, "a listener on some port");
        const Fd client = connect_v4(port_of(listener));
        const int connection = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        check.equal(int_option(connection, SOL_SOCKET, SO_DOMAIN), AF_INET6, "before");
        Endpoint peer;
        peer.family = Family::ip;
        peer.ip = IpAddress::parse("127.0.0.1").value();
        bench.submit(report_plan({"to", "1"}), connection, 0, peer);
        bench.results(1);
        const auto report = parse_report(read_to_end(::dup(client.get())));
        bench.ends(1);
        check.equal(report.at("fd.0.family"), std::to_string(AF_INET), "the program's");
        ::close(listener);
    });
}

TEST_CASE("spawner: each of many children at once finds its own pid in LISTEN_PID") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method, 4);
        auto plan = report_plan({"to", "3"});
        plan->pass = Pass::listen_fds;
        std::vector<int> clients;
        for (int i = 0; i < 40; ++i) {
            const Pair pair = socket_pair();
            clients.push_back(pair.ours);
            bench.submit(plan, pair.theirs);
        }
        (void)bench.results(40);
        for (const int client : clients) {
            const auto report = parse_report(read_to_end(client));
            check.equal(report.at("env.LISTEN_PID"), report.at("pid"), "LISTEN_PID");
        }
        bench.ends(40);
    });
}

TEST_CASE("spawner: a worker gets more listeners than there are numbers in a slot") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method);
        std::vector<int> listeners;
        for (int i = 0; i < 200; ++i) {
            const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            sockaddr_un any{};
            any.sun_family = AF_UNIX;
            check.need(
                    ::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof(sa_family_t)) == 0 &&
                            ::listen(fd, 1) == 0,
                    "listener");
            listeners.push_back(fd);
        }
        int ends[2];
        check.need(::pipe2(ends, O_CLOEXEC) == 0, "pipe");
        auto plan = report_plan();
        plan->mode = Mode::worker;
        plan->pass = Pass::listen_fds;
        plan->listen_fdnames = "names";
        Launch launch;
        launch.record = bench.take_record(ProcessKind::worker);
        launch.plan = plan;
        launch.listeners = listeners;
        launch.standard_output = ends[1];
        bench.spawner.submit(std::move(launch));
        // A stop closes its listeners while their worker waits for a thread.
        std::string closed(64, '\0');
        const std::string last = "/proc/self/fd/" + std::to_string(listeners.back());
        closed.resize(static_cast<std::size_t>(
                std::max<ssize_t>(0, ::readlink(last.c_str(), closed.data(), closed.size()))));
        ::close(listeners.back());
        check.equal(bench.results(1)[0].error, 0, "started");
        ::close(ends[1]);
        const auto report = parse_report(read_to_end(ends[0]));
        bench.ends(1);
        check.equal(report.at("env.LISTEN_FDS"), "200", "LISTEN_FDS");
        check.equal(report.at("env.LISTEN_PID"), report.at("pid"), "LISTEN_PID");
        for (int n = 3; n < 203; ++n) {
            const std::string key = "fd." + std::to_string(n);
            char own[64];
            const std::string path = "/proc/self/fd/" +
                                     std::to_string(listeners[static_cast<std::size_t>(n - 3)]);
            const ssize_t length = ::readlink(path.c_str(), own, sizeof own);
            check.equal(report.at(key),
                    n == 202 ? closed
                             : std::string(own,
                                       static_cast<std::size_t>(std::max<ssize_t>(length, 0))),
                    key);
            check.equal(report.at(key + ".listening"), "1", key + " listens");
            check.that(!report.contains(key + ".nonblocking"), key + " blocks");
        }
        check.that(!report.contains("fd.203"), "nothing above");
    });
}

TEST_CASE("spawner: a worker whose listener cannot be copied is not started without it") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method);
        const int listener = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        rlimit few = before;
        few.rlim_cur = low_number + 100;
        ::setrlimit(RLIMIT_NOFILE, &few);
        std::vector<int> fillers;
        for (int fd; (fd = ::fcntl(listener, F_DUPFD_CLOEXEC, low_number)) >= 0;)
            fillers.push_back(fd);
        check.equal(errno, EMFILE, "no number is free");
        const auto start_one = [&] {
            Launch launch;
            launch.record = bench.take_record(ProcessKind::worker);
            launch.plan = report_plan({"exit", "0"});
            launch.listeners = {listener};
            bench.spawner.submit(std::move(launch));
            return bench.results(1)[0];
        };
        const LaunchResult failed = start_one();
        check.that(failed.stage == SpawnStage::descriptors, "stage");
        check.equal(failed.error, EMFILE, "error");
        check.equal(bench.state.processes()[failed.record].pid.load(), 0, "no process");
        for (const int fd : fillers)
            ::close(fd);
        ::setrlimit(RLIMIT_NOFILE, &before);
        check.equal(start_one().error, 0, "the next one");
        bench.ends(1);
    });
}

TEST_CASE(
        "spawner: a second worker does not take O_NONBLOCK off a listener that the first "
        "uses") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method);
        const int listener = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const auto launch_with = [&](bool blocking) {
            Launch launch;
            launch.record = bench.take_record(ProcessKind::worker);
            launch.plan = report_plan({"exit", "0"});
            launch.listeners = {listener};
            launch.listeners_blocking = blocking;
            bench.spawner.submit(std::move(launch));
            (void)bench.results(1);
            bench.ends(1);
            return (::fcntl(listener, F_GETFL) & O_NONBLOCK) == 0;
        };
        check.that(!launch_with(false), "left alone");
        check.that(launch_with(true), "blocking as inetd's servers expect it");
    });
}

TEST_CASE("spawner: a hung exec of another service does not withhold a client's end of file") {
    with_every_method([](Checker& check, SpawnMethod method) {
        HungProgram first, second;
        check.need(first.leased && second.leased, "leases");
        Bench bench(method, 4);
        const auto hang = [&](const HungProgram& program, std::uint32_t service) {
            const Pair pair = socket_pair();
            const auto record =
                    bench.submit(plan_of({program.path, "answer", "x"}), pair.theirs, service);
            const ProcessRecord& process = bench.state.processes()[record];
            wait_for_exec(check, process);
            return pair.ours;
        };
        // The second child is made while the first one's connection is in its slot.
        const int one = hang(first, 1);
        const int other = hang(second, 2);
        first.release();
        check.equal(bench.results(1)[0].service, 1U, "the first starts");
        check.equal(read_to_end(one), "x\n", "its answer, and end of file");
        check.equal(bench.spawner.pending(2), 1U, "the second still hangs");
        second.release();
        (void)bench.results(1);
        check.equal(read_to_end(other), "x\n", "the second");
        bench.ends(2);
    });
}

TEST_CASE("spawner: more hung programs than slots and threads stop their own service only") {
    with_every_method([](Checker& check, SpawnMethod method) {
        HungProgram hung;
        check.need(hung.leased, "lease");
        Bench bench(method, 2, 64);
        std::vector<int> clients;
        for (int i = 0; i < 40; ++i) {
            const Pair slow = socket_pair();
            clients.push_back(slow.ours);
            bench.submit(plan_of({hung.path, "exit", "0"}), slow.theirs,
                    1 + static_cast<std::uint32_t>(i) % 3);
        }
        const Pair fast = socket_pair();
        bench.submit(report_plan({"answer", "fast"}), fast.theirs, 9);
        check.equal(bench.results(1)[0].service, 9U, "the fast one starts");
        check.equal(read_to_end(fast.ours), "fast\n", "and answers");
        check.equal(bench.spawner.pending(), 40U, "all others wait");
        hung.release();
        (void)bench.results(40);
        bench.ends(41);
        for (const int client : clients)
            ::close(client);
    });
}

TEST_CASE("spawner: a launch that does not exec in time is killed, and is said to be late") {
    with_every_method([](Checker& check, SpawnMethod method) {
        HungProgram hung;
        check.need(hung.leased, "lease");
        Bench bench(method);
        const Pair slow = socket_pair();
        auto plan = plan_of({hung.path, "exit", "0"});
        plan->launch_timeout = std::chrono::hours(1);
        const std::uint32_t record = bench.submit(plan, slow.theirs);
        wait_for_exec(check, bench.state.processes()[record]);
        const auto seen = std::chrono::steady_clock::now();
        bench.spawner.tick(seen);
        bench.spawner.tick(seen + std::chrono::hours(2));
        const LaunchResult result = bench.results(1)[0];
        check.that(result.timed_out, "late");
        check.equal(stage_name(result.stage), "exec", "stage");
        check.equal(WTERMSIG(bench.ends(1)[0].status), SIGKILL, "killed");
        check.equal(read_to_end(slow.ours), "", "end of file");
    });
}

TEST_CASE(
        "spawner: a handler that sets a linger time and ends does not block the loop or a "
        "slot") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method, 1);
        const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        socklen_t length = sizeof address;
        check.need(::bind(listener, generic, length) == 0 && ::listen(listener, 8) == 0 &&
                           ::getsockname(listener, generic, &length) == 0,
                "listener");
        const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check.need(::connect(client, generic, length) == 0, "connect");
        const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        // Held open here until the handler is gone, so that this is the last close.
        const int copy = ::fcntl(accepted, F_DUPFD_CLOEXEC, low_number);
        bench.submit(report_plan({"linger"}), accepted);
        (void)bench.results(1);
        check.equal(bench.ends(1)[0].status, 0, "lingers");
        const auto before = std::chrono::steady_clock::now();
        {
            bench.spawner.close_later(copy);
            const auto handed_over = std::chrono::steady_clock::now() - before;
            check.that(handed_over < std::chrono::seconds(30), "the loop goes on");
        }
        check.equal(bench.answer_of(report_plan({"answer", "next"})), "next\n", "the next one");
        ::close(client);
        check.that(std::chrono::steady_clock::now() - before < std::chrono::seconds(50),
                "nobody lingered");
    });
}

TEST_CASE("spawner: it can be ended while a program hangs in exec") {
    with_every_method([](Checker& check, SpawnMethod method) {
        HungProgram hung;
        check.need(hung.leased, "lease");
        const Pair first = socket_pair(), second = socket_pair();
        const auto before = std::chrono::steady_clock::now();
        {
            Bench bench(method, 1);
            bench.submit(plan_of({hung.path, "exit", "0"}), first.theirs);
            bench.submit(report_plan({"answer", "never"}), second.theirs);
            const ProcessRecord& record = bench.state.processes()[0];
            wait_for_exec(check, record);
        }
        check.that(std::chrono::steady_clock::now() - before < patience, "it ended");
        check.equal(read_to_end(first.ours), "", "the one that hung");
        check.equal(read_to_end(second.ours), "", "the one that waited");
    });
}

TEST_CASE("spawner: nobody writes to superd's memory through a child that is another user") {
    if (::geteuid() != 0) {
        skip("needs root");
        return;
    }
    with_every_method([](Checker& check, SpawnMethod method) {
        ::prctl(PR_SET_DUMPABLE, 0);  // as the guard does
        HungProgram hung;
        check.need(hung.leased, "lease");
        Bench bench(method);
        auto plan = plan_of({hung.path, "exit", "0"});
        plan->identity.change = true;
        plan->identity.uid = plan->identity.gid = 12345;
        const Pair pair = socket_pair();
        bench.submit(plan, pair.theirs);
        const ProcessRecord& record = bench.state.processes()[0];
        wait_for_exec(check, record);
        const std::string memory = "/proc/" + std::to_string(record.pid.load()) + "/mem";
        const pid_t attacker = ::fork();
        if (attacker == 0) {
            if (::setresgid(12345, 12345, 12345) != 0 || ::setresuid(12345, 12345, 12345) != 0)
                ::_exit(2);
            ::_exit(::open(memory.c_str(), O_RDWR) < 0 && errno == EACCES ? 0 : 1);
        }
        int status = 0;
        ::waitpid(attacker, &status, 0);
        check.equal(WEXITSTATUS(status), 0, "open " + memory);
        hung.release();
        (void)bench.results(1);
        bench.ends(1);
    });
}

TEST_CASE("spawner: a thousand launches with every setting leave superd as it was") {
    with_every_method([](Checker& check, SpawnMethod method) {
        const auto own = [] {
            std::istringstream lines(file_text("/proc/self/status"));
            std::string kept;
            for (std::string line; std::getline(lines, line);)
                if (!changes_by_itself(line)) kept += line + "\n";
            rlimit limit{};
            ::getrlimit(RLIMIT_NOFILE, &limit);
            return kept + file_text("/proc/self/oom_score_adj") +
                   file_text("/proc/self/coredump_filter") + std::to_string(limit.rlim_cur) +
                   " nice " + std::to_string(::getpriority(PRIO_PROCESS, 0));
        };
        if (::geteuid() == 0) ::prctl(PR_SET_DUMPABLE, 0);
        Bench bench(method, 4);
        auto plan = report_plan({"exit", "0"});
        plan->umask = 077;
        plan->nice = 3;
        plan->oom_score_adjust = 500;
        plan->rlimits = {{.resource = RLIMIT_NOFILE, .soft = 64, .hard = 64}};
        plan->cpu_affinity = {0};
        plan->ionice_class = std::uint8_t{3};
        plan->directory = "/usr";
        if (::geteuid() == 0) {
            plan->root = "/";
            plan->identity = {.change = true,
                    .uid = 12345,
                    .gid = 12345,
                    .groups = {7},
                    .user = {},
                    .home = {},
                    .shell = {}};
        }
        bench.answer_of(plan);
        const std::string before = own();
        const int launches = method == SpawnMethod::shared_table ? 1000 : 100;
        for (int done = 0; done < launches; done += 50) {
            std::vector<int> clients;
            for (int i = 0; i < 50; ++i) {
                const Pair pair = socket_pair();
                clients.push_back(pair.ours);
                bench.submit(plan, pair.theirs);
            }
            for (const LaunchResult& result : bench.results(50))
                check.equal(result.error, 0, std::string(stage_name(result.stage)));
            bench.ends(50);
            for (const int client : clients)
                ::close(client);
        }
        check.equal(own(), before, "status");
    });
}

TEST_CASE("spawner: as many descriptors are open after launches as before") {
    with_every_method([](Checker& check, SpawnMethod method) {
        Bench bench(method, 2);
        const auto open_now = [] {
            int count = 0;
            for (int fd = 0; fd < 1024; ++fd)
                count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
            return count;
        };
        bench.answer_of(report_plan());
        const int before = open_now();
        for (int i = 0; i < 20; ++i)
            bench.answer_of(report_plan());
        const Pair pair = socket_pair();
        bench.submit(plan_of({"/nonexistent"}), pair.theirs);
        (void)bench.results(1);
        bench.ends(1);
        ::close(pair.ours);
        check.equal(open_now(), before, "descriptors");
        for (int fd = first_slot; fd < low_number; ++fd)
            check.that(::fcntl(fd, F_GETFD) == FD_CLOEXEC, "slot number " + std::to_string(fd));
    });
}
