// SPDX-License-Identifier: MIT
#include "control/ctl.h"

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include "control/documents.h"
#include "control/install.h"
#include "control/names.h"
#include "control/render.h"
#include "control/switches.h"

#include "support/catch.h"
#include "support/fake_manager.h"

using namespace superd;

namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

struct Folder {
    std::string path;

    Folder() {
        char name[] = "/tmp/superd-ctl-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
    }

    ~Folder() { std::filesystem::remove_all(path); }
};

RenderStyle plain() {
    return {.colour = false, .now = Wall(1'800'000'000s)};
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

Json service_json(const ServiceStatus& service) {
    FakeManager manager;
    manager.add(service.name, service.state);
    return Json::parse(service_document(service, manager.the_plan))["service"];
}

ServiceStatus busy_service() {
    ServiceStatus service;
    service.name = "ssh";
    service.description = "remote logins";
    service.state = ServiceState::listening;
    service.since = plain().now - 166min;
    service.defined_at = "/etc/superd.toml:31";
    service.listeners = {{"ssh", "tcp:22", "listening", "", "tcp:22", 5},
            {"test", "tcp:0", "waiting", "in use by sshd, pid 812", "", -1}};
    service.connections = 12;
    service.refused = {{"max_per_source", 3}, {"denied", 1}};
    for (int i = 0; i < 12; ++i)
        service.processes.push_back({.pid = 800 + i,
                .kind = "handler",
                .connection = 0x18f2,
                .peer = {},
                .local = {},
                .since = plain().now - 90s});
    service.last_failure = "exec /usr/sbin/foo: No such file or directory";
    return service;
}

}  // namespace

TEST_CASE("superctl: signals are known by name, with and without SIG, and by number") {
    CHECK(parse_signal("TERM") == SIGTERM);
    CHECK(parse_signal("SIGHUP") == SIGHUP);
    CHECK(parse_signal("9") == SIGKILL);
    for (const char* text : {"", "0", "65", "term", "SIG", "NOSUCH", "9x"})
        CHECK_FALSE(parse_signal(text));
}

TEST_CASE("superctl: a time is a time of day, a date with one, or UTC with Z") {
    const std::int64_t now = 1'800'000'000;  // 2027-01-15 08:00:00 UTC
    CHECK(parse_when("2027-01-15T08:00:00Z", now) == now);
    CHECK(parse_when("2027-01-15 07:59Z", now) == now - 60);
    CHECK(parse_when("09:30Z", now) == now + 5400);
    std::tm parts{};
    const std::time_t start = now;
    REQUIRE(::localtime_r(&start, &parts) != nullptr);
    char text[32];
    REQUIRE(std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts) > 0);
    CHECK(parse_when(text, now) == now);
    for (const char* wrong : {"", "tomorrow", "25:00", "2027-01-15", "09:30 or so",
                 "2027-02-30 10:00", "2027-04-31T10:00Z"})
        CHECK_FALSE(parse_when(wrong, now));
}

TEST_CASE("superctl: exit codes and D-Bus errors go back and forth") {
    for (const int code : {exit_code::failed, exit_code::usage, exit_code::not_running,
                 exit_code::no_such_service, exit_code::not_permitted, exit_code::timeout})
        CHECK(exit_code_of(error_name_of(code)) == code);
    CHECK(exit_code_of("org.freedesktop.DBus.Error.UnknownMethod") == exit_code::failed);
}

TEST_CASE("superctl: what enable wrote is read back, what somebody else wrote is not lost") {
    const Switches switches = {{"git", false}, {"ssh", true}};
    const auto text = make_switches(switches);
    CHECK(parse_switches(text, "x.toml") == switches);
    CHECK(parse_switches("", "x.toml") == Switches{});
    for (const char* other : {"[override.ssh]\nenabled = true\nnice = 5\n", "[service.x]\n",
                 "[override.ssh]\nenabled = \"yes\"\n", "enabled = true\n", "[override"})
        CHECK_FALSE(parse_switches(other, "x.toml"));
}

TEST_CASE("superctl: the main file covers the switches only where a pattern of it does") {
    const std::string main = "/etc/superd.toml", path = switches_path(main);
    CHECK(path == "/etc/superd.d/99-superctl.toml");
    CHECK(covers({"superd.d/*.toml"}, main, path));
    CHECK(covers({"other.toml", "/etc/superd.d/99-*"}, main, path));
    CHECK_FALSE(covers({}, main, path));
    CHECK_FALSE(covers({"*.toml", "superd.d/*.conf", "superd.d"}, main, path));
}

TEST_CASE("superctl: a file is replaced in one step and keeps its mode") {
    Folder folder;
    const auto path = folder.path + "/sub/file";
    REQUIRE(write_file(path, "one\n"));

    struct stat before {
    }, after{};

    REQUIRE(::stat(path.c_str(), &before) == 0);
    CHECK((before.st_mode & 07777) == 0644);
    REQUIRE(::chmod(path.c_str(), 0600) == 0);
    REQUIRE(write_file(path, "two\n"));
    REQUIRE(::stat(path.c_str(), &after) == 0);
    CHECK((after.st_mode & 07777) == 0600);
    CHECK(after.st_ino != before.st_ino);
    CHECK(read_file(path) == "two\n");
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path + "/sub"), {}) == 1);
}

