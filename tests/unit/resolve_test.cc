// SPDX-License-Identifier: MIT
#include "config/resolve.h"

#include <chrono>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config/codec.h"

#include "support/catch.h"
#include "support/config_text.h"
#include "support/log_program.h"

using namespace superd;
using namespace superd::test;
using namespace std::chrono_literals;

namespace {

// One line of a service, and what it makes of it: the errors and warnings without their place.
struct Case {
    const char* body;
    const char* said;
};

// The message lines without "LINE:COLUMN ".
std::string said(const Resolved& resolved) {
    std::string out;
    const std::string text = resolved.text();
    for (const std::string_view line : split(text, '\n')) {
        if (line.empty()) continue;
        out += line.substr(line.find(' ') + 1);
        out += '\n';
    }
    return out;
}

void check_cases(const std::vector<Case>& cases, bool root = true) {
    for (const Case& one : cases) {
        INFO(one.body);
        CHECK(said(resolve_text(service_text(one.body), root)) == one.said);
    }
}

const char* tcp = "listen = \"tcp:22\"\n";

std::string with_tcp(const std::string& line) {
    return tcp + line;
}

// The service of a text that must be without errors and warnings.
ServicePlan good(const std::string& body) {
    const Resolved resolved = resolve_text(service_text(body));
    INFO(body);
    CHECK(resolved.text() == "");
    REQUIRE(resolved.service("s") != nullptr);
    return *resolved.service("s");
}

}  // namespace

TEST_CASE("resolve: a plain service has the built-in values") {
    const ServicePlan plan = good(tcp);
    CHECK(plan.enabled);
    CHECK(plan.mode == Mode::handler);
    CHECK(plan.start == Start::demand);
    CHECK(plan.pass == Pass::in_stdin);
    REQUIRE(plan.listeners.size() == 1);
    CHECK(plan.listeners[0].address == "tcp:22");
    CHECK(plan.listeners[0].name == "s");
    CHECK(plan.listeners[0].backlog == 4096);
    CHECK(plan.admission.max_connections.value == 200u);
    CHECK(plan.admission.max_per_source.value == 20u);
    CHECK_FALSE(plan.admission.rate);
    CHECK(plan.admission.on_limit == OnLimit::queue);
    CHECK(plan.stop_timeout == 10s);
    CHECK(plan.launch_timeout == 30s);
    CHECK(plan.exec.argv == std::vector<std::string>{"/bin/true"});
    CHECK(plan.exec.standard_error.kind == OutputKind::log);
}

TEST_CASE("resolve: the mode follows from the listeners") {
    CHECK(good("listen = \"tcp:22\"").mode == Mode::handler);
    CHECK(good("listen = [\"unix:/run/a\", \"seqpacket:@b\", \"vsock:*:1\"]").mode ==
            Mode::handler);
    CHECK(good("listen = \"udp:69\"").mode == Mode::worker);
    CHECK(good("listen = \"udp:69\"").pass == Pass::in_stdin);
    CHECK(good("listen = \"fifo:/run/x\"").mode == Mode::worker);
    CHECK(good("listen = \"unixgram:/run/x\"").mode == Mode::worker);
    CHECK(good("listen = \"tcp:22\"\nmode = \"worker\"").pass == Pass::listen_fds);
    CHECK(good("listen = [\"tcp:22\", \"udp:22\"]\nmode = \"worker\"").pass ==
            Pass::listen_fds);
    CHECK(good("").mode == Mode::daemon);
    CHECK(good("").start == Start::boot);
    CHECK(good("start = \"manual\"").start == Start::manual);
    CHECK(good("listen = \"udp:69\"\nstart = \"boot\"").start == Start::boot);
}

TEST_CASE("resolve: modes, starts and ways to pass that cannot be are errors") {
    check_cases({
            {"listen = [\"tcp:22\", \"udp:22\"]",
                    "error: streams and datagrams in one service need a mode [write mode = "
                    "\"worker\", or two services]\n"},
            {"listen = \"udp:22\"\nmode = \"handler\"",
                    "error: a handler takes connections; datagrams, FIFOs and queues have none "
                    "[write "
                    "mode = \"worker\"]\n"},
            {"mode = \"worker\"",
                    "error: mode means nothing for a service without listen [leave it out, or "
                    "write listen]\n"},
            {"listen = \"tcp:22\"\nmode = \"daemon\"",
                    "error: \"daemon\" is not a value of mode [write \"handler\" or "
                    "\"worker\"]\n"},
            {"listen = \"tcp:22\"\nstart = \"boot\"",
                    "error: start = \"boot\" cannot be: a handler starts when somebody "
                    "connects [write \"demand\" or \"manual\"]\n"},
            {"start = \"demand\"",
                    "error: start = \"demand\" cannot be: nothing can demand a service without "
                    "listen [write \"boot\" or \"manual\"]\n"},
            {"listen = [\"udp:1069\", \"udp:1070\"]",
                    "error: only one of the 2 sockets fits on descriptor 0 [write pass = "
                    "\"listen_fds\", or a service for each]\n"},
            {"pass = \"stdin\"",
                    "error: pass means nothing for a service without listen [leave it out; it "
                    "is for: handlers, workers]\n"},
            {"listen = \"tcp:22\"\nworkers = 2",
                    "error: workers means nothing for a handler [leave it out; it is for: "
                    "workers]\n"},
            {"listen = \"udp:22\"\nmax_per_source = 2",
                    "error: max_per_source means nothing for a worker [leave it out; it is "
                    "for: handlers, builtins, redirects]\n"},
            {"listen = []",
                    "error: listen of [service.s] is empty [leave it out for a service that is "
                    "only supervised]\n"},
            {"listen = 22", "error: an address is text with its kind [write \"tcp:22\"]\n"},
            {"listen = [{ name = \"x\" }]",
                    "error: a listener of [service.s] has no address [write address = "
                    "\"tcp:PORT\"]\n"},
    });
}

TEST_CASE("resolve: workers are a number or one for each core") {
    CHECK(good("listen = \"udp:69\"\nworkers = 3").workers == 3);
    CHECK(good("listen = \"udp:69\"\nworkers = \"cores\"").workers >= 1);
    check_cases({{"listen = \"udp:69\"\nworkers = \"many\"",
                         "error: \"many\" is not a number of workers [write a number or "
                         "\"cores\"]\n"},
            {"listen = \"udp:69\"\nworkers = 0",
                    "error: workers is out of range [from 1 to 1024]\n"},
            {"listen = \"udp:69\"\nworkers = \"2\"",
                    "error: workers is a number, not a string [write 2, without quotes]\n"}});
}

