// SPDX-License-Identifier: MIT
#include "policy/spawn_plan.h"

#include <algorithm>

#include <sys/resource.h>

#include "support/catch.h"

using namespace superd;

namespace {

using Strings = std::vector<std::string>;

ServicePlan service_of(Mode mode = Mode::handler) {
    ServicePlan service;
    service.name = "web";
    service.mode = mode;
    service.exec.argv = {"/usr/bin/webd", "--inetd"};
    return service;
}

// The value of a variable; "(unset)" where it is not there.
std::string value_of(const SpawnPlan& plan, const std::string& name) {
    for (const std::string& variable : plan.fixed_environment)
        if (variable.starts_with(name + "=")) return variable.substr(name.size() + 1);
    return "(unset)";
}

Strings names_of(const SpawnPlan& plan) {
    Strings names;
    for (const std::string& variable : plan.fixed_environment)
        names.push_back(variable.substr(0, variable.find('=')));
    return names;
}

}  // namespace

TEST_CASE("spawn plan: the program is the first word, argv[0] what argv0 says") {
    ServicePlan service = service_of();
    auto plan = make_spawn_plan(service, {});
    CHECK(plan->program == "/usr/bin/webd");
    CHECK(plan->argv == Strings{"/usr/bin/webd", "--inetd"});
    service.exec.argv0 = "httpd";
    plan = make_spawn_plan(service, {});
    CHECK(plan->program == "/usr/bin/webd");
    CHECK(plan->argv == Strings{"httpd", "--inetd"});
}

TEST_CASE("spawn plan: what the service says of its process is taken over") {
    ServicePlan service = service_of(Mode::worker);
    service.pass = Pass::listen_fds;
    service.launch_timeout = std::chrono::seconds(7);
    service.exec.identity.change = true;
    service.exec.identity.uid = 5;
    service.exec.umask = 027;
    service.exec.nice = -3;
    service.exec.oom_score_adjust = 200;
    service.exec.directory = "/srv";
    service.exec.root = "/jail";
    service.exec.cpu_affinity = {1, 3};
    service.exec.ionice_class = std::uint8_t{2};
    service.exec.ionice_level = std::uint8_t{7};
    service.exec.standard_error.kind = OutputKind::null;
    service.exec.standard_output.kind = OutputKind::file;
    const auto plan = make_spawn_plan(service, {});
    CHECK(plan->service == "web");
    CHECK(plan->mode == Mode::worker);
    CHECK(plan->pass == Pass::listen_fds);
    CHECK(plan->launch_timeout == std::chrono::seconds(7));
    CHECK(plan->identity == service.exec.identity);
    CHECK(plan->umask == 027U);
    CHECK(plan->nice == -3);
    CHECK(plan->oom_score_adjust == 200);
    CHECK(plan->directory == "/srv");
    CHECK(plan->root == "/jail");
    CHECK(plan->cpu_affinity == std::vector<std::uint32_t>{1, 3});
    CHECK(plan->ionice_class == std::uint8_t{2});
    CHECK(plan->ionice_level == std::uint8_t{7});
    CHECK(plan->standard_error == OutputKind::null);
    CHECK(plan->standard_output == OutputKind::file);
}

TEST_CASE("spawn plan: without a directory a process starts in /") {
    CHECK(make_spawn_plan(service_of(), {})->directory == "/");
}

TEST_CASE("spawn plan: limits that superd changed for itself are given back, others are kept") {
    ServicePlan service = service_of();
    service.exec.rlimits = {{.resource = RLIMIT_CORE, .soft = 0, .hard = 0}};
    SpawnContext context;
    context.original_rlimits = {{.resource = RLIMIT_NOFILE, .soft = 1024, .hard = 4096}};
    const std::vector<RlimitPlan> both{{.resource = RLIMIT_CORE, .soft = 0, .hard = 0},
            {.resource = RLIMIT_NOFILE, .soft = 1024, .hard = 4096}};
    CHECK(make_spawn_plan(service, context)->rlimits == both);
    service.exec.rlimits = {{.resource = RLIMIT_NOFILE, .soft = 10, .hard = 20}};
    CHECK(make_spawn_plan(service, context)->rlimits == service.exec.rlimits);
}

TEST_CASE("spawn plan: names of listeners in their order, of a connection \"connection\"") {
    ServicePlan service = service_of(Mode::worker);
    service.listeners.resize(2);
    service.listeners[0].name = "http";
    service.listeners[1].name = "admin";
    CHECK(make_spawn_plan(service, {})->listen_fdnames == "http:admin");
    service.mode = Mode::handler;
    CHECK(make_spawn_plan(service, {})->listen_fdnames == "connection");
    service.mode = Mode::daemon;
    service.listeners.clear();
    CHECK(make_spawn_plan(service, {})->listen_fdnames.empty());
}