TEST_CASE("superctl: a copy stands beside its file with its mode, and changes places with it") {
    Folder folder;
    const auto path = folder.path + "/file";
    REQUIRE(write_file(path, "one\n"));
    REQUIRE(::chmod(path.c_str(), 0640) == 0);
    const auto copy = copy_beside(path);
    REQUIRE(copy);
    CHECK(copy->starts_with(folder.path + "/.file."));

    struct stat facts {};

    REQUIRE(::stat(copy->c_str(), &facts) == 0);
    CHECK((facts.st_mode & 07777) == 0640);
    REQUIRE(write_file(*copy, "two\n"));
    REQUIRE(exchange(*copy, path));
    CHECK(read_file(path) == "two\n");
    CHECK(read_file(*copy) == "one\n");
    REQUIRE(install_copy(*copy, path));
    CHECK(read_file(path) == "one\n");
    CHECK_FALSE(read_file(*copy));
    CHECK_FALSE(copy_beside(folder.path + "/missing"));
}

TEST_CASE("superctl: columns are aligned, by characters and without trailing blanks") {
    const auto text = render_table(
            {{"A", "STATE", "B"}, {"grün", "running", ""}, {"x", "y", "z"}}, plain());
    CHECK(text == "A     STATE    B\ngrün  running  -\nx     y        z\n");
}

TEST_CASE("superctl: colour is only where it was asked for") {
    const std::vector<std::vector<std::string>> rows = {{"N", "S"}, {"a", "failed"}};
    CHECK_FALSE(holds(render_table(rows, plain(), 1), "\x1b"));
    CHECK(holds(render_table(rows, {.colour = true, .now = {}}, 1), "\x1b[1;31mfailed\x1b[0m"));
}

TEST_CASE("superctl: status NAME shows state, sockets, connections, refusals and failure") {
    const auto text = render_service(service_json(busy_service()), plain());
    CHECK(text.starts_with("● ssh - remote logins\n"));
    for (const char* part : {"State: listening since ", "(2h46m ago)", "start on demand",
                 "Defined at: /etc/superd.toml:31", "tcp:22 listening",
                 "tcp:0 waiting: in use by sshd, pid 812", "12/200 now", "3 max_per_source",
                 "pid 800 handler, 1m30s, connection 18f2",
                 "and 2 more: superctl connections ssh",
                 "Last failure: exec /usr/sbin/foo: No such file or directory"}) {
        INFO(part << " in\n" << text);
        CHECK(holds(text, part));
    }
    CHECK_FALSE(holds(text, "Last exit"));
}

TEST_CASE("superctl: status NAME says when a service is started") {
    auto service = service_json(busy_service());
    for (const auto& [start, said] : {std::pair("demand", "handler, start on demand\n"),
                 {"boot", "handler, start at boot\n"},
                 {"manual", "handler, started by hand\n"}}) {
        service["start"] = start;
        CHECK(holds(render_service(service, plain()), said));
    }
}

TEST_CASE("superctl: status NAME says once what a listener waits for") {
    auto service = busy_service();
    service.listeners[1].detail = "waiting for address (Cannot assign requested address)";
    service.detail = "tcp:0: " + service.listeners[1].detail;
    const auto text = render_service(service_json(service), plain());
    INFO(text);
    CHECK(holds(text, "(2h46m ago)\n"));
    CHECK(holds(text, " tcp:0 waiting for address (Cannot assign requested address)\n"));
    CHECK(text.find("Cannot assign") == text.rfind("Cannot assign"));
    service.detail = "too many open files";
    CHECK(holds(render_service(service_json(service), plain()), "(2h46m ago): too many"));
}

TEST_CASE("superctl: what a service says does not reach into the terminal") {
    auto service = busy_service();
    service.last_failure = "\x1b[2Jgone";
    const auto text = render_service(service_json(service), plain());
    CHECK_FALSE(holds(text, "\x1b"));
    CHECK(holds(text, "\\x1b[2Jgone"));
}

TEST_CASE("superctl: the daemon's line begins with what is wrong with its file") {
    FakeManager manager;
    manager.daemon_status = {.version = "0.1.0",
            .pid = 4711,
            .guard_pid = 4710,
            .since = plain().now - 3h,
            .starts = 2,
            .config_path = "/etc/superd.toml",
            .config_state = "running the last accepted configuration",
            .plan_sequence = 1,
            .processes = 1,
            .max_processes = 2000,
            .root = true};
    manager.add("ssh", ServiceState::listening);
    const auto text = render_daemon(Json::parse(daemon_document(manager))["daemon"], plain());
    CHECK(text ==
            "running the last accepted configuration\n"
            "superd 0.1.0, pid 4711 (guard 4710), up 3h, /etc/superd.toml, 1 service, "
            "1 process of 2000\n"
            "it has died and been started again 1 time\n");
}