TEST_CASE("resolve: exec is a list, or text split at blanks") {
    CHECK(good("exec = [\"/bin/true\", \"a b\", \"\"]").exec.argv ==
            std::vector<std::string>{"/bin/true", "a b", ""});
    CHECK(good("exec = \"/bin/true  -x 'a b' c\\\"d e\\\"f ''\"").exec.argv ==
            std::vector<std::string>{"/bin/true", "-x", "a b", "cd ef", ""});
    CHECK(good("exec = \"/bin/true\"\nargv0 = \"-true\"").exec.argv0 == "-true");
    check_cases({{"exec = \"true\"",
                         "error: the program's path must be absolute [write \"/usr/bin/true\" "
                         "or where it is]\n"},
            {"exec = []", "error: exec is empty [write exec = [\"/path/of/program\"]]\n"},
            {"exec = \"/bin/true 'x\"", "error: a quote in exec is not closed\n"},
            {"exec = [1]", "error: each word of exec is text, not an integer [write \"1\"]\n"},
            {"exec = \"/nonexistent/x\"",
                    "warning: there is no program \"/nonexistent/x\" now\n"},
            {"exec = \"/etc/passwd\"", "warning: \"/etc/passwd\" is not executable\n"},
            {"exec = \"/etc\"", "warning: \"/etc\" is a directory\n"}});
    CHECK(said(resolve_text("[service.s]\nuser = \"git\"\n")) ==
            "error: [service.s] has nothing to run [write exec = [\"/path/of/program\"]]\n");
}

TEST_CASE("resolve: a script whose interpreter is not there is warned of") {
    struct Row {
        const char *first_line, *says;
    };

    const Row rows[] = {{"#!/bin/sh\n", ""}, {"#! /bin/sh -e\n", ""}, {"#!sh\n", ""},
            {"#!", ""},
            {"#!/bin/pyhton3 -u\n", "there is no \"/bin/pyhton3\", which runs \"%\""},
            {"#!/bin/sh\r\n", "there is no \"/bin/sh\\r\", which runs \"%\""}};
    const Directory dir;
    const std::string path = dir / "script";
    for (const Row& row : rows) {
        { std::ofstream(path) << row.first_line << "exit 0\n"; }
        std::filesystem::permissions(path, std::filesystem::perms(0755));
        std::string says = row.says;
        if (const std::size_t at = says.find('%'); at != std::string::npos)
            says.replace(at, 1, path);
        const std::string heard = said(resolve_text(service_text("exec = \"" + path + "\"")));
        INFO(row.first_line << heard);
        CHECK(heard.substr(0, heard.find(" [")) == (says.empty() ? "" : "warning: " + says));
        CHECK((heard.find("CR LF") != std::string::npos) ==
                (std::string_view(row.first_line).find('\r') != std::string_view::npos));
    }
}

TEST_CASE("resolve: users and groups become numbers") {
    const IdentityPlan git = good("").exec.identity;
    CHECK(git.change);
    CHECK(git.uid == 1001);
    CHECK(git.gid == 1001);
    CHECK(git.groups == std::vector<std::uint32_t>{33, 50, 1001});
    CHECK(git.home == "/srv/git");
    CHECK(git.shell == "/usr/bin/git-shell");
    CHECK(good("user = \"nobody\"").exec.identity.shell == "/bin/sh");
    CHECK(good("user = \"1001\"").exec.identity.user == "git");
    CHECK(good("group = \"www\"").exec.identity.gid == 33);
    CHECK(good("groups = [\"staff\"]").exec.identity.groups == std::vector<std::uint32_t>{50});
    CHECK(good("groups = []").exec.identity.groups.empty());
    CHECK(good("groups = { remove = [\"staff\"] }").exec.identity.groups ==
            std::vector<std::uint32_t>{33, 1001});
    CHECK(good("groups = { add = [\"4711\"] }").exec.identity.groups ==
            std::vector<std::uint32_t>{33, 50, 1001, 4711});
    const IdentityPlan bare = good("user = \"777\"\ngroup = \"4711\"").exec.identity;
    CHECK(bare.uid == 777);
    CHECK(bare.gid == 4711);
    CHECK(bare.groups.empty());
    check_cases({{"user = \"nosuch\"", "error: there is no user \"nosuch\"\n"},
            {"user = \"\"", "error: there is no user \"\"\n"},
            {"group = \"nosuch\"", "error: there is no group \"nosuch\"\n"},
            {"groups = [\"nosuch\"]", "error: there is no group \"nosuch\"\n"},
            {"user = 1001", "error: user is text, not an integer [write \"1001\"]\n"},
            {"user = \"777\"",
                    "error: user 777 has no entry, so its group must be named [write group = "
                    "\"777\"]\n"}});
}

TEST_CASE("resolve: as root a service names its user") {
    const std::string text = "[service.s]\nexec = \"/bin/true\"\n";
    CHECK(resolve_text(text).errors() ==
            "1:10 error: [service.s] names no user [write user = \"NAME\" in it or in "
            "[defaults]]\n");
    CHECK(resolve_text("[defaults]\nuser = \"git\"\n" + text).errors() == "");
    CHECK(resolve_text(text, false).errors() == "");
}

TEST_CASE("resolve: without root, what needs root is an error with its reason") {
    if (::geteuid() == 1001) return;  // the test's own git would be this process
    const auto without = [](const std::string& body) {
        return said(resolve_text("[service.s]\nexec = \"/bin/true\"\n" + body, false));
    };
    CHECK(without("user = \"git\"") ==
            "error: user \"git\" needs root: only root may become somebody else\n");
    CHECK(without("group = \"4711\"") ==
            "error: another group needs root: only root may change groups\n");
    CHECK(without("groups = []") == "error: groups needs root: only root may change groups\n");
    CHECK(without("root = \"/tmp\"")
                    .find("error: root needs root: only root may change what \"/\" is\n") !=
            std::string::npos);
    CHECK(without("nice = -5") ==
            "error: a negative nice needs root: it takes time from others\n");
    CHECK(without("nice = 5") == "");
    CHECK(without("oom_score_adjust = -5") ==
            "error: a negative oom_score_adjust needs root: it protects from the kernel\n");
    CHECK(without("ionice = \"realtime:0\"") ==
            "error: ionice realtime needs root: it takes the disk from others\n");
    CHECK(without("listen = { address = \"tcp:1060\", mark = 1 }") ==
            "error: mark needs root: it steers the firewall\n");
    CHECK(without("listen = { address = \"tcp:1060\", transparent = true }") ==
            "error: transparent needs root: it takes packets for other hosts\n");
    CHECK(without("listen = { address = \"tcp:1060\", priority = 7 }") ==
            "error: priority above 6 needs root: it is for the network's control\n");
}

