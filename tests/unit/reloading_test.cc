// SPDX-License-Identifier: MIT
// Reloads of a file by a running supervisor: what stays, what goes, what is refused.
#include <csignal>

#include "engine/supervisor.h"

#include "support/catch.h"
#include "support/supervising.h"

namespace superd {
namespace {

using test::Supervised;

std::string echo_service(const std::string& name, const std::string& more = "") {
    return "[service." + name +
           "]\nlisten = \"tcp:127.0.0.1:0\"\nexec = [\"/bin/cat\"]\nuser = \"" +
           std::to_string(::geteuid()) + "\"\n" + more + "\n";
}

std::string sleeper(const std::string& name, const std::string& more = "") {
    return "[service." + name +
           "]\nexec = [\"/usr/bin/tail\", \"-f\", \"/dev/null\"]\nuser = \"" +
           std::to_string(::geteuid()) + "\"\n" + more + "\n";
}

// A connection that a handler has answered.
Fd talk(Supervised& bench, std::string_view name) {
    Fd client = bench.connect(name);
    REQUIRE(::send(client.get(), "hello\n", 6, 0) == 6);
    REQUIRE(bench.says(client, "hello"));
    return client;
}

}  // namespace

TEST_CASE("reload: a file with an error changes nothing, and says where") {
    Supervised bench;
    bench.write_config(echo_service("one"));
    bench.start_from_file();
    const std::uint64_t inode = inode_of(bench.status("one").listeners.at(0).fd);
    const Fd client = talk(bench, "one");
    const std::size_t before = test::open_descriptors();
    bench.write_config(echo_service("one", "no_such_key = 1") + echo_service("two"));
    CHECK(bench.reload(true).code == 1);
    CHECK(bench.supervisor->daemon().config_state.empty());
    const ReloadReport report = bench.reload();
    CHECK(report.code == 1);
    CHECK(report.message.find("no_such_key") != std::string::npos);
    CHECK(bench.supervisor->names() == std::vector<std::string>{"one"});
    CHECK(inode_of(bench.status("one").listeners.at(0).fd) == inode);
    CHECK(bench.supervisor->daemon().config_state.find("last accepted") != std::string::npos);
    CHECK(test::open_descriptors() <= before);  // then a launch may still have been in hand
    bench.end_all();
}

TEST_CASE("reload: an address that somebody else has refuses all of it") {
    Supervised bench;
    ListenerPlan taken = test::loopback_plan(ListenerKind::tcp);
    const Fd other = test::open_on_free_port(taken);
    bench.write_config(echo_service("one"));
    bench.start_from_file();
    const std::size_t before = test::open_descriptors();
    std::string text =
            echo_service("one") + echo_service("also_new") + echo_service("wants_it");
    text.replace(text.rfind("127.0.0.1:0"), 11, "127.0.0.1:" + std::to_string(taken.port));
    bench.write_config(text);
    const ReloadReport report = bench.reload();
    CHECK(report.code == 1);
    CHECK(report.message.find("in use") != std::string::npos);
    CHECK(bench.supervisor->names() == std::vector<std::string>{"one"});
    CHECK(test::open_descriptors() <= before);  // then a launch may still have been in hand
}

TEST_CASE("reload: a new service of the same address leaves the old one its listener") {
    Supervised bench;
    bench.write_config(echo_service("old"));
    bench.start_from_file();
    const std::uint64_t inode = inode_of(bench.status("old").listeners.at(0).fd);
    bench.write_config(
            echo_service("a_new") + echo_service("old", "description = \"changed\""));
    CHECK(bench.reload().code == 0);
    CHECK(inode_of(bench.status("old").listeners.at(0).fd) == inode);
    CHECK(bench.port("a_new") != bench.port("old"));
}

TEST_CASE("reload: a listener moves to the service that has its address now, with its queue") {
    Supervised bench;
    ListenerPlan free = test::loopback_plan(ListenerKind::tcp);
    test::open_on_free_port(free).reset();
    const auto text = [&](const std::string& name) {
        std::string made = echo_service(name);
        return made.replace(
                made.find("127.0.0.1:0"), 11, "127.0.0.1:" + std::to_string(free.port));
    };
    bench.write_config(text("before"));
    bench.start_from_file();
    const std::uint64_t inode = inode_of(bench.status("before").listeners.at(0).fd);
    CHECK(bench.order(&Supervisor::pause, "before").code == 0);
    const Fd client = bench.connect("before");
    REQUIRE(::send(client.get(), "hello\n", 6, 0) == 6);
    bench.write_config(text("after"));
    CHECK(bench.reload().code == 0);
    CHECK(bench.supervisor->names() == std::vector<std::string>{"after"});
    CHECK(inode_of(bench.status("after").listeners.at(0).fd) == inode);
    CHECK(bench.says(client, "hello"));
    bench.end_all();
}

TEST_CASE("reload: a raised max_connections lets in who waits") {
    Supervised bench;
    bench.write_config(echo_service("cat", "max_connections = 1"));
    bench.start_from_file();
    const Fd first = talk(bench, "cat");
    const Fd second = bench.connect("cat");
    REQUIRE(::send(second.get(), "two\n", 4, 0) == 4);
    REQUIRE(bench.becomes("cat", ServiceState::paused));
    bench.write_config(echo_service("cat", "max_connections = 2"));
    CHECK(bench.reload().code == 0);
    CHECK(bench.says(second, "two"));
    bench.end_all();
}

TEST_CASE(
        "reload: a removed service keeps its connections, goes with the last, and can be "
        "back") {
    Supervised bench;
    const std::string kept = sleeper("kept");
    bench.write_config(kept + echo_service("gone"));
    bench.start_from_file();
    Fd client = talk(bench, "gone");
    bench.write_config(kept);
    CHECK(bench.reload().code == 0);
    CHECK(bench.status("gone").state == ServiceState::draining);
    CHECK(bench.status("gone").listeners.empty());
    bench.write_config(kept + echo_service("gone"));
    CHECK(bench.reload().code == 0);
    const Fd again = talk(bench, "gone");
    CHECK(bench.status("gone").connections == 2);

    bench.write_config(kept);
    CHECK(bench.reload().code == 0);
    std::optional<Outcome> waited;
    bench.supervisor->wait(
            "gone", [](const ServiceStatus& s) { return s.state == ServiceState::listening; },
            [&](const Outcome& outcome) { waited = outcome; });
    bench.supervisor->kill("gone", SIGKILL, 0, [](const Outcome&) {});
    REQUIRE(bench.turn_until([&] { return !bench.supervisor->service("gone"); }));
    REQUIRE(waited);
    CHECK(waited->code == 4);
    bench.end_all();
}

TEST_CASE("reload: a removed daemon is ended; one that is back meanwhile starts again") {
    Supervised bench;
    bench.write_config(echo_service("other") + sleeper("d"));
    bench.start_from_file();
    REQUIRE(bench.becomes("d", ServiceState::running));
    const int pid = bench.status("d").processes.at(0).pid;
    bench.write_config(echo_service("other"));
    CHECK(bench.reload().code == 0);
    if (bench.supervisor->service("d")) {
        bench.write_config(echo_service("other") + sleeper("d"));
        CHECK(bench.reload().code == 0);
    }
    CHECK(bench.turn_until([&] { return ::kill(pid, 0) != 0; }));
    if (bench.supervisor->service("d")) {
        CHECK(bench.becomes("d", ServiceState::running));
        CHECK(bench.status("d").processes.at(0).pid != pid);
    }
    bench.end_all();
}

TEST_CASE("reload: a worker that becomes a handler gives its listener back") {
    Supervised bench;
    const auto text = [](const std::string& exec, const std::string& mode) {
        return "[service.s]\nlisten = \"tcp:127.0.0.1:0\"\nexec = [" + exec + "]\nmode = \"" +
               mode + "\"\nuser = \"" + std::to_string(::geteuid()) + "\"\n";
    };
    bench.write_config(text("\"/bin/sleep\", \"1000\"", "worker"));
    bench.start_from_file();
    const Fd client = bench.connect("s");
    REQUIRE(bench.becomes("s", ServiceState::running));
    REQUIRE(::send(client.get(), "hello\n", 6, 0) == 6);
    bench.write_config(text("\"/bin/cat\"", "handler"));
    CHECK(bench.reload().code == 0);
    CHECK(bench.says(client, "hello"));
    bench.end_all();
}

TEST_CASE("reload: enabled = false closes and ends what was paused or started by hand") {
    Supervised bench;
    const std::string by_hand = "start = \"manual\"";
    bench.write_config(echo_service("h") + sleeper("d", by_hand));
    bench.start_from_file();
    CHECK(bench.order(&Supervisor::pause, "h").code == 0);
    CHECK(bench.order(&Supervisor::start, "d").code == 0);
    REQUIRE(bench.becomes("d", ServiceState::running));
    bench.write_config(
            echo_service("h", "enabled = false") + sleeper("d", by_hand + "\nenabled = false"));
    CHECK(bench.reload().code == 0);
    CHECK(bench.status("h").state == ServiceState::disabled);
    CHECK(bench.status("h").listeners.at(0).state == "closed");
    CHECK(bench.becomes("d", ServiceState::disabled));

    // A start by hand goes on under a file that now says the same.
    CHECK(bench.order(&Supervisor::start, "d").code == 0);
    REQUIRE(bench.becomes("d", ServiceState::running));
    bench.write_config(echo_service("h") + sleeper("d", by_hand));
    CHECK(bench.reload().code == 0);
    CHECK(bench.status("h").state == ServiceState::listening);
    CHECK(bench.status("d").state == ServiceState::running);
    CHECK(bench.status("d").exited == 1);
    bench.end_all();
}

TEST_CASE("reload: enabled = false closes and ends, enabled again opens and starts") {
    Supervised bench;
    bench.write_config(echo_service("h") + sleeper("d"));
    bench.start_from_file();
    REQUIRE(bench.becomes("d", ServiceState::running));
    bench.write_config(echo_service("h", "enabled = false") + sleeper("d", "enabled = false"));
    CHECK(bench.reload().code == 0);
    CHECK(bench.status("h").state == ServiceState::disabled);
    CHECK(bench.status("h").listeners.at(0).state == "closed");
    CHECK(bench.becomes("d", ServiceState::disabled));
    bench.write_config(echo_service("h") + sleeper("d"));
    CHECK(bench.reload().code == 0);
    CHECK(bench.becomes("d", ServiceState::running));
    const Fd client = talk(bench, "h");
    bench.end_all();
}

}  // namespace superd
