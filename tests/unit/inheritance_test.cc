// SPDX-License-Identifier: MIT
#include <chrono>

#include "config/inherit.h"

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;
using namespace std::chrono_literals;

namespace {

const std::string program = "exec = \"/bin/true\"\n";
const std::string user = "[defaults]\nuser = \"git\"\n";

std::vector<std::string> rules(const ServicePlan& plan, bool allow) {
    std::vector<std::string> texts;
    for (const AccessRule& rule : plan.admission.access)
        if (rule.allow == allow) texts.push_back(rule.text);
    return texts;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("inheritance: each layer overrides the one before") {
    const Resolved resolved = resolve_text(
            user +
            "nice = 1\nmax_connections = 10\nstop_timeout = \"1s\"\numask = \"0001\"\n"
            "[profile.p]\nmax_connections = 20\nstop_timeout = \"2s\"\numask = \"0002\"\n"
            "[service.s]\nlisten = \"tcp:22\"\nprofile = \"p\"\nstop_timeout = \"3s\"\numask = "
            "\"0003\"\n" +
            program + "[override.s]\numask = \"0004\"\n");
    CHECK(resolved.text() == "");
    const ServicePlan& plan = *resolved.service("s");
    CHECK(plan.exec.nice == 1);
    CHECK(plan.admission.max_connections.value == 20u);
    CHECK(plan.admission.max_connections.origin.line == 8);
    CHECK(plan.stop_timeout == 3s);
    CHECK(plan.exec.umask == 4u);
    CHECK(plan.admission.max_per_source.value == 20u);
    CHECK(plan.admission.max_per_source.origin.line == 0);
}

TEST_CASE("inheritance: a list replaces the inherited one, or edits it") {
    const std::string base =
            user +
            "allow = [\"10.0.0.0/8\", \"192.0.2.1\"]\n[service.s]\nlisten = \"tcp:22\"\n" +
            program;
    const auto allow = [&](const std::string& more) {
        const Resolved resolved = resolve_text(base + more);
        CHECK(resolved.errors() == "");
        return rules(*resolved.service("s"), true);
    };
    CHECK(allow("") == Texts{"10.0.0.0/8", "192.0.2.1"});
    CHECK(allow("allow = \"192.0.2.9\"\n") == Texts{"192.0.2.9"});
    CHECK(allow("allow = []\n").empty());
    CHECK(allow("allow = { add = [\"192.0.2.9\"] }\n") ==
            Texts{"10.0.0.0/8", "192.0.2.1", "192.0.2.9"});
    CHECK(allow("allow = { remove = [\"192.0.2.1\"], add = \"192.0.2.9\" }\n") ==
            Texts{"10.0.0.0/8", "192.0.2.9"});
    CHECK(allow("[override.s]\nallow = { remove = \"10.0.0.0/8\" }\n") == Texts{"192.0.2.1"});
    CHECK(resolve_text(base + "allow = { remove = [\"192.0.2.8\"] }\n").text() ==
            "7:21 warning: \"192.0.2.8\" is not in the inherited list, so it is not removed\n");
}

TEST_CASE("inheritance: an edit that leaves no rule does not open the service") {
    const Resolved resolved =
            resolve_text(user + "allow = \"192.0.2.1\"\n[service.s]\nlisten = \"tcp:22\"\n" +
                         program + "allow = { remove = \"192.0.2.1\" }\n");
    CHECK(resolved.errors() ==
            "7:1 error: nothing is left of allow, which would let everybody in [write allow = "
            "[] where that is meant]\n");
}

TEST_CASE("inheritance: listeners can be added and removed by an override") {
    const Resolved resolved = resolve_text(
            user +
            "[service.s]\nlisten = [\"tcp:22\", { address = \"tcp:23\", backlog = 5 }]\n" +
            program + "[override.s]\nlisten = { remove = \"tcp:23\", add = [\"tcp:24\"] }\n");
    CHECK(resolved.text() == "");
    const auto& listeners = resolved.service("s")->listeners;
    REQUIRE(listeners.size() == 2);
    CHECK(listeners[0].address == "tcp:22");
    CHECK(listeners[1].address == "tcp:24");
}

TEST_CASE("inheritance: tables merge key by key") {
    const Resolved resolved =
            resolve_text(user +
                         "environment = { A = \"1\", B = \"2\" }\nrlimits = { nofile = 5, "
                         "nproc = 6 }\nrate = { limit = \"50/s\", pause = \"5s\" }\n"
                         "[service.s]\nlisten = \"tcp:22\"\nenvironment = { B = \"3\", C = "
                         "\"4\" }\nrlimits.nofile = 7\nrate = { burst = 9 }\n" +
                         program);
    CHECK(resolved.text() == "");
    const ServicePlan& plan = *resolved.service("s");
    CHECK(plan.exec.environment ==
            std::vector<Variable>{{"A", "1", false}, {"B", "3", false}, {"C", "4", false}});
    REQUIRE(plan.exec.rlimits.size() == 2);
    CHECK(plan.exec.rlimits[0].soft == 7);
    CHECK(plan.exec.rlimits[1].soft == 6);
    REQUIRE(plan.admission.rate);
    CHECK(plan.admission.rate->limit.count == 50);
    CHECK(plan.admission.rate->burst == 9);
    CHECK(plan.admission.rate->pause == 5s);
}

TEST_CASE("inheritance: a rate as text replaces a table, and unlimited takes it away") {
    const std::string base =
            user +
            "rate = { limit = \"50/s\", pause = \"5s\" }\n[service.s]\nlisten = \"tcp:22\"\n" +
            program;
    CHECK(resolve_text(base + "rate = \"6/s\"\n").service("s")->admission.rate->pause == 0s);
    CHECK_FALSE(resolve_text(base + "rate = \"unlimited\"\n").service("s")->admission.rate);
}

TEST_CASE("inheritance: a number that means nothing is skipped and recorded") {
    const Resolved resolved =
            resolve_text(user +
                         "max_per_source = 5\nrate_per_source = \"6/s\"\nno_delay = "
                         "true\nstart = \"boot\"\n[service.d]\n" +
                         program + "[service.w]\nlisten = \"udp:69\"\n" + program +
                         "[service.h]\nlisten = \"tcp:22\"\n" + program);
    CHECK(resolved.text() == "");
    const auto skipped = [&](const char* name) {
        std::string keys;
        for (const SkippedOption& one : resolved.service(name)->skipped)
            keys += one.key + " ";
        return keys;
    };
    CHECK(skipped("d") == "max_per_source rate_per_source no_delay ");
    CHECK(skipped("w") == "max_per_source rate_per_source no_delay ");
    CHECK(skipped("h") == "start ");
    const SkippedOption& first = resolved.service("d")->skipped.front();
    CHECK(first.reason == "means nothing for a service without listen");
    CHECK(resolved.plan.where(first.origin) == "/etc/superd.toml:3");
    CHECK_FALSE(resolved.service("w")->admission.max_per_source.value);
}

TEST_CASE(
        "inheritance: an access rule that cannot be enforced is an error wherever it was "
        "written") {
    const std::string base =
            user + "tcp_wrappers = true\n[service.s]\nlisten = \"udp:69\"\n" + program;
    CHECK(resolve_text(base).errors() ==
            "3:1 error: tcp_wrappers cannot be enforced for [service.s]: superd does not see a "
            "worker's clients [write tcp_wrappers = false in [service.s] to do without]\n");
    CHECK(resolve_text(base + "tcp_wrappers = false\n").errors() == "");
    CHECK(resolve_text(user +
                       "[profile.p]\nhours = \"08:00-09:00\"\n[service.s]\nprofile = "
                       "\"p\"\nlisten = \"udp:69\"\n" +
                       program)
                    .errors() ==
            "4:1 error: hours cannot be enforced for [service.s]: superd does not see a "
            "worker's clients [write hours = [] in [service.s] to do without]\n");
}

TEST_CASE("inheritance: an access rule means nothing for a service that has no clients") {
    const Resolved resolved =
            resolve_text(user + "deny = \"192.0.2.1\"\n[service.s]\n" + program);
    CHECK(resolved.text() == "");
    REQUIRE(resolved.service("s")->skipped.size() == 1);
    CHECK(resolved.service("s")->skipped[0].key == "deny");
    CHECK(resolved.service("s")->admission.access.empty());
}

TEST_CASE("inheritance: what a service is may not be inherited") {
    CHECK(resolve_text("[defaults]\nlisten = \"tcp:22\"\nexec = \"/bin/true\"\n").errors() ==
            "2:1 error: \"listen\" may not stand in [defaults] [it may stand in "
            "[service.NAME], [override.NAME]]\n"
            "3:1 error: \"exec\" may not stand in [defaults] [it may stand in [service.NAME], "
            "[override.NAME]]\n");
    CHECK(resolve_text("[profile.p]\nmode = \"worker\"\nprofile = \"q\"\n").errors() ==
            "2:1 error: \"mode\" may not stand in [profile.p] [it may stand in [service.NAME], "
            "[override.NAME]]\n"
            "3:1 error: \"profile\" may not stand in [profile.p] [it may stand in "
            "[service.NAME], [override.NAME]]\n");
    CHECK(resolve_text("[superd]\nuser = \"git\"\n").errors() ==
            "2:1 error: \"user\" may not stand in [superd] [it may stand in [defaults], "
            "[profile.NAME], [service.NAME], [override.NAME]]\n");
}

TEST_CASE("inheritance: profiles are found by name") {
    CHECK(resolve_text(user + "[profile.inside]\n[service.s]\nprofile = \"insde\"\n" + program)
                    .errors() ==
            "5:11 error: there is no [profile.insde] [did you mean \"inside\"?]\n");
}

TEST_CASE(
        "inheritance: a mistake that nobody takes is found, and one that many take is said "
        "once") {
    CHECK(resolve_text("[defaults]\nnice = 99\n[profile.p]\nhours = \"x\"\nallow = "
                       "\"@nosuch\"\nrlimits = { foo = 1 }\nrate = 5\nenvironment = { A = 1 "
                       "}\ncredentials = { a = \"x\" }\n")
                    .errors() ==
            "2:8 error: nice is out of range [from -20 to 19]\n"
            "4:9 error: \"x\" is not a time of the week [write \"08:00-18:00\" or \"Mon..Fri "
            "07:00-19:00\"]\n"
            "5:9 error: there is no network \"nosuch\" in [networks]\n"
            "6:13 error: \"foo\" is not a resource limit [they are as core cpu data fsize "
            "locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack]\n"
            "7:8 error: rate is so many in a period [write \"5/s\"]\n"
            "8:21 error: environment.A is text, not an integer [write \"1\"]\n"
            "9:21 error: credentials.a must be an absolute path [write \"/x\" with all its "
            "folders]\n");
    CHECK(resolve_text(user + "nice = 99\n[service.a]\n" + program + "[service.b]\n" + program)
                    .errors() == "3:8 error: nice is out of range [from -20 to 19]\n");
    CHECK(resolve_text(user + "[service.a]\nnice = 99\n" + program + "[override.a]\nnice = 5\n")
                    .errors() == "4:8 error: nice is out of range [from -20 to 19]\n");
}

TEST_CASE("written: unknown tables and keys say what was probably meant") {
    struct Case {
        const char *text, *said;
    };

    const Case cases[] = {
            {"[servce.x]\n", "1:2 error: unknown table [servce] [did you mean [service]?]\n"},
            {"[zzz]\n", "1:2 error: unknown table [zzz]\n"},
            {"user = \"git\"\n",
                    "1:1 error: \"user\" stands outside of a table [write it below "
                    "[service.NAME] or [defaults]]\n"},
            {"dump_file = \"/x\"\n",
                    "1:1 error: \"dump_file\" stands outside of a table [write it below "
                    "[superd]]\n"},
            {"service = 5\n", "1:1 error: [service.NAME] is a table, not an integer\n"},
            {"[service]\nexec = \"/bin/true\"\n",
                    "2:1 error: \"exec\" stands in [service] itself [write the name in the "
                    "header: [service.NAME]]\n"},
            {"[service.\"a b\"]\nexec = \"/bin/true\"\nuser = \"git\"\n",
                    "1:10 error: \"a b\" is not a name for a service [names have letters, "
                    "digits, '_' and '-']\n"},
            {"[defaults]\nnicee = 5\n",
                    "2:1 error: unknown key \"nicee\" in [defaults] [did you mean "
                    "\"nice\"?]\n"},
            {"[defaults]\nreplicas = 5\n",
                    "2:1 error: \"replicas\" may not stand in [defaults] [it may stand in "
                    "[service.NAME], [override.NAME]]\n"},
            {"[defaults]\nonly_from = \"x\"\n",
                    "2:1 error: \"only_from\" is a word of xinetd [write allow = "
                    "[\"192.0.2.0/24\", \"2001:db8::/32\"]]\n"},
            {"[defaults]\nExecStart = \"x\"\n",
                    "2:1 error: \"ExecStart\" is a word of systemd [write exec = "
                    "[\"/path/of/program\", \"its\", \"arguments\"]]\n"},
            {"[networks]\na = []\n[override.nosuch]\n",
                    "3:11 warning: [override.nosuch] changes nothing: there is no service of "
                    "that name\n"}};
    for (const Case& one : cases) {
        INFO(one.text);
        CHECK(resolve_text(one.text).text() == one.said);
    }
}

TEST_CASE("written: a name defined twice over files is an error with both places") {
    const std::string service = "[service.a]\nuser = \"git\"\n" + program;
    CHECK(resolve_files({{"/etc/superd.toml", service}, {"/etc/superd.d/x.toml", service}})
                    .errors() ==
            "1:10 error: [service.a] is defined twice [to change a service of another file "
            "write [override.a]] (also /etc/superd.toml:1)\n");
    CHECK(resolve_files({{"/etc/superd.toml", "[networks]\na = []\n[profile.p]\n"},
                                {"/x", "[networks]\na = []\n[profile.p]\n"}})
                    .errors() ==
            "2:1 error: network \"a\" is defined twice (also /etc/superd.toml:2)\n"
            "3:10 error: [profile.p] is defined twice (also /etc/superd.toml:3)\n");
    CHECK(resolve_files({{"/etc/superd.toml", ""}, {"/x", "[superd]\n[defaults]\n"}})
                    .errors() ==
            "1:2 error: [superd] may stand only in the main file [move it to "
            "/etc/superd.toml]\n"
            "2:2 error: [defaults] may stand only in the main file [move it to "
            "/etc/superd.toml]\n");
}

TEST_CASE("written: a wrong name and a taken one hide no other mistake of their table") {
    CHECK(resolve_text("[networks]\n\"a b\" = \"192.0.2.0/99\"\n"
                       "[service.\"a b\"]\nnicee = 1\nexec = 3\nuser = \"git\"\n")
                    .text() ==
            "2:1 error: \"a b\" is not a name for a network [names have letters, digits, '_' "
            "and '-']\n"
            "2:9 error: \"192.0.2.0/99\": after the slash stands a number from 0 to 32\n"
            "3:10 error: \"a b\" is not a name for a service [names have letters, digits, '_' "
            "and '-']\n"
            "4:1 error: unknown key \"nicee\" in [service.a b] [did you mean \"nice\"?]\n"
            "5:8 error: exec is text, not an integer [write \"3\"]\n");
    const std::string service = "[service.a]\nuser = \"git\"\n" + program;
    CHECK(resolve_files(
                  {{"/etc/superd.toml", service},
                          {"/x", "[service.a]\nnice = 99\nnicee = 1\n[superd]\nlogg = 1\n"}})
                    .errors() ==
            "1:10 error: [service.a] is defined twice [to change a service of another file "
            "write [override.a]] (also /etc/superd.toml:1)\n"
            "2:8 error: nice is out of range [from -20 to 19]\n"
            "3:1 error: unknown key \"nicee\" in [service.a] [did you mean \"nice\"?]\n"
            "4:2 error: [superd] may stand only in the main file [move it to "
            "/etc/superd.toml]\n"
            "5:1 error: unknown key \"logg\" in [superd] [did you mean \"log\"?]\n");
}

TEST_CASE("written: overrides of several files count in the order read") {
    const Resolved resolved = resolve_files(
            {{"/etc/superd.toml", "[service.a]\nuser = \"git\"\n" + program +
                                          "[override.a]\nnice = 1\numask = \"0001\"\n"},
                    {"/x", "[override.a]\nnice = 2\nenabled = false\n"},
                    {"/y", "[override.a]\nenabled = true\n"}});
    CHECK(resolved.text() == "");
    CHECK(resolved.service("a")->exec.nice == 2);
    CHECK(resolved.service("a")->exec.umask == 1u);
    CHECK(resolved.service("a")->enabled);
}

TEST_CASE("written: a diagnostic carries its source line") {
    const Resolved resolved = resolve_text("[defaults]\nnice = 99\n");
    REQUIRE(resolved.diagnostics.all().size() == 1);
    CHECK(resolved.diagnostics.all()[0].source_line == "nice = 99");
}