TEST_CASE("resolve: limits are read with their units") {
    const auto limits =
            good("rlimits = { cpu = \"5m\", nofile = \"256:1024\", as = \"1G:unlimited\", core "
                 "= 0, rttime = \"2ms\" }")
                    .exec.rlimits;
    const std::vector<RlimitPlan> expected{{RLIMIT_CPU, 300, 300}, {RLIMIT_NOFILE, 256, 1024},
            {RLIMIT_AS, std::uint64_t{1} << 30, ~std::uint64_t{0}}, {RLIMIT_CORE, 0, 0},
            {RLIMIT_RTTIME, 2000, 2000}};
    CHECK(limits == expected);
    check_cases({{"rlimits = { nofiles = 3 }",
                         "error: \"nofiles\" is not a resource limit [did you mean "
                         "\"nofile\"?]\n"},
            {"rlimits = { cpu = 300 }",
                    "error: rlimits.cpu is a duration and needs its unit [write \"300s\"]\n"},
            {"rlimits = { nofile = \"1024:256\" }",
                    "error: the soft limit of nofile is above the hard one [write "
                    "\"SOFT:HARD\"]\n"},
            {"rlimits = { nofile = -1 }",
                    "error: rlimits.nofile is negative [write \"unlimited\" for no limit]\n"},
            {"rlimits = { nofile = \"many\" }",
                    "error: \"many\" is not a number [write a number, \"256:1024\" or "
                    "\"unlimited\"]\n"},
            {"rlimits = 5",
                    "error: rlimits is a table, not an integer [write rlimits = { NAME = ... "
                    "}]\n"}});
}

TEST_CASE("resolve: priorities, masks and processors") {
    CHECK(good("umask = \"0027\"").exec.umask == 027u);
    CHECK(good("umask = 0o27").exec.umask == 027u);
    CHECK(good("nice = -20").exec.nice == -20);
    CHECK(good("oom_score_adjust = 1000").exec.oom_score_adjust == 1000);
    CHECK(good("ionice = \"idle\"").exec.ionice_class == std::uint8_t{3});
    CHECK(good("ionice = \"best-effort:7\"").exec.ionice_level == std::uint8_t{7});
    CHECK(good("ionice = \"best-effort\"").exec.ionice_level == std::uint8_t{4});
    CHECK(good("ionice = \"realtime:0\"").exec.ionice_class == std::uint8_t{1});
    CHECK(good("cpu_affinity = [0, \"1-3\", 2]").exec.cpu_affinity ==
            std::vector<std::uint32_t>{0, 1, 2, 3});
    check_cases({{"umask = 27",
                         "error: umask is octal: a decimal number means something else [write "
                         "\"027\" or 0o27]\n"},
            {"umask = \"1777\"", "error: umask is out of range [at most \"0777\"]\n"},
            {"nice = 20", "error: nice is out of range [from -20 to 19]\n"},
            {"nice = \"5\"",
                    "error: nice is a number, not a string [write 5, without quotes]\n"},
            {"oom_score_adjust = -1001",
                    "error: oom_score_adjust is out of range [from -1000 to 1000]\n"},
            {"ionice = \"low\"",
                    "error: \"low\" is not a disk priority [write \"idle\", \"best-effort:0\" "
                    "to \"best-effort:7\" or \"realtime:0\" to \"realtime:7\"]\n"},
            {"ionice = \"best-effort:8\"",
                    "error: \"best-effort:8\" is not a disk priority [write \"idle\", "
                    "\"best-effort:0\" to \"best-effort:7\" or \"realtime:0\" to "
                    "\"realtime:7\"]\n"},
            {"cpu_affinity = \"3-1\"",
                    "error: that is not a processor or a range of them [write 0, [0, 2] or "
                    "\"0-3\"; at most 1023]\n"},
            {"cpu_affinity = 1024",
                    "error: that is not a processor or a range of them [write 0, [0, 2] or "
                    "\"0-3\"; at most 1023]\n"}});
}

TEST_CASE("resolve: durations, sizes and bounds say what is missing") {
    CHECK(good("stop_timeout = \"0s\"").stop_timeout == 0s);
    CHECK(good("launch_timeout = \"1m\"").launch_timeout == 60s);
    CHECK_FALSE(
            good(with_tcp("max_connections = \"unlimited\"")).admission.max_connections.value);
    check_cases({{"stop_timeout = 600",
                         "error: stop_timeout is a duration and needs its unit [write "
                         "\"600s\"]\n"},
            {"stop_timeout = \"2d\"", "error: stop_timeout is out of range [from 0s to 1d]\n"},
            {"launch_timeout = \"1ms\"",
                    "error: launch_timeout is out of range [from 100ms to 1h]\n"},
            {"listen = \"tcp:22\"\nmax_connections = 0",
                    "error: max_connections = 0 would let nobody in [write \"unlimited\" for "
                    "no bound, or enabled = false]\n"},
            {"listen = \"tcp:22\"\nmax_connections = -1",
                    "error: max_connections is out of range [from 1 to 2147483647]\n"},
            {"listen = \"tcp:22\"\nmax_connections = \"20\"",
                    "error: \"20\" is not a bound [write 20, without quotes]\n"},
            {"listen = \"tcp:22\"\nmax_connections = \"none\"",
                    "error: \"none\" is not a bound [write a number or \"unlimited\"]\n"},
            {"listen = \"tcp:22\"\nenabled = \"no\"",
                    "error: enabled is true or false, not text [write false, without "
                    "quotes]\n"}});
}

