// SPDX-License-Identifier: MIT
// The supervisor as a whole: real processes, loopback, a loop turned by hand.
#include "engine/supervisor.h"

#include <csignal>

#include "support/catch.h"
#include "support/supervising.h"

namespace superd {
namespace {

using test::service_plan;
using test::shell;
using test::Supervised;

// Runs until it is ended.
const std::vector<std::string> forever{"/usr/bin/tail", "-f", "/dev/null"};

}  // namespace

TEST_CASE("supervisor: a handler answers a connection, and no descriptor stays behind") {
    // What the first loop of a process opens for all that follow is no leak.
    { const Supervised first; }
    const std::size_t before = test::open_descriptors();
    {
        Supervised bench;
        bench.start({service_plan("hello", Mode::handler, shell("echo hello"))});
        CHECK(bench.read_all(bench.connect("hello")) == "hello\n");
        REQUIRE(bench.turn_until([&] { return bench.status("hello").exited == 1; }));
        const ServiceStatus status = bench.status("hello");
        CHECK(status.accepted == 1);
        CHECK(status.started == 1);
        CHECK(status.failed == 0);
        CHECK(status.last_exit == "status 0");
        CHECK(status.state == ServiceState::listening);
        CHECK(bench.supervisor->daemon().processes == 0);
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE(
        "supervisor: at max_connections clients wait in the queue and come in when one goes") {
    Supervised bench;
    auto plan = service_plan("cat", Mode::handler, {"/bin/cat"});
    plan->admission.max_connections.value = 1;
    bench.start({plan});
    Fd first = bench.connect("cat");
    REQUIRE(::send(first.get(), "one\n", 4, 0) == 4);
    REQUIRE(bench.says(first, "one"));
    const Fd second = bench.connect("cat");
    REQUIRE(::send(second.get(), "two\n", 4, 0) == 4);
    REQUIRE(bench.becomes("cat", ServiceState::paused));
    CHECK(bench.status("cat").connections == 1);
    first.reset();
    CHECK(bench.says(second, "two"));
    CHECK(bench.status("cat").refused.empty());
    bench.end_all();
}

TEST_CASE("supervisor: on_limit = refuse turns away with its text and counts it") {
    Supervised bench;
    auto plan = service_plan("cat", Mode::handler, {"/bin/cat"});
    plan->admission.max_connections.value = 1;
    plan->admission.on_limit = OnLimit::refuse;
    plan->admission.refuse_text = "come back later\n";
    bench.start({plan});
    const Fd first = bench.connect("cat");
    REQUIRE(::send(first.get(), "one\n", 4, 0) == 4);
    REQUIRE(bench.says(first, "one"));
    CHECK(bench.read_all(bench.connect("cat")) == "come back later\n");
    const auto refused = bench.status("cat").refused;
    REQUIRE(refused.size() == 1);
    CHECK(refused[0] == std::pair<std::string, std::uint64_t>{"max_connections", 1});
    bench.end_all();
}

TEST_CASE("supervisor: a program that is not there fails the launch and nothing else") {
    Supervised bench;
    bench.start({service_plan("gone", Mode::handler, {"/nonexistent/program"})});
    CHECK(bench.read_all(bench.connect("gone")).empty());
    REQUIRE(bench.turn_until([&] { return bench.status("gone").failed == 1; }));
    CHECK(bench.status("gone").state == ServiceState::listening);
    CHECK(bench.status("gone").last_failure ==
            "exec /nonexistent/program: No such file or directory");
    CHECK(bench.supervisor->why("gone")->find("Last failure: exec") != std::string::npos);
}

TEST_CASE("supervisor: stop kills what TERM does not end after stop_timeout") {
    Supervised bench;
    const std::string deaf = bench.scratch / "deaf";
    auto plan = service_plan("stubborn", Mode::daemon,
            shell("trap '' TERM; : > " + deaf + "; exec tail -f /dev/null"));
    plan->stop_timeout = std::chrono::milliseconds(100);
    bench.start({plan});
    REQUIRE(bench.becomes("stubborn", ServiceState::running));
    REQUIRE(bench.turn_until([&] { return ::access(deaf.c_str(), F_OK) == 0; }));
    CHECK(bench.order(&Supervisor::stop, "stubborn").code == 0);
    CHECK(bench.status("stubborn").last_exit == "signal KILL");
    CHECK(bench.status("stubborn").state == ServiceState::stopped);
    CHECK(bench.status("stubborn").processes.empty());
}

TEST_CASE(
        "supervisor: a process that was being started when the order to stop came is told "
        "too") {
    Supervised bench;
    auto plan = service_plan("late", Mode::daemon, forever);
    plan->stop_timeout = std::chrono::seconds(15);
    bench.start({plan});
    REQUIRE(bench.status("late").state == ServiceState::starting);
    const Mono began = bench.loop.now();
    CHECK(bench.order(&Supervisor::stop, "late").code == 0);
    CHECK(bench.status("late").last_exit == "signal TERM");
    CHECK(bench.loop.now() - began < plan->stop_timeout);
}

TEST_CASE("supervisor: start during a stop starts anew when the old process has ended") {
    Supervised bench;
    bench.start({service_plan("d", Mode::daemon, forever)});
    REQUIRE(bench.becomes("d", ServiceState::running));
    const int old_pid = bench.status("d").processes.at(0).pid;
    std::optional<Outcome> stopped;
    bench.supervisor->stop("d", [&](const Outcome& outcome) { stopped = outcome; });
    CHECK(bench.order(&Supervisor::start, "d").code == 0);
    CHECK(stopped);
    REQUIRE(bench.status("d").processes.size() == 1);
    CHECK(bench.status("d").processes.at(0).pid != old_pid);
    bench.end_all();
}

TEST_CASE("supervisor: restart replaces the process; a daemon that falls at once says so") {
    Supervised bench;
    bench.start({service_plan("d", Mode::daemon, forever),
            service_plan("f", Mode::daemon, {"/nonexistent/program"})});
    REQUIRE(bench.becomes("d", ServiceState::running));
    REQUIRE(bench.becomes("f", ServiceState::failed));
    const int old_pid = bench.status("d").processes.at(0).pid;
    CHECK(bench.order(&Supervisor::restart, "d").code == 0);
    CHECK(bench.status("d").processes.at(0).pid != old_pid);
    const Outcome failed = bench.order(&Supervisor::restart, "f");
    CHECK(failed.code == 1);
    CHECK(failed.message.find("/nonexistent/program") != std::string::npos);
    bench.end_all();
}

TEST_CASE(
        "supervisor: a worker starts with its first client; after drain and start it does "
        "again") {
    Supervised bench;
    bench.start({service_plan("w", Mode::worker, forever)});
    CHECK(bench.status("w").state == ServiceState::listening);
    {
        const Fd client = bench.connect("w");
        REQUIRE(bench.becomes("w", ServiceState::running));
    }
    CHECK(bench.order(&Supervisor::drain, "w").code == 0);
    CHECK(bench.status("w").state == ServiceState::stopped);
    CHECK(bench.order(&Supervisor::start, "w").code == 0);
    const Fd client = bench.connect("w");
    REQUIRE(client);
    CHECK(bench.becomes("w", ServiceState::running));
    bench.end_all();
}

TEST_CASE("supervisor: a pool gets back the worker it lost") {
    Supervised bench;
    auto plan = service_plan("pool", Mode::worker, forever);
    plan->workers = 2;
    plan->start = Start::boot;
    bench.start({plan});
    REQUIRE(bench.turn_until([&] { return bench.status("pool").started == 2; }));
    const int lost = bench.status("pool").processes.at(0).pid;
    REQUIRE(::kill(lost, SIGKILL) == 0);
    REQUIRE(bench.turn_until([&] { return bench.status("pool").started == 3; }));
    CHECK(bench.status("pool").processes.size() == 2);
    bench.end_all();
}

TEST_CASE("supervisor: a pool tries again for a worker that could not be started") {
    Supervised bench;
    const std::string program = bench.scratch / "program";
    REQUIRE(::symlink(forever[0].c_str(), program.c_str()) == 0);
    auto plan = service_plan("pool", Mode::worker, {program, "-f", "/dev/null"});
    plan->workers = 2;
    plan->start = Start::boot;
    bench.start({plan});
    REQUIRE(bench.turn_until([&] { return bench.status("pool").started == 2; }));
    REQUIRE(::unlink(program.c_str()) == 0);
    REQUIRE(::kill(bench.status("pool").processes.at(0).pid, SIGKILL) == 0);
    REQUIRE(bench.turn_until([&] { return bench.status("pool").failed >= 1; }));
    REQUIRE(::symlink(forever[0].c_str(), program.c_str()) == 0);
    CHECK(bench.turn_until([&] { return bench.status("pool").started == 3; }));
    bench.end_all();
}

TEST_CASE("supervisor: pause leaves clients in the queue; resume lets them in as before") {
    Supervised bench;
    auto by_hand = service_plan("hand", Mode::handler, shell("echo hi"));
    by_hand->start = Start::manual;
    bench.start({by_hand});
    CHECK(bench.order(&Supervisor::pause, "hand").code == 3);
    CHECK(bench.order(&Supervisor::start, "hand").code == 0);
    CHECK(bench.order(&Supervisor::pause, "hand").code == 0);
    const Fd client = bench.connect("hand");
    REQUIRE(client);
    CHECK(bench.status("hand").state == ServiceState::paused);
    CHECK(bench.order(&Supervisor::resume, "hand").code == 0);
    CHECK(bench.read_all(client) == "hi\n");
    REQUIRE(bench.turn_until([&] { return bench.status("hand").exited == 1; }));
    CHECK(bench.status("hand").state == ServiceState::listening);
    CHECK(bench.order(&Supervisor::resume, "hand").code == 1);
}

TEST_CASE("supervisor: what has no listener cannot be paused") {
    Supervised bench;
    bench.start({service_plan("d", Mode::daemon, {"/bin/sleep", "1000"})});
    const ServiceState before = bench.status("d").state;
    CHECK(bench.order(&Supervisor::pause, "d").code == 1);
    CHECK(bench.status("d").state == before);
    CHECK(bench.order(&Supervisor::stop, "d").code == 0);
}

TEST_CASE("supervisor: restart after drain opens the service again, not its sockets alone") {
    Supervised bench;
    bench.start({service_plan("cat", Mode::handler, {"/bin/cat"})});
    Fd first = bench.connect("cat");
    REQUIRE(::send(first.get(), "one\n", 4, 0) == 4);
    REQUIRE(bench.says(first, "one"));
    bench.supervisor->drain("cat", [](const Outcome&) {});
    CHECK(bench.status("cat").state == ServiceState::draining);
    CHECK(bench.order(&Supervisor::restart, "cat").code == 0);
    CHECK(bench.status("cat").state == ServiceState::listening);
    const Fd second = bench.connect("cat");
    REQUIRE(::send(second.get(), "two\n", 4, 0) == 4);
    CHECK(bench.says(second, "two"));
    bench.end_all();
}

TEST_CASE("supervisor: a handler started by hand has its folders and credentials") {
    Supervised bench;
    const std::string secret = bench.scratch / "secret";
    std::ofstream(secret) << "42\n";
    auto plan = service_plan("keys", Mode::handler, shell("cat"));
    plan->start = Start::manual;
    plan->exec.credentials = {{"pin", secret}};
    plan->exec.runtime_directory = {"keys"};
    bench.start({plan});
    const std::string copy = bench.scratch / "run/credentials/keys/pin";
    CHECK(::access(copy.c_str(), F_OK) != 0);
    CHECK(bench.order(&Supervisor::start, "keys").code == 0);
    CHECK(::access(copy.c_str(), F_OK) == 0);
    CHECK(::access((bench.scratch / "run/keys").c_str(), F_OK) == 0);
    {
        const Fd client = bench.connect("keys");
        REQUIRE(bench.turn_until([&] { return bench.status("keys").started == 1; }));
        CHECK(bench.order(&Supervisor::restart, "keys").code == 0);
    }
    CHECK(::access(copy.c_str(), F_OK) == 0);
    CHECK(bench.order(&Supervisor::stop, "keys").code == 0);
    CHECK(::access(copy.c_str(), F_OK) != 0);
}

TEST_CASE("supervisor: waiters are answered when their test holds, and not after they left") {
    Supervised bench;
    bench.start({service_plan("d", Mode::daemon, forever)});
    const auto is = [](ServiceState state) {
        return [state](const ServiceStatus& status) {
            return status.state == state;
        };
    };
    int answered = 0;
    const auto count = [&](const Outcome&) {
        ++answered;
    };
    CHECK(bench.supervisor->wait("d", is(ServiceState::starting), count) == 0);
    CHECK(answered == 1);
    CHECK(bench.supervisor->wait("d", is(ServiceState::running), count) != 0);
    const auto token = bench.supervisor->wait(
            "d", is(ServiceState::running), [](const Outcome&) { FAIL(); });
    bench.supervisor->forget_wait(token);
    CHECK(bench.turn_until([&] { return answered == 2; }));
    CHECK(bench.supervisor->wait("nobody", is(ServiceState::running),
                  [](const Outcome& outcome) { CHECK(outcome.code == 4); }) == 0);
    bench.end_all();
}

TEST_CASE(
        "supervisor: a connection whose service has gone is closed by the superd that comes "
        "after") {
    Supervised bench;
    const auto pair = test::socket_pair();
    const Fd client(pair.ours);
    ServiceRecord& record = bench.state.services()[0];
    record = ServiceRecord{};
    std::string_view("gone").copy(record.name, sizeof record.name);
    record.log_read = record.log_write = -1;
    bench.state.header().service_high = 1;
    ProcessRecord& process = bench.state.processes()[0];
    process.kind = ProcessKind::handler;
    process.service = 0;
    process.source = no_source;
    process.pidfd = -1;
    process.connection = pair.theirs;
    process.state = RecordState::accepted;
    bench.state.header().process_high = 1;
    const auto plan = test::plan_with({});
    (void)bench.state.commit_plan(encode_plan(*plan)).value();
    Recovery recovery;
    recovery.records.push_back({.record = 0, .action = Recovered::start});
    bench.make().recover(plan, recovery);
    CHECK(bench.read_all(client).empty());
    CHECK(bench.supervisor->names().empty());
    CHECK(process.state == RecordState::free);
}

TEST_CASE(
        "supervisor: a process of a service that nothing is known of is given up after a "
        "kill") {
    Supervised bench;
    const auto pair = test::socket_pair();
    const Fd client(pair.ours);
    for (const std::uint32_t i : {0U, 1U}) {
        ProcessRecord& process = bench.state.processes()[i];
        process.kind = i == 0 ? ProcessKind::handler : ProcessKind::relayed;
        process.service = 7 * i;
        process.source = no_source;
        process.pidfd = -1;
        process.connection = i == 0 ? -1 : pair.theirs;
        process.state = RecordState::running;
    }
    bench.state.header().process_high = 2;
    const auto plan = test::plan_with({});
    (void)bench.state.commit_plan(encode_plan(*plan)).value();
    Recovery recovery;
    for (const std::uint32_t i : {0U, 1U})
        recovery.records.push_back({.record = i, .action = Recovered::running});
    bench.make().recover(plan, recovery);
    for (const std::uint32_t i : {0U, 1U})
        CHECK(bench.state.processes()[i].state == RecordState::free);
    CHECK(bench.read_all(client).empty());
}

TEST_CASE("supervisor: a removed service is forgotten after the record of its last process") {
    Supervised bench;
    bench.write_config(
            "[superd]\nlog = []\n[service.s]\nlisten = \"tcp:127.0.0.1:0\"\n"
            "exec = \"/bin/cat\"\nuser = \"" +
            std::to_string(::geteuid()) + "\"\n");
    bench.start_from_file();
    Fd client = bench.connect("s");
    REQUIRE(::send(client.get(), "one\n", 4, 0) == 4);
    REQUIRE(bench.says(client, "one"));
    const ProcessRecord& process = bench.state.processes()[0];
    REQUIRE(process.kind == ProcessKind::handler);
    bool gone = false, still_held = true;
    const auto never = [](const ServiceStatus&) {
        return false;
    };
    REQUIRE(bench.supervisor->wait("s", never, [&](const Outcome&) {
        gone = true;
        still_held = process.state != RecordState::free;
    }) != 0);
    bench.write_config("[superd]\nlog = []\n");
    REQUIRE(bench.reload().code == 0);
    CHECK_FALSE(gone);
    client.reset();
    REQUIRE(bench.turn_until([&] { return gone; }));
    CHECK_FALSE(still_held);
    CHECK(bench.supervisor->names().empty());
}

TEST_CASE("supervisor: two records of one descriptor are one listener after a kill") {
    Supervised bench;
    const auto service = service_plan("s", Mode::handler, shell("echo hi"));
    Fd listener = test::open_or_fail(service->listeners[0]);
    const int number = listener.release();
    {
        ListenerRecords records(bench.state);
        REQUIRE(records.add("old " + service->listeners[0].address, number));
        REQUIRE(records.add(listener_key("s", service->listeners[0]), number));
    }
    const auto plan = test::plan_with({service});
    (void)bench.state.commit_plan(encode_plan(*plan)).value();
    bench.make().recover(plan, {});
    CHECK(bench.status("s").listeners.at(0).fd == number);
    CHECK(bench.read_all(bench.connect("s")) == "hi\n");
    REQUIRE(bench.turn_until([&] { return bench.status("s").exited == 1; }));
}

namespace {

AccessRule name_rule(bool allow, MatchKind kind, std::string host) {
    AccessRule rule;
    rule.allow = allow;
    rule.kind = kind;
    rule.text = (kind == MatchKind::host ? "host:" : "domain:") + host;
    rule.host = std::move(host);
    return rule;
}

std::uint64_t refused(const ServiceStatus& status, std::string_view reason) {
    for (const auto& [name, count] : status.refused)
        if (name == reason) return count;
    return 0;
}

}  // namespace

TEST_CASE("supervisor: who cannot be asked about is refused where a name decides") {
    // There is no superd-resolve: nobody's name is ever known.
    Supervised bench;
    auto allows = service_plan("allows", Mode::handler, shell("echo in"));
    allows->admission.access = {name_rule(true, MatchKind::domain, "example.org")};
    auto denies = service_plan("denies", Mode::handler, shell("echo in"));
    denies->admission.access = {name_rule(false, MatchKind::domain, "example.org")};
    bench.start({allows, denies});
    const Fd one = bench.connect("allows"), two = bench.connect("denies");
    REQUIRE(bench.turn_until([&] { return bench.status("allows").processes.size() == 1; }));
    CHECK(bench.status("allows").processes[0].kind == "held");
    CHECK(bench.status("allows").connections == 1);
    CHECK(bench.supervisor->why("allows")->find("1 connection waits for a look-up") !=
            std::string::npos);
    CHECK(bench.read_all(one).empty());
    CHECK(bench.read_all(two).empty());
    CHECK(refused(bench.status("allows"), "not_allowed") == 1);
    CHECK(refused(bench.status("denies"), "denied") == 1);
    CHECK(bench.status("allows").connections == 0);
    CHECK(bench.status("allows").started == 0);
    CHECK(bench.supervisor->daemon().processes == 0);
}

TEST_CASE("supervisor: a held connection goes when its client does, and counts until then") {
    Supervised bench;
    auto plan = service_plan("held", Mode::handler, shell("echo in"));
    plan->admission.access = {name_rule(true, MatchKind::host, "a.example.org")};
    plan->admission.max_connections.value = 1;
    plan->admission.on_limit = OnLimit::refuse;
    bench.start({plan});
    Fd client = bench.connect("held");
    REQUIRE(bench.turn_until([&] { return bench.status("held").connections == 1; }));
    CHECK(bench.read_all(bench.connect("held")).empty());
    CHECK(refused(bench.status("held"), "max_connections") == 1);
    // A reset: the client is gone for good.
    const linger reset{1, 0};
    REQUIRE(::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
    client.reset();
    REQUIRE(bench.turn_until([&] { return bench.status("held").connections == 0; }));
    CHECK(refused(bench.status("held"), "not_allowed") == 0);
    CHECK(bench.supervisor->daemon().processes == 0);
}

TEST_CASE("supervisor: stopping a service refuses what it holds back, and answers at once") {
    Supervised bench;
    auto plan = service_plan("held", Mode::handler, shell("echo in"));
    plan->admission.ident = Ident::require;
    bench.start({plan});
    const Fd client = bench.connect("held");
    REQUIRE(bench.turn_until([&] { return bench.status("held").connections == 1; }));
    CHECK(bench.order(&Supervisor::stop, "held").code == 0);
    CHECK(bench.read_all(client).empty());
    CHECK(refused(bench.status("held"), "stopping") == 1);
    CHECK(bench.status("held").state == ServiceState::stopped);
}

}  // namespace superd