TEST_CASE("environment: nothing is inherited that nobody asked for") {
    SpawnContext context;
    context.own_environment = {"PATH=/secret", "LANG=de_DE.UTF-8", "TZ=Europe/Berlin",
            "LD_PRELOAD=/tmp/x.so", "HOME=/root", "NOTIFY_SOCKET=/run/systemd/notify"};
    ServicePlan service = service_of();
    service.exec.identity.user = "www";
    service.exec.identity.home = "/var/www";
    service.exec.identity.shell = "/bin/false";
    const auto plan = make_spawn_plan(service, context);
    CHECK(names_of(*plan) == Strings{"HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TZ", "USER"});
    CHECK(value_of(*plan, "HOME") == "/var/www");
    CHECK(value_of(*plan, "USER") == "www");
    CHECK(value_of(*plan, "LOGNAME") == "www");
    CHECK(value_of(*plan, "SHELL") == "/bin/false");
    CHECK(value_of(*plan, "LANG") == "de_DE.UTF-8");
    CHECK(value_of(*plan, "TZ") == "Europe/Berlin");
    CHECK(value_of(*plan, "PATH") ==
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

TEST_CASE("environment: a service without a user of its own has superd's home and name") {
    SpawnContext context;
    context.own_environment = {"HOME=/home/me", "USER=me", "HOMER=no"};
    const auto plan = make_spawn_plan(service_of(), context);
    CHECK(value_of(*plan, "HOME") == "/home/me");
    CHECK(value_of(*plan, "USER") == "me");
    CHECK(value_of(*plan, "SHELL") == "(unset)");
    CHECK(value_of(*plan, "LANG") == "C.UTF-8");
    CHECK(value_of(*plan, "TZ") == "(unset)");
}

TEST_CASE("environment: passed on, then the service's own, the later one wins") {
    SpawnContext context;
    context.own_environment = {"A=superd", "B=superd", "EMPTY="};
    ServicePlan service = service_of();
    service.exec.pass_environment = {"A", "B", "EMPTY", "MISSING"};
    service.exec.environment = {{"B", "file", true}, {"C", "file", true}, {"C", "own", false},
            {"PATH", "/bin", false}};
    const auto plan = make_spawn_plan(service, context);
    CHECK(value_of(*plan, "A") == "superd");
    CHECK(value_of(*plan, "B") == "file");
    CHECK(value_of(*plan, "C") == "own");
    CHECK(value_of(*plan, "EMPTY").empty());
    CHECK(value_of(*plan, "MISSING") == "(unset)");
    CHECK(value_of(*plan, "PATH") == "/bin");
    CHECK(std::is_sorted(plan->fixed_environment.begin(), plan->fixed_environment.end()));
}

TEST_CASE("environment: folders and credentials are superd's to name") {
    ServicePlan service = service_of();
    service.exec.runtime_directory = {"web", "web-cache"};
    service.exec.state_directory = {"web"};
    service.exec.cache_directory = {"web"};
    service.exec.logs_directory = {"web"};
    service.exec.credentials = {{"db", "/etc/db.password"}};
    service.exec.environment = {{"STATE_DIRECTORY", "/tmp", false}};
    SpawnContext context;
    context.credentials_prefix = "/run/superd/credentials";
    const auto plan = make_spawn_plan(service, context);
    CHECK(value_of(*plan, "RUNTIME_DIRECTORY") == "/run/web:/run/web-cache");
    CHECK(value_of(*plan, "STATE_DIRECTORY") == "/var/lib/web");
    CHECK(value_of(*plan, "CACHE_DIRECTORY") == "/var/cache/web");
    CHECK(value_of(*plan, "LOGS_DIRECTORY") == "/var/log/web");
    CHECK(value_of(*plan, "CREDENTIALS_DIRECTORY") == "/run/superd/credentials/web");
}

TEST_CASE("environment: no file can pretend to be superd about a connection or a listener") {
    ServicePlan service = service_of();
    service.exec.environment = {{"TCPREMOTEIP", "127.0.0.1", false}, {"LISTEN_FDS", "3", false},
            {"REMOTE_HOST", "localhost", false}, {"UNIXREMOTEEUID", "0", false}};
    CHECK(value_of(*make_spawn_plan(service, {}), "TCPREMOTEIP") == "(unset)");
    CHECK(value_of(*make_spawn_plan(service, {}), "UNIXREMOTEEUID") == "(unset)");
    CHECK(value_of(*make_spawn_plan(service, {}), "LISTEN_FDS") == "(unset)");
    // A daemon has no connection: these are its own there.
    service.mode = Mode::daemon;
    CHECK(value_of(*make_spawn_plan(service, {}), "REMOTE_HOST") == "localhost");
    CHECK(value_of(*make_spawn_plan(service, {}), "LISTEN_FDS") == "(unset)");
}

TEST_CASE("spawn plan: every stage has a name of its own") {
    std::vector<std::string_view> names;
    for (auto stage = SpawnStage::none; stage <= SpawnStage::exec;
            stage = static_cast<SpawnStage>(static_cast<int>(stage) + 1)) {
        CHECK_FALSE(stage_name(stage).empty());
        names.push_back(stage_name(stage));
    }
    std::sort(names.begin(), names.end());
    CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

TEST_CASE("spawn plan: a launch without all listeners has the names of its own") {
    ServicePlan service = service_of();
    service.mode = Mode::worker;
    service.listeners.resize(2);
    service.listeners[0].name = "one";
    service.listeners[1].name = "two";
    const auto whole = make_spawn_plan(service, {});
    const auto part = with_listen_names(*whole, "two");
    CHECK(whole->listen_fdnames == "one:two");
    CHECK(part->listen_fdnames == "two");
    CHECK(part->argv == whole->argv);
    CHECK(part->fixed_environment == whole->fixed_environment);
}

TEST_CASE("spawn plan: a command beside the program is not in the program's pid namespace") {
    ServicePlan service = service_of();
    service.exec.sandbox.private_pids = true;
    service.exec.sandbox.private_tmp = true;
    const auto plan = make_spawn_plan(service, {});
    CHECK(plan->sandbox.private_pids);
    const auto command = with_command(plan, {"/bin/kill", "-HUP"});
    CHECK_FALSE(command->sandbox.private_pids);
    CHECK(command->sandbox.private_tmp);
    CHECK(command->program == "/bin/kill");
}