TEST_CASE("resolve: rates have a limit, a burst and a pause") {
    const auto rate =
            good(with_tcp("rate = { limit = \"50/s\", burst = 100, pause = \"10s\" }"))
                    .admission.rate;
    REQUIRE(rate);
    CHECK(rate->limit == Frequency{50, 1s});
    CHECK(rate->burst == 100);
    CHECK(rate->pause == 10s);
    CHECK(rate->origin.line == 3);
    CHECK(good(with_tcp("rate_per_source = \"6/min\"")).admission.rate_per_source->burst == 6);
    CHECK_FALSE(good(with_tcp("rate = \"unlimited\"")).admission.rate);
    CHECK(good("listen = \"udp:69\"\nrate = \"5/s\"").admission.rate);
    check_cases({{"listen = \"tcp:22\"\nrate = 50",
                         "error: rate is so many in a period [write \"50/s\"]\n"},
            {"listen = \"tcp:22\"\nrate = { burst = 5 }",
                    "error: rate has no limit [write rate = { limit = \"50/s\", ... }]\n"},
            {"listen = \"tcp:22\"\nrate = { limit = \"5/s\", brst = 5 }",
                    "error: unknown key \"brst\" in rate [did you mean \"burst\"?]\n"},
            {"listen = \"tcp:22\"\nrate = { limit = \"5/s\", burst = 0 }",
                    "error: burst is a number from 1 to 1000000000\n"},
            {"listen = \"tcp:22\"\nrate = { limit = \"5/s\", pause = 5 }",
                    "error: pause is a duration and needs its unit [write \"5s\"]\n"}});
}

TEST_CASE("resolve: host and domain entries are kept in lower case; others are explained") {
    const auto made =
            good(with_tcp("allow = [\"host:DB.Example.org.\", \"domain:lab.example.org\"]"));
    const auto& access = made.admission.access;
    REQUIRE(access.size() == 2);
    CHECK(access[0].kind == MatchKind::host);
    CHECK(access[0].host == "db.example.org");
    CHECK(access[1].kind == MatchKind::domain);
    CHECK(access[1].host == "lab.example.org");
    check_cases({{"listen = \"tcp:22\"\nallow = \"host:192.0.2.7\"",
                         "error: \"192.0.2.7\" is not a host name [write \"192.0.2.7\" for an "
                         "address]\n"},
            {"listen = \"tcp:22\"\nallow = \"domain:.example.org\"",
                    "error: \".example.org\" is not a host name [write "
                    "\"domain:example.org\" for every name below it]\n"},
            {"listen = \"tcp:22\"\ndeny = \"db.example.org\"",
                    "error: \"db.example.org\" is not an address, a block or a name [write "
                    "\"host:db.example.org\" for one host, \"domain:db.example.org\" for all "
                    "below it]\n"}});
}

TEST_CASE("resolve: ident, and where it cannot be required") {
    const auto made = good(with_tcp("ident = \"require\"\nident_timeout = \"3s\""));
    CHECK(made.admission.ident == Ident::require);
    CHECK(made.admission.ident_timeout == std::chrono::seconds(3));
    check_cases({{"listen = [\"tcp:22\", \"unix:/run/x\"]\nident = \"require\"",
                         "error: ident = \"require\" cannot be enforced for [service.s]: only "
                         "clients of tcp: have a host to ask, not those of \"unix:/run/x\"\n"},
            {"listen = \"udp:69\"\nident = \"require\"",
                    "error: ident cannot be enforced for [service.s]: superd does not see a "
                    "worker's clients [leave it out]\n"}});
    CHECK(said(
            resolve_text("[defaults]\nident = \"log\"\n" + service_text("listen = \"udp:69\"")))
                    .empty());
    CHECK_FALSE(said(resolve_text("[defaults]\nident = \"require\"\n" +
                                  service_text("listen = \"udp:69\"")))
                        .empty());
}

TEST_CASE("resolve: access rules of every kind") {
    const Resolved resolved = resolve_text(
            "[networks]\noffice = \"10.0.0.0/8\"\n" +
            service_text("listen = [\"tcp:22\", \"unix:/run/x\"]\nallow = [\"@office\", "
                         "\"192.0.2.7\", \"uid:5\", \"user:git\", \"gid:6\", \"group:staff\", "
                         "\"all\"]\ndeny = \"2001:db8::/32\""));
    CHECK(resolved.text() == "");
    const auto& access = resolved.service("s")->admission.access;
    REQUIRE(access.size() == 8);
    CHECK(access[0].kind == MatchKind::named_network);
    CHECK(access[0].network_name == "office");
    CHECK(access[1].network.bits == 128);
    CHECK(access[2].id == 5);
    CHECK(access[3].id == 1001);
    CHECK(access[3].text == "user:git");
    CHECK(access[4].kind == MatchKind::gid);
    CHECK(access[5].id == 50);
    CHECK(access[6].kind == MatchKind::everybody);
    CHECK_FALSE(access[7].allow);
    CHECK(access[7].origin.line == 6);
    check_cases({{"listen = \"tcp:22\"\nallow = \"@office\"",
                         "error: there is no network \"office\" in [networks]\n"},
            {"listen = \"unix:/run/x\"\nallow = \"user:nosuch\"",
                    "error: there is no user \"nosuch\"\n"},
            {"listen = \"unix:/run/x\"\nallow = \"uid:git\"",
                    "error: \"git\" is not a number [write \"user:git\" for a name]\n"},
            {"listen = \"tcp:22\"\ndeny = \"uid:5\"",
                    "error: \"uid:5\" cannot be enforced for [service.s]: only clients of a "
                    "UNIX socket have a user\n"},
            {"listen = \"unix:/run/x\"\nallow = \"10.0.0.1\"",
                    "warning: \"10.0.0.1\" lets nobody in to [service.s]: its clients have no "
                    "address\n"},
            {"listen = \"udp:69\"\nallow = \"10.0.0.1\"", ""},
            {"listen = [\"udp:69\", \"unixgram:/run/x\"]\npass = \"listen_fds\"\n"
             "deny = \"10.0.0.1\"",
                    ""},
            {"listen = [\"udp:69\", \"unixgram:/run/x\"]\npass = \"listen_fds\"\n"
             "allow = \"10.0.0.1\"",
                    "error: \"10.0.0.1\" cannot be enforced for [service.s]: clients of "
                    "unixgram:/run/x have no address\n"},
            {"listen = \"unixgram:/run/x\"\ndeny = \"all\"",
                    "error: \"all\" cannot be enforced for [service.s]: clients of "
                    "unixgram:/run/x have no address\n"},
            {"listen = \"tcp:22\"\nmode = \"worker\"\nmptcp = true\ndeny = \"10.0.0.1\"",
                    "error: \"10.0.0.1\" cannot be enforced for [service.s]: the kernel "
                    "filters no multipath TCP; leave out mptcp\n"},
            {"listen = \"tcp:22\"\nmode = \"worker\"\ndeny = \"uid:5\"",
                    "error: \"uid:5\" cannot be enforced for [service.s]: superd does not see "
                    "a worker's clients\n"},
            {"hours = \"08:00-09:00\"",
                    "error: hours means nothing for a service without listen [leave it out; it "
                    "is "
                    "for: handlers, builtins, redirects]\n"}});
    CHECK(said(resolve_text(service_text(with_tcp("allow = \"host example\""))))
                    .starts_with("error: \"host example\" is not an address, a block or a name "
                                 "[write addresses"));
    CHECK(said(resolve_text(
                  "[networks]\nlan = []\n" + service_text(with_tcp("allow = \"lan\"")))) ==
            "error: \"lan\" is not an address, a block or a name [write \"@lan\" for the "
            "network of that name]\n");
    CHECK(said(resolve_text("[networks]\noffice = []\n" +
                            service_text(with_tcp("allow = \"@offfice\"")))) ==
            "error: there is no network \"offfice\" in [networks] [did you mean "
            "\"@office\"?]\n");
}