TEST_CASE("superctl: the overview has a row a service, sockets a row a listener") {
    FakeManager manager;
    manager.add("ssh", ServiceState::listening);
    manager.services["ssh"] = busy_service();
    manager.add("queue", ServiceState::backoff).mode = Mode::worker;
    OverviewDocument document(manager);
    while (document.add_next()) {
    }
    const auto services = Json::parse(document.take())["services"];
    const auto overview = render_overview(services, plain());
    CHECK(holds(overview,
            "ssh    listening  800+11  2h46m  12/200       0      tcp:22,tcp:0  -\n"));
    CHECK(holds(overview,
            "queue  backoff    -       -      -            -      -             -\n"));
    const auto sockets = render_sockets(services, plain());
    CHECK(holds(sockets, "ssh      tcp:22   listening  ssh   -\n"));
    CHECK(holds(sockets, "ssh      tcp:0    waiting    test  in use by sshd, pid 812\n"));
    const auto connections = render_connections({service_json(busy_service())}, plain());
    CHECK(std::count(connections.begin(), connections.end(), '\n') == 13);
}

TEST_CASE("superctl: a reload tells each change, its keys and what it needs") {
    ReloadReport report;
    CHECK(render_reload(Json::parse(reload_document(report))["reload"], true) ==
            "nothing changes\n");
    report.changes = {{"ftp", Change::added, {}, false}, {"old", Change::removed, {}, false},
            {"same", Change::keep, {}, false}, {"ssh", Change::rebind, {"listen"}, false},
            {"web", Change::in_place, {"nice", "exec"}, true}};
    CHECK(render_reload(Json::parse(reload_document(report))["reload"], false) ==
            "+ ftp\n- old\n~ ssh: listen (listeners are opened anew)\n"
            "~ web: nice, exec (after a restart)\n");
}

TEST_CASE("superctl: explain names the verdict, the sentence and the line that decided") {
    Endpoint from;
    from.family = Family::ip;
    from.ip = *IpAddress::parse("198.51.100.7");
    const Explanation no{false, "denied", "/etc/superd.toml:5", "198.51.100.7 is in @blocked"};
    CHECK(render_explanation(Json::parse(
                  explanation_document("ssh", from, plain().now, no))["explanation"]) ==
            "ssh from 198.51.100.7: refused, denied\n198.51.100.7 is in @blocked\n"
            "decided at /etc/superd.toml:5\n");
}

TEST_CASE("superctl: show leaves out what means nothing for the service's mode") {
    const auto plan = [](const char* mode) {
        return nlohmann::ordered_json{{"mode", mode}, {"workers", 1}, {"builtin", "none"},
                {"connect_timeout", "10s"}, {"max_connections", 200}, {"uid", 5}};
    };
    CHECK(render_plan(plan("handler"), false) ==
            "mode = \"handler\"\nmax_connections = 200\nuid = 5\n");
    CHECK(render_plan(plan("redirect"), false) ==
            "mode = \"redirect\"\nconnect_timeout = \"10s\"\nmax_connections = 200\nuid = 5\n");
    CHECK(holds(render_plan(plan("handler"), true), "builtin"));
}

TEST_CASE(
        "superctl: show prints what is set; effective also the rest, its place and what was "
        "skipped") {
    const auto plan = nlohmann::ordered_json::parse(
            R"({"name": "x", "exec": ["/bin/cat", "a b"], "nice": null, "groups": [], "root": "",
            "origin": "f:3", "listen": [{"address": "tcp:22", "origin": "f:4"}], "rate": {"burst": 5},
            "skipped": [{"key": "max_per_source", "reason": "it is a daemon"}]})");
    CHECK(render_plan(plan, false) ==
            "name = \"x\"\nexec = [\"/bin/cat\",\"a b\"]\nlisten[0].address = \"tcp:22\"\n"
            "rate.burst = 5\n");
    CHECK(render_plan(plan, true) ==
            "name = \"x\"\nexec = [\"/bin/cat\",\"a b\"]\nnice = null\ngroups = []\nroot = "
            "\"\"\n"
            "origin = \"f:3\"\nlisten[0].address = \"tcp:22\"\nlisten[0].origin = \"f:4\"\n"
            "rate.burst = 5\n# max_per_source is inherited and left out: it is a daemon\n");
}

TEST_CASE("superctl: a document of another version that lacks fields is shown all the same") {
    CHECK(render_service(Json::object(), plain()).starts_with("●"));
    CHECK_NOTHROW(render_daemon(Json::object(), plain()));
    CHECK_NOTHROW(render_overview(Json::parse("[{}]"), plain()));
    CHECK_NOTHROW(render_reload(Json::object(), false));
    CHECK_NOTHROW(render_explanation(Json::object()));
}
