// SPDX-License-Identifier: MIT
// restart and its like, from text to plan.
#include <chrono>
#include <csignal>

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* daemon_text = "exec = \"/bin/true\"\nuser = \"git\"\n";

Resolved resolve(const std::string& body, const std::string& before = {}) {
    return resolve_text(before + "[service.s]\n" + daemon_text + body, true);
}

LifePlan good(const std::string& body, const std::string& before = {}) {
    const Resolved resolved = resolve(body, before);
    INFO(body);
    CHECK(resolved.text() == "");
    const ServicePlan* const plan = resolved.service("s");
    if (plan == nullptr) FAIL("there is no service");
    return plan != nullptr ? plan->life : LifePlan{};
}

bool refuses(const std::string& body, const char* what) {
    const std::string text = resolve(body).text();
    INFO(text);
    return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("resolve: a daemon that falls is started again, a worker waits for a client") {
    const LifePlan daemon = good("");
    CHECK(daemon.restart == Restart::on_failure);
    CHECK(daemon.restart_delay == 100ms);
    CHECK(daemon.restart_delay_max == 60s);
    CHECK_FALSE(daemon.restart_limit);
    CHECK(daemon.clean_exit == usual_clean_exits());
    CHECK(good("listen = \"tcp:1\"\nmode = \"worker\"\n").restart == Restart::no);
}

TEST_CASE("resolve: the words of restart") {
    CHECK(good("restart = \"no\"\n").restart == Restart::no);
    CHECK(good("restart = \"on-abnormal\"\n").restart == Restart::on_abnormal);
    CHECK(good("restart = \"on-success\"\n").restart == Restart::on_success);
    CHECK(good("restart = \"always\"\n").restart == Restart::always);
    CHECK(refuses("restart = \"sometimes\"\n", "on-failure"));
    CHECK(refuses("restart = true\n", "restart"));
}

TEST_CASE("resolve: restart means nothing for a handler") {
    const std::string handler = "listen = \"tcp:1\"\n";
    CHECK(refuses(handler + "restart = \"always\"\n", "restart means nothing for a handler"));
    const Resolved inherited = resolve(handler, "[defaults]\nrestart = \"always\"\n");
    CHECK(inherited.text() == "");
    const ServicePlan* plan = inherited.service("s");
    REQUIRE(plan != nullptr);
    CHECK(plan->life.restart == Restart::no);
    REQUIRE(plan->skipped.size() == 1);
    CHECK(plan->skipped[0].key == "restart");
}

TEST_CASE("resolve: the pauses of restarts") {
    const LifePlan plan = good("restart_delay = \"1s\"\nrestart_delay_max = \"5s\"\n");
    CHECK(plan.restart_delay == 1s);
    CHECK(plan.restart_delay_max == 5s);
    CHECK(good("restart_delay = \"0s\"\n").restart_delay == 0s);
    // Nobody wrote the ceiling: the pause that was written counts.
    CHECK(good("restart_delay = \"5m\"\n").restart_delay_max == 5min);
    CHECK(refuses("restart_delay = \"10s\"\nrestart_delay_max = \"5s\"\n",
            "restart_delay is longer than restart_delay_max"));
    CHECK(refuses("restart_delay = 5\n", "\"5s\""));
    CHECK(refuses("restart_delay = \"2d\"\n", "out of range"));
}

TEST_CASE("resolve: restart_limit is a frequency or none") {
    CHECK(good("restart_limit = \"5/10s\"\n").restart_limit == Frequency{5, 10s});
    CHECK_FALSE(good("restart_limit = \"unlimited\"\n").restart_limit);
    CHECK_FALSE(
            good("restart_limit = \"unlimited\"\n", "[defaults]\nrestart_limit = \"5/1h\"\n")
                    .restart_limit);
    CHECK(refuses("restart_limit = 5\n", "\"5/s\""));
    CHECK(refuses("restart_limit = \"0/10s\"\n", "must be from 1"));
    CHECK(refuses("restart_limit = \"often\"\n", "often"));
}

TEST_CASE("resolve: clean_exit replaces the usual ends, or edits them") {
    using Exits = std::vector<CleanExit>;
    CHECK(good("clean_exit = 3\n").clean_exit == Exits{{false, 3}});
    CHECK(good("clean_exit = [0, \"USR1\", \"SIGUSR2\"]\n").clean_exit ==
            Exits{{false, 0}, {true, SIGUSR1}, {true, SIGUSR2}});
    CHECK(good("clean_exit = []\n").clean_exit.empty());
    Exits more = usual_clean_exits();
    more.push_back({false, 75});
    CHECK(good("clean_exit = { add = [75] }\n").clean_exit == more);
    CHECK(good("clean_exit = { add = [75] }\n", "[defaults]\nclean_exit = [1]\n").clean_exit ==
            Exits{{false, 1}, {false, 75}});
    Exits fewer = usual_clean_exits();
    std::erase(fewer, CleanExit{true, SIGHUP});
    CHECK(good("clean_exit = { remove = [\"HUP\"] }\n").clean_exit == fewer);
    CHECK(refuses("clean_exit = { remove = [9] }\n", "not in the inherited list"));
}

TEST_CASE("resolve: what is no exit status and no signal is refused where it stands") {
    CHECK(refuses("clean_exit = [0, 256]\n", "256 is not an exit status"));
    CHECK(refuses("clean_exit = [-1]\n", "-1 is not an exit status"));
    CHECK(refuses(
            "clean_exit = [\"TERN\"]\n", "\"TERN\" is neither an exit status nor a signal"));
    CHECK(refuses("clean_exit = [true]\n", "clean_exit"));
}

TEST_CASE("resolve: the words of ready") {
    CHECK(good("").ready == ReadyPlan{});
    CHECK(good("ready = \"exec\"\n").ready == ReadyPlan{});
    CHECK(good("ready = \"notify\"\n").ready.kind == ReadyKind::notify);
    CHECK(good("ready = \"exit\"\n").ready.kind == ReadyKind::exit);
    CHECK(good("ready = \"fd:7\"\n").ready == ReadyPlan{ReadyKind::fd, 7, {}});
    CHECK(good("ready = \"listen\"\n").ready == ReadyPlan{ReadyKind::listen, 0, {}});
    CHECK(good("ready = \"listen:tcp:80\"\n").ready ==
            ReadyPlan{ReadyKind::listen, 0, "tcp:80"});
    CHECK(good("ready = \"listen:unix:/run/x\"\n").ready.address == "unix:/run/x");
    for (const char* wrong : {"fd", "fd:2", "fd:256", "fd:x", "listen:", "listen:80",
                 "listen:udp:53", "forking", ""}) {
        CAPTURE(wrong);
        CHECK_FALSE(resolve("ready = \"" + std::string(wrong) + "\"\n").text().empty());
    }
}

TEST_CASE("resolve: what can say nothing of a worker's readiness is refused") {
    const std::string worker = "listen = \"tcp:1\"\nmode = \"worker\"\nready = ";
    CHECK(good(worker + "\"fd:4\"\n").ready.fd == 4);
    CHECK(refuses(worker + "\"fd:3\"\n", "descriptor 3 is one of its listeners"));
    CHECK(refuses(worker + "\"exit\"\n", "a worker serves on"));
    CHECK(refuses(worker + "\"listen\"\n", "superd opens its listeners"));
    CHECK(refuses("ready = \"exit\"\nrestart = \"always\"\n", "endless loop"));
}

TEST_CASE("resolve: a start is bounded, unless it is ready when it has run its course") {
    CHECK(good("").start_timeout == 30s);
    CHECK(good("start_timeout = \"5s\"\n").start_timeout == 5s);
    CHECK_FALSE(good("start_timeout = \"unlimited\"\n").start_timeout);
    CHECK_FALSE(good("ready = \"exit\"\n").start_timeout);
    CHECK(good("ready = \"exit\"\nstart_timeout = \"5s\"\n").start_timeout == 5s);
    CHECK_FALSE(good("").run_timeout);
    CHECK(good("run_timeout = \"1h\"\n").run_timeout == 1h);
    CHECK(good("").abort_timeout == 10s);
}

TEST_CASE("resolve: the notify socket is there for whom it is asked of") {
    CHECK(good("").notify_access == NotifyAccess::none);
    CHECK(good("ready = \"notify\"\n").notify_access == NotifyAccess::main);
    CHECK(good("watchdog = \"5s\"\n").notify_access == NotifyAccess::main);
    CHECK(good("watchdog = \"5s\"\n").watchdog == 5s);
    CHECK(good("ready = \"notify\"\nnotify_access = \"all\"\n").notify_access ==
            NotifyAccess::all);
    CHECK(refuses("watchdog = \"5s\"\nnotify_access = \"none\"\n", "without $NOTIFY_SOCKET"));
    // Inherited it gives way.
    CHECK(good("watchdog = \"5s\"\n", "[defaults]\nnotify_access = \"none\"\n").notify_access ==
            NotifyAccess::main);
}

TEST_CASE("resolve: whoever stores descriptors has a socket to say so, and numbers for them") {
    CHECK(good("").fd_store == 0);
    CHECK(good("fd_store = 8\n").fd_store == 8);
    CHECK(good("fd_store = 8\n").notify_access == NotifyAccess::main);
    CHECK(refuses("fd_store = 8\nnotify_access = \"none\"\n", "without $NOTIFY_SOCKET"));
    CHECK(refuses("fd_store = 1025\n", "1024"));
    CHECK(refuses("fd_store = 8\nready = \"fd:10\"\n", "may be one that fd_store keeps"));
    CHECK(good("fd_store = 8\nready = \"fd:11\"\n").ready.fd == 11);
}

TEST_CASE("resolve: commands are one or several") {
    CHECK(good("exec_pre = \"/bin/a b 'c d'\"\n").exec_pre ==
            std::vector<Command>{{"/bin/a", "b", "c d"}});
    CHECK(good("exec_post = [\"/bin/a\", \"b\"]\n").exec_post ==
            std::vector<Command>{{"/bin/a", "b"}});
    CHECK(good("exec_stop = [[\"/bin/a\", \"b\"], [\"/bin/c\"]]\n").exec_stop ==
            std::vector<Command>{{"/bin/a", "b"}, {"/bin/c"}});
    CHECK(good("exec_stop_post = []\n").exec_stop_post.empty());
    CHECK(refuses("exec_pre = \"true\"\n", "absolute"));
    CHECK(refuses("exec_pre = [[\"/bin/a\"], \"/bin/b c\", 3]\n", "exec"));
    CHECK(refuses("ready = \"exit\"\nexec_post = \"/bin/a\"\n", "exec_post is never run"));
}

TEST_CASE("resolve: the forms of reload") {
    CHECK_FALSE(good("").reload.known());
    CHECK(good("reload = \"SIGHUP\"\n").reload == ReloadPlan{SIGHUP, false, {}});
    CHECK(good("reload = \"/bin/kill -1\"\n").reload ==
            ReloadPlan{0, false, {"/bin/kill", "-1"}});
    CHECK(good("reload = [\"/bin/kill\"]\n").reload == ReloadPlan{0, false, {"/bin/kill"}});
    const LifePlan waits = good("reload = { signal = \"USR1\", wait = true }\n");
    CHECK(waits.reload == ReloadPlan{SIGUSR1, true, {}});
    CHECK(waits.notify_access == NotifyAccess::main);
    CHECK(waits.reload_timeout == 30s);
    CHECK(refuses("reload = \"BARK\"\n", "is no signal"));
    CHECK(refuses("reload = { wait = true }\n", "has no signal"));
    CHECK(refuses("reload = { signal = \"HUP\", times = 2 }\n", "reload has no \"times\""));
}