TEST_CASE("resolve: hours are days and times") {
    const auto hours = good(with_tcp("hours = [\"Mon..Fri 07:00-19:00\", \"Sat 22:00-04:00\", "
                                     "\"08:30-24:00\", \"Sun..Tue,Thu 1:00-2:00\"]"))
                               .admission.hours;
    REQUIRE(hours.size() == 4);
    CHECK(hours[0].days == 0x1f);
    CHECK(hours[0].from == 7 * 60);
    CHECK(hours[0].to == 19 * 60);
    CHECK(hours[1].days == 0x20);
    CHECK(hours[1].to == 4 * 60);
    CHECK(hours[2].days == 0x7f);
    CHECK(hours[2].to == 24 * 60);
    CHECK(hours[3].days == (0x40 | 0x01 | 0x02 | 0x08));
    for (const char* wrong : {"8-9", "08:00", "25:00-26:00", "08:60-09:00", "Mon",
                 "24:00-01:00", "08:00-24:01"}) {
        INFO(wrong);
        CHECK(said(
                resolve_text(service_text(with_tcp(std::string("hours = \"") + wrong + "\""))))
                        .starts_with("error: \"" + std::string(wrong) +
                                     "\" is not a time of the week"));
    }
    check_cases({{"listen = \"tcp:22\"\nhours = \"Mo 08:00-09:00\"",
                         "error: \"Mo\" is not a day [the days are Mon Tue Wed Thu Fri Sat "
                         "Sun, as in \"Mon..Fri\" or \"Sat,Sun\"]\n"},
            {"listen = \"tcp:22\"\nhours = \"08:00-08:00\"",
                    "error: \"08:00-08:00\" begins when it ends [write \"00:00-24:00\" for a "
                    "whole day]\n"}});
}

TEST_CASE("resolve: directories, outputs and credentials") {
    const ExecPlan exec =
            good("directory = \"/tmp\"\nruntime_directory = \"s\"\nstate_directory = [\"s\", "
                 "\"s/sub\"]\nstderr = \"file:/tmp/x.log\"\nstdout = \"null\"\ncredentials = { "
                 "db = \"/etc/passwd\" }")
                    .exec;
    CHECK(exec.directory == "/tmp");
    CHECK(exec.runtime_directory == std::vector<std::string>{"s"});
    CHECK(exec.state_directory == std::vector<std::string>{"s", "s/sub"});
    CHECK(exec.standard_error == Output{OutputKind::file, "/tmp/x.log"});
    CHECK(exec.standard_output.kind == OutputKind::null);
    CHECK(exec.credentials == std::vector<CredentialPlan>{{"db", "/etc/passwd"}});
    CHECK(good(with_tcp("stderr = \"socket\"")).exec.standard_error.kind == OutputKind::socket);
    check_cases({{"directory = \"tmp\"",
                         "error: directory must be an absolute path [write \"/tmp\" with all "
                         "its folders]\n"},
            {"directory = \"/tmp/../etc\"", "error: directory may not go up with \"..\"\n"},
            {"directory = \"/nonexistent\"",
                    "warning: there is no directory \"/nonexistent\" now\n"},
            {"directory = \"/etc/passwd\"", "warning: \"/etc/passwd\" is not a directory\n"},
            {"runtime_directory = \"/run/s\"",
                    "error: runtime_directory is a name, not a path [write \"s\"]\n"},
            {"runtime_directory = \"../s\"", "error: \"../s\" is not a directory's name\n"},
            {"stderr = \"/tmp/x\"",
                    "error: \"/tmp/x\" is not a value of stderr [write \"file:/tmp/x\"]\n"},
            {"stderr = \"socket\"",
                    "error: stderr = \"socket\" is for handlers: only they have a "
                    "connection\n"},
            {"stdout = \"socket\"",
                    "error: \"socket\" is not a value of stdout [write \"log\", \"pipe\", "
                    "\"null\" or "
                    "\"file:/path\"]\n"},
            {"listen = \"tcp:22\"\nstdout = \"log\"",
                    "error: stdout means nothing for a handler [leave it out; it is for: "
                    "workers, services without listen]\n"},
            {"credentials = { \"a/b\" = \"/etc/passwd\" }",
                    "error: \"a/b\" is not a name for a credential\n"},
            {"credentials = { a = \"/nonexistent\" }",
                    "warning: there is no file \"/nonexistent\" now\n"},
            {"environment = { \"1A\" = \"x\" }",
                    "error: \"1A\" is not the name of a variable\n"},
            {"environment = { A = 1 }",
                    "error: environment.A is text, not an integer [write \"1\"]\n"},
            {"pass_environment = \"A=B\"", "error: \"A=B\" is not the name of a variable\n"},
            {"environment_file = \"/nonexistent\"",
                    "error: \"/nonexistent\" cannot be read: No such file or directory\n"}});
}

