// SPDX-License-Identifier: MIT
// Daemons and workers that end and come back, under a supervisor with real processes.
#include <csignal>

#include "engine/supervisor.h"

#include "support/catch.h"
#include "support/supervising.h"

namespace superd {
namespace {

using namespace std::chrono_literals;
using test::service_plan;
using test::shell;
using test::Supervised;

const std::vector<std::string> forever = {"/usr/bin/tail", "-f", "/dev/null"};

std::shared_ptr<ServicePlan> daemon_plan(
        const std::string& script, Restart restart, Nanoseconds delay = 1ms) {
    auto plan = service_plan("d", Mode::daemon, shell(script));
    plan->life.restart = restart;
    plan->life.restart_delay = plan->life.restart_delay_max = delay;
    return plan;
}

void stop(Supervised& bench, std::string_view name) {
    CHECK(bench.order(&Supervisor::stop, name).code == 0);
    CHECK(bench.status(name).processes.empty());
}

// How often the loop turned meanwhile, every 2 ms at least.
unsigned pass(Supervised& bench, Nanoseconds time) {
    unsigned turns = 0;
    const Mono end = bench.loop.now() + time;
    bench.turn_until([&] { return ++turns > 100'000 || bench.loop.now() >= end; });
    return turns;
}

}  // namespace

TEST_CASE("living: a daemon comes back as often as it falls, and rests when it is stopped") {
    Supervised bench;
    bench.start({daemon_plan("exit 1", Restart::on_failure)});
    REQUIRE(bench.turn_until([&] { return bench.status("d").exited >= 4; }));
    stop(bench, "d");
    const auto started = bench.status("d").started;
    pass(bench, 20ms);
    CHECK(bench.status("d").started == started);
    CHECK(bench.status("d").state == ServiceState::stopped);
}

TEST_CASE("living: a pause is said with its cause, and a stop ends it") {
    Supervised bench;
    bench.start({daemon_plan("exit 3", Restart::always, 1h)});
    REQUIRE(bench.becomes("d", ServiceState::backoff));
    CHECK(bench.status("d").detail.starts_with("it ended: status 3; starts again in "));
    CHECK(bench.supervisor->why("d")->find("status 3") != std::string::npos);
    stop(bench, "d");
    CHECK(bench.status("d").detail == "stopped by hand");
}

TEST_CASE("living: a start by hand does not wait for the end of a pause") {
    Supervised bench;
    const std::string good = bench.scratch / "good";
    bench.start({daemon_plan(
            "test -e " + good + " || exit 1; exec tail -f /dev/null", Restart::always, 1h)});
    REQUIRE(bench.becomes("d", ServiceState::backoff));
    std::ofstream(good) << "yes";
    CHECK(bench.order(&Supervisor::start, "d").code == 0);
    CHECK(bench.status("d").state == ServiceState::running);
    stop(bench, "d");
}

TEST_CASE("living: a program that is not there is tried again, with the stage as the cause") {
    Supervised bench;
    auto plan = service_plan("d", Mode::daemon, {"/nowhere/program"});
    plan->life.restart = Restart::on_failure;
    plan->life.restart_delay = plan->life.restart_delay_max = 1ms;
    plan->life.restart_limit = Frequency{2, 1h};
    bench.start({plan});
    REQUIRE(bench.becomes("d", ServiceState::failed));
    CHECK(bench.status("d").failed == 3);
    CHECK(bench.status("d").detail ==
            "exec /nowhere/program: No such file or directory; restart_limit is reached");
    CHECK(bench.order(&Supervisor::start, "d").code == 1);
}

TEST_CASE(
        "living: without room for its process a worker waits, and serves when there is some") {
    Supervised bench;
    bench.state = State::for_test({1, 16, 16, 256});
    auto worker = service_plan("w", Mode::worker,
            shell("exec python3 -c 'import socket; s = socket.socket(fileno=3); "
                  "c = s.accept()[0]; c.sendall(b\"here\"); c.close()'"));
    bench.start({service_plan("d", Mode::daemon, forever), worker});
    REQUIRE(bench.becomes("d", ServiceState::running));
    const Fd client = bench.connect("w");
    REQUIRE(bench.becomes("w", ServiceState::paused));
    // The knock that nobody can answer is not heard over and over.
    CHECK(pass(bench, 100ms) < 1000);
    stop(bench, "d");
    CHECK(bench.read_all(client) == "here");
    REQUIRE(bench.turn_until([&] { return bench.status("w").processes.empty(); }));
}

TEST_CASE("living: a worker that is kept comes back without a client") {
    Supervised bench;
    auto plan = service_plan("w", Mode::worker, forever);
    plan->start = Start::boot;
    plan->workers = 2;
    plan->life.restart = Restart::always;
    plan->life.restart_delay = plan->life.restart_delay_max = 1ms;
    bench.start({plan});
    REQUIRE(bench.turn_until([&] { return bench.status("w").started == 2; }));
    for (const ProcessStatus& process : bench.status("w").processes)
        REQUIRE(::kill(process.pid, SIGKILL) == 0);
    REQUIRE(bench.turn_until([&] { return bench.status("w").started == 4; }));
    CHECK(bench.becomes("w", ServiceState::running));
    stop(bench, "w");
}

TEST_CASE("living: clients of a worker that falls wait for as long as its plan says") {
    Supervised bench;
    auto plan = service_plan("w", Mode::worker, shell("exit 1"));
    plan->life.restart_delay = plan->life.restart_delay_max = 1h;
    bench.start({plan});
    const Fd client = bench.connect("w");
    REQUIRE(bench.becomes("w", ServiceState::backoff));
    CHECK(bench.status("w").detail.starts_with("its worker keeps failing; comes back in "));
    CHECK(bench.status("w").exited == 1);
    // A start by hand does not wait.
    CHECK(bench.order(&Supervisor::start, "w").code == 0);
    CHECK(bench.turn_until([&] { return bench.status("w").exited == 2; }));
    stop(bench, "w");
}

TEST_CASE("living: a worker that ends well is not held back for one that fell before") {
    Supervised bench;
    const std::string fell = bench.scratch / "fell";
    auto plan = service_plan("w", Mode::worker,
            shell("test -e " + fell + " || { : >" + fell +
                    "; exit 1; }; exec python3 -c 'import socket; "
                    "s = socket.socket(fileno=3); c = s.accept()[0]; c.close()'"));
    plan->life.restart_delay = plan->life.restart_delay_max = 1ms;
    bench.start({plan});
    const Fd client = bench.connect("w");
    REQUIRE(bench.turn_until([&] { return bench.status("w").exited == 2; }));
    CHECK(bench.status("w").state == ServiceState::listening);
}

TEST_CASE("living: who takes over leaves what had failed alone, and goes on waiting") {
    Supervised bench;
    auto failed = daemon_plan("exit 1", Restart::no);
    auto waits = daemon_plan("exit 2", Restart::always, 1h);
    waits->name = "waits";
    const auto plan = test::plan_with({failed, waits});
    bench.start({failed, waits});
    REQUIRE(bench.becomes("d", ServiceState::failed));
    REQUIRE(bench.becomes("waits", ServiceState::backoff));
    bench.supervisor.reset();
    bench.make().recover(plan, Recovery{});
    CHECK(bench.status("d").state == ServiceState::failed);
    CHECK(bench.status("d").detail == "it ended: status 1");
    CHECK(bench.status("waits").state == ServiceState::backoff);
    CHECK(bench.status("waits").detail.starts_with("it ended: status 2; starts again in "));
    CHECK(bench.status("waits").started == 1);
}

TEST_CASE(
        "living: a daemon is starting until it writes its newline, and a start waits for it") {
    Supervised bench;
    const std::string go = bench.scratch / "go";
    auto plan = daemon_plan(
            "until test -e " + go + "; do sleep 0.01; done; echo >&5; exec tail -f /dev/null",
            Restart::no);
    plan->life.ready = {ReadyKind::fd, 5, {}};
    bench.start({plan});
    REQUIRE(bench.turn_until([&] { return bench.status("d").started == 1; }));
    CHECK(bench.status("d").state == ServiceState::starting);
    CHECK(bench.status("d").detail == "it has not written a newline to descriptor 5 yet");
    std::ofstream(go) << "yes";
    CHECK(bench.order(&Supervisor::start, "d").code == 0);
    CHECK(bench.status("d").state == ServiceState::running);
    stop(bench, "d");
}

TEST_CASE("living: what is not ready in time is stopped, and the time is the cause") {
    Supervised bench;
    auto plan = daemon_plan("exec tail -f /dev/null", Restart::no);
    plan->life.ready = {ReadyKind::notify, 0, {}};
    plan->life.notify_access = NotifyAccess::main;
    plan->life.start_timeout = 50ms;
    bench.start({plan});
    REQUIRE(bench.becomes("d", ServiceState::failed));
    CHECK(bench.status("d").detail ==
            "not ready within start_timeout 50ms; it ended: signal TERM");
    // A policy of abnormal ends counts it as one.
    CHECK(restarts_after(Restart::on_abnormal, EndKind::timeout));
    CHECK(restarts_after(Restart::on_abnormal, EndKind::watchdog));
}

TEST_CASE("living: one that is ready when it has run its course ends well or has failed") {
    Supervised bench;
    auto good = daemon_plan("exit 0", Restart::on_failure);
    good->life.ready = {ReadyKind::exit, 0, {}};
    auto bad = service_plan("e", Mode::daemon, shell("exit 4"));
    bad->life.ready = {ReadyKind::exit, 0, {}};
    bad->life.restart = Restart::no;
    bench.start({good, bad});
    REQUIRE(bench.becomes("d", ServiceState::stopped));
    REQUIRE(bench.becomes("e", ServiceState::failed));
    CHECK(bench.order(&Supervisor::start, "d").code == 0);
    CHECK(bench.order(&Supervisor::start, "e").code == 1);
}

TEST_CASE("living: what ran too long is stopped") {
    Supervised bench;
    auto plan = daemon_plan("exec tail -f /dev/null", Restart::no);
    plan->life.run_timeout = 50ms;
    bench.start({plan});
    REQUIRE(bench.becomes("d", ServiceState::failed));
    CHECK(bench.status("d").detail == "run_timeout 50ms is over; it ended: signal TERM");
}

}  // namespace superd