TEST_CASE("resolve: listeners take their options") {
    const ServicePlan plan =
            good("listen = [{ address = \"tcp:443\", name = \"web\", backlog = 5, keepalive = "
                 "true, keepalive_time = \"1m\", keepalive_interval = \"10s\", "
                 "keepalive_probes = 3, no_delay = true, defer_accept = \"5s\", send_buffer = "
                 "\"64K\", receive_buffer = 4096, tos = 16, priority = 6, v6only = true, "
                 "reuse_port = true, free_bind = true, fast_open = 5 }, { address = "
                 "\"unix:/run/x\", mode = \"0660\", owner = \"git\", group = \"www\", "
                 "directory_mode = 0o750, remove_on_stop = false, pass_credentials = true }]");
    REQUIRE(plan.listeners.size() == 2);
    const ListenerPlan& web = plan.listeners[0];
    CHECK(web.name == "web");
    CHECK(web.backlog == 5);
    CHECK(web.keepalive);
    CHECK(web.keepalive_time == 60s);
    CHECK(web.keepalive_interval == 10s);
    CHECK(web.keepalive_probes == 3u);
    CHECK(web.no_delay);
    CHECK(web.defer_accept == 5s);
    CHECK(web.send_buffer == 65536u);
    CHECK(web.receive_buffer == 4096u);
    CHECK(web.tos == 16u);
    CHECK(web.priority == 6u);
    CHECK(web.v6only == true);
    CHECK(web.reuse_port);
    CHECK(web.free_bind);
    CHECK(web.fast_open == 5u);
    const ListenerPlan& local = plan.listeners[1];
    CHECK(local.name == "s");
    CHECK(local.mode == 0660);
    CHECK(local.owner == 1001u);
    CHECK(local.group == 33u);
    CHECK(local.directory_mode == 0750);
    CHECK_FALSE(local.remove_on_stop);
    CHECK(local.pass_credentials);
    const ServicePlan group =
            good("listen = { address = \"udp:5000\", join = [\"239.1.2.3\", \"ff02::1%lo\"], "
                 "broadcast = true }");
    CHECK(group.listeners[0].join == std::vector<std::string>{"239.1.2.3", "ff02::1%lo"});
    CHECK(group.listeners[0].broadcast);
}

TEST_CASE("resolve: a service's mode and group are not its listener's") {
    const ServicePlan plan = good(
            "mode = \"worker\"\ngroup = \"staff\"\n[[service.s.listen]]\naddress = "
            "\"unix:/run/x\"\nmode = \"0600\"\ngroup = \"www\"\n[service.s.environment]\nA = "
            "\"exec user =\"\n[defaults]\nuser = \"git\"\n[override.s]\nexec = \"/bin/true\"");
    CHECK(plan.mode == Mode::worker);
    CHECK(plan.exec.identity.gid == 50);
    CHECK(plan.listeners[0].mode == 0600);
    CHECK(plan.listeners[0].group == 33u);
}

TEST_CASE("resolve: options that mean nothing for a listener are errors") {
    check_cases({{"listen = { address = \"unix:/run/x\", no_delay = true }",
                         "error: no_delay means nothing for a UNIX listener [leave it out]\n"},
            {"listen = { address = \"tcp:22\", mode = \"0600\" }",
                    "error: mode means nothing for a TCP listener [leave it out]\n"},
            {"listen = { address = \"unix:@x\", mode = \"0600\" }",
                    "error: mode means nothing for an abstract name [leave it out]\n"},
            {"listen = { address = \"tcp4:22\", v6only = true }",
                    "error: v6only means nothing for an IPv4 address [leave it out]\n"},
            {"listen = { address = \"udp:69\", backlog = 5 }",
                    "error: backlog means nothing for a UDP listener [leave it out]\n"},
            {"listen = { address = \"fifo:/run/x\", send_buffer = 5 }",
                    "error: send_buffer means nothing for a FIFO [leave it out]\n"},
            {"listen = \"unix:/run/x\"\nno_delay = true",
                    "error: no_delay means nothing for a UNIX listener [leave it out]\n"},
            {"listen = { address = \"tcp:22\", adress = 1 }",
                    "error: unknown key \"adress\" in a listener of [service.s] [did you mean "
                    "\"address\"?]\n"},
            {"listen = { address = \"tcp:22\", umask = \"0022\" }",
                    "error: \"umask\" may not stand in a listener of [service.s] [it may stand "
                    "in [defaults], [profile.NAME], [service.NAME], [override.NAME]]\n"},
            {"listen = { address = \"tcp:22\", name = \"a:b\" }",
                    "error: \"a:b\" is not a name for a listener [at most 63 characters, no "
                    "':' and no blank]\n"},
            {"listen = { address = \"udp4:69\", join = \"ff02::1\" }",
                    "error: \"ff02::1\" is of another family than udp4:69\n"},
            {"listen = { address = \"udp4:69\", join = \"10.0.0.1\" }",
                    "error: \"10.0.0.1\" is not a multicast group [groups are 224.0.0.0/4 and "
                    "ff00::/8]\n"},
            {"listen = { address = \"tcp:22\", tos = 256 }",
                    "error: tos is out of range [from 0 to 255]\n"},
            {"listen = { address = \"tcp:22\", interface = \"nosuch0\" }",
                    "warning: there is no interface \"nosuch0\" now; the listener waits for "
                    "it\n"},
            {"listen = { address = \"tcp:22\", congestion = \"nosuch\" }",
                    "warning: the kernel does not offer \"nosuch\" now\n"},
            {"listen = { address = \"tcp:22\", keepalive_time = \"5s\" }",
                    "warning: keepalive_time does nothing without keepalive = true\n"}});
}

TEST_CASE("resolve: two services on one address are an error with both places") {
    const auto pair = [](const std::string& a, const std::string& b,
                              const std::string& more = "") {
        return resolve_text("[defaults]\nuser = \"git\"\n[service.a]\nexec = \"/bin/true\"\n" +
                            more + "listen = \"" + a +
                            "\"\n[service.b]\nexec = \"/bin/true\"\n" + more + "listen = \"" +
                            b + "\"\n")
                .errors();
    };
    CHECK(pair("tcp:22", "tcp:22") ==
            "8:10 error: tcp:22 of [service.b] belongs to [service.a] already [reuse_port = "
            "true on both lets them share it] (also /etc/superd.toml:5)\n");
    CHECK(pair("tcp:22", "tcp4:22") ==
            "8:10 error: tcp4:22 of [service.b] overlaps tcp:22 of [service.a] [reuse_port = "
            "true on both lets them share it] (also /etc/superd.toml:5)\n");

    struct Pair {
        const char *a, *b;
        bool clash;
    };

    const Pair pairs[] = {{"tcp:22", "tcp:0.0.0.0:22", true},
            {"tcp:22", "tcp:192.0.2.1:22", true}, {"tcp:192.0.2.1:22", "tcp:22", true},
            {"tcp:22", "tcp6:22", true}, {"tcp4:22", "tcp6:22", false},
            {"tcp4:22", "tcp:[::1]:22", false}, {"tcp6:22", "tcp:[::1]:22", true},
            {"tcp:[::1]:22", "tcp:[::2]:22", false},
            {"tcp:127.0.0.1:22", "tcp:127.0.0.2:22", false},
            {"tcp:127.0.0.1:22", "tcp:127.0.0.1:22", true}, {"tcp:22", "tcp:ssh", true},
            {"tcp:22", "tcp:23", false}, {"tcp:0", "tcp:0", false}, {"udp:69", "udp4:69", true},
            {"unix:/run/x", "unix:/run/x", true}, {"unix:/run/x", "seqpacket:/run/x", true},
            {"unix:@x", "seqpacket:@x", false}, {"unix:@x", "unix:@x", true},
            {"fifo:/run/x", "unixgram:/run/x", true}, {"vsock:3:1", "vsock:3:1", true},
            {"vsock:3:1", "vsock:3:2", false},
            {"tcp:[fe80::1%lo]:22", "tcp:[fe80::1%lo]:22", true}};
    for (const Pair& one : pairs) {
        INFO(one.a << " and " << one.b);
        CHECK(pair(one.a, one.b, "").empty() == !one.clash);
    }
    CHECK(pair("tcp:22", "tcp4:22", "reuse_port = true\n") == "");
    CHECK(pair("tcp:22", "tcp:22", "enabled = false\n") == "");
    CHECK(resolve_text(service_text("listen = [\"tcp:22\", \"tcp4:22\"]")).errors() ==
            "2:21 error: tcp4:22 of [service.s] overlaps its tcp:22 [reuse_port = true on both "
            "lets them share it] (also /etc/superd.toml:2)\n");
    CHECK(resolve_text("[defaults]\nuser = \"git\"\n[service.a]\nexec = \"/bin/true\"\nlisten "
                       "= \"tcp:22\"\n[service.b]\nexec = \"/bin/true\"\nreuse_port = "
                       "true\nlisten = \"tcp:22\"\n")
                    .errors() != "");
}

TEST_CASE("resolve: [superd] has its defaults and its checks") {
    const Resolved plain = resolve_text("");
    CHECK(plain.text() == "");
    CHECK(plain.plan.daemon.log == std::vector<SinkPlan>{{SinkKind::stderr_text, {}}});
    CHECK(plain.plan.daemon.broken_file == BrokenFile::last_good);
    REQUIRE(plain.plan.daemon.max_processes.value);
    CHECK(*plain.plan.daemon.max_processes.value >= 16);
    const DaemonPlan full = resolve_text(
            "[superd]\nlog = [\"journal\", \"syslog\", \"file:/x\"]\nlog_format = "
            "\"json\"\nadmin_group = \"staff\"\nmax_processes = 2000\nbroken_file = "
            "\"refuse\"\ndump_file = \"/run/x\"\n")
                                    .plan.daemon;
    CHECK(full.log == std::vector<SinkPlan>{{SinkKind::journal, {}}, {SinkKind::syslog, {}},
                              {SinkKind::file, "/x"}});
    CHECK(full.log_format == LogFormat::json);
    CHECK(full.admin_group == "staff");
    CHECK(full.admin_gid == 50u);
    CHECK(full.max_processes.value == 2000u);
    CHECK(full.max_processes.origin.line == 5);
    CHECK(full.broken_file == BrokenFile::refuse);
    CHECK(full.dump_file == "/run/x");
    CHECK(said(resolve_text("[superd]\nlog = \"/var/log/x\"")) ==
            "error: \"/var/log/x\" is not a place for the log [write \"file:/var/log/x\"]\n");
    CHECK(said(resolve_text("[superd]\nadmin_group = \"nosuch\"")) ==
            "error: there is no group \"nosuch\"\n");
    CHECK(said(resolve_text("[superd]\nmax_processes = \"unlimited\"")) ==
            "error: max_processes is a number, not a string\n");
}

TEST_CASE("resolve: a service's log, its sizes and its facts") {
    CHECK(good("listen = \"tcp:22\"").log == ServiceLogPlan{});
    const ServiceLogPlan log =
            good("listen = \"tcp:22\"\nlog = [\"syslog:local4.info\", { file = \"/l\", soft = "
                 "\"1M\", hard = \"2097152\" }, \"syslog:authpriv\"]\nlog_admitted = "
                 "[\"pid\", \"traffic\"]\nlog_refused = []\n")
                    .log;
    SinkPlan syslog{SinkKind::syslog, {}}, file{SinkKind::file, "/l"}, authpriv = syslog;
    syslog.facility = 20;
    syslog.severity = 6;
    authpriv.facility = 10;
    file.soft_size = 1 << 20;
    file.hard_size = 2 << 20;
    CHECK(log.sinks == std::vector<SinkPlan>{syslog, file, authpriv});
    CHECK(log.admitted == (log_pid | log_traffic));
    CHECK(log.refused == 0);
    CHECK(sink_text(syslog) == "syslog:local4.info");
    CHECK(sink_text(authpriv) == "syslog:authpriv");
}

TEST_CASE("resolve: a log file that superd-log rotates") {
    const auto sink = [](const std::string& keys) {
        const auto sinks =
                good("listen = \"tcp:22\"\nlog = { file = \"/l/l\", " + keys + " }\n")
                        .log.sinks;
        REQUIRE(sinks.size() == 1);
        REQUIRE(sinks[0].rotation);
        return *sinks[0].rotation;
    };
    CHECK(sink("rotate_size = \"1M\"") ==
            RotationPlan{1 << 20, std::nullopt, 10, std::nullopt, true});
    CHECK(sink("rotate_age = \"24h\", keep = 0, compress = false") ==
            RotationPlan{10 << 20, std::chrono::hours(24), 0, std::nullopt, false});
    CHECK(sink("keep_size = \"1G\"").keep_size == std::uint64_t{1} << 30);
}

TEST_CASE("resolve: what a log cannot be") {
    const auto service = [](const std::string& lines) {
        return said(
                resolve_text("[service.a]\nuser = \"git\"\nexec = \"/bin/true\"\nlisten = "
                             "\"tcp:22\"\n" +
                             lines));
    };
    CHECK(service("log = \"syslog:local9\"")
                    .starts_with("error: \"syslog:local9\" is not a place for the log"));
    CHECK(service("log = \"syslog:daemon.loud\"")
                    .starts_with("error: \"syslog:daemon.loud\" is not a place for the log"));
    CHECK(service("log = { file = \"/l\", soft = \"2M\", hard = \"1M\" }") ==
            "error: hard is above 0, and soft is not above it\n");
    CHECK(service("log = { soft = \"2M\" }").starts_with("error: the log file has no name"));
    CHECK(service("log = { file = \"/l/l\", soft = \"1M\", keep = 3 }") ==
            "error: a file that is rotated does not fill up: write either soft and hard or "
            "rotate_size\n");
    CHECK(service("log = { file = \"/l/l\", rotate_size = \"4095\" }") ==
            "error: rotate_size is at least 4K\n");
    CHECK(service("log = { file = \"/l/l\", rotate_age = \"999ms\" }") ==
            "error: rotate_age is at least 1s\n");
    CHECK(service("log = { file = \"/l\", rotate_age = \"1h\" }") ==
            "error: a file that is rotated lies in a directory below /\n");
    CHECK(service("log = { file = \"/l/l\", keep = -1 }") ==
            "error: keep is a number of files, 0 to 100000\n");
    CHECK(service("log = { file = \"/l/l\", compress = 1 }").starts_with("error: compress"));
    CHECK(service("log = { file = \"/l\", size = 2 }")
                    .starts_with("error: a log file has no key \"size\""));
    CHECK(service("log_refused = [\"pid\"]") ==
            "error: \"pid\" is not a value of log_refused [write some of \"host\" \"user\" "
            "\"attempt\"]\n");
    CHECK(service("log = { file = \"/l\", hard = \"1M\" }\n[superd]\nlog = \"file:/l\"\n") ==
            "warning: the log file /l of [service.a] has other sizes in [superd]: those "
            "hold\n");
}

TEST_CASE("resolve: ten thousand services are all there, each with its own") {
    std::string text = "[defaults]\nuser = \"git\"\nmax_connections = 7\n";
    for (int i = 0; i < 10000; ++i) {
        const std::string n = std::to_string(i);
        text += "[service.s" + n + "]\nlisten = \"tcp:127.0.0." + std::to_string(1 + i / 5000) +
                ":" + std::to_string(10000 + i % 5000) +
                "\"\nexec = \"/bin/true\"\nmax_per_source = " + std::to_string(1 + i % 9) +
                "\n";
    }
    const Resolved resolved = resolve_text(text);
    CHECK(resolved.text() == "");
    REQUIRE(resolved.plan.services.size() == 10000);
    for (std::size_t i = 1; i < resolved.plan.services.size(); ++i)
        REQUIRE(resolved.plan.services[i - 1]->name < resolved.plan.services[i]->name);
    for (const auto& service : resolved.plan.services) {
        const int number = std::stoi(service->name.substr(1));
        REQUIRE(service->admission.max_connections.value == 7u);
        REQUIRE(service->admission.max_per_source.value ==
                static_cast<std::uint32_t>(1 + number % 9));
        REQUIRE(service->listeners.at(0).port ==
                static_cast<std::uint32_t>(10000 + number % 5000));
    }
}

TEST_CASE("resolve: tcp_wrappers is true, false or a name, and for TCP only") {
    const auto wrappers = [](const std::string& value) {
        return good(with_tcp("tcp_wrappers = " + value)).admission;
    };
    CHECK_FALSE(good(tcp).admission.tcp_wrappers);
    CHECK_FALSE(wrappers("false").tcp_wrappers);
    CHECK(wrappers("true").tcp_wrappers);
    CHECK(wrappers("true").tcp_wrappers_name.empty());
    CHECK(wrappers("true").tcp_wrappers_origin.line == 3);
    CHECK(wrappers("\"in.fingerd\"").tcp_wrappers);
    CHECK(wrappers("\"in.fingerd\"").tcp_wrappers_name == "in.fingerd");
    for (const char* name : {"", "a b", "a:b", "a,b", "a@b"})
        CHECK(said(resolve_text(service_text(
                      with_tcp("tcp_wrappers = \"" + std::string(name) + "\"")))) ==
                "error: \"" + std::string(name) +
                        "\" is not a name for hosts.allow [write true for the program's own "
                        "name]\n");
    check_cases({{"listen = \"unix:/run/x\"\ntcp_wrappers = true",
                         "error: tcp_wrappers cannot be enforced for [service.s]: only TCP "
                         "clients have an address to look for [write tcp_wrappers = false in "
                         "[service.s] to do without]\n"},
            {"listen = \"tcp:22\"\ntcp_wrappers = 1",
                    "error: tcp_wrappers is text, not an integer [write \"1\"]\n"}});
}

TEST_CASE(
        "resolve: a banner is read, one that is missing is a warning, one that is no file an "
        "error") {
    char path[] = "/tmp/superd-banner-XXXXXX";
    const int fd = ::mkostemp(path, O_CLOEXEC);
    REQUIRE(::write(fd, "hello\n", 6) == 6);
    const std::string key = std::string("banner = \"") + path + "\"";
    const BannerPlan banner = good(with_tcp(key)).admission.banner;
    CHECK(banner.path == path);
    CHECK(banner.text == "hello\n");
    REQUIRE(::ftruncate(fd, 65537) == 0);
    CHECK(said(resolve_text(service_text(with_tcp(key)))) ==
            "error: banner \"" + std::string(path) + "\" is larger than 64K\n");
    ::close(fd);
    ::unlink(path);
    const Resolved missing = resolve_text(service_text(with_tcp(key)));
    CHECK(said(missing) == "warning: there is no file \"" + std::string(path) +
                                   "\" now: nothing is sent for banner\n");
    CHECK(missing.service("s")->admission.banner.text.empty());
    CHECK(said(resolve_text(service_text(with_tcp("banner_refused = \"/tmp\""))))
                    .starts_with("error: banner_refused \"/tmp\" "));
}
