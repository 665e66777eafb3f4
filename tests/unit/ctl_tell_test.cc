// SPDX-License-Identifier: MIT
// superctl's verbs that change something, and wait: what reaches the engine, and what is said.
#include <nlohmann/json.hpp>

#include "control/ctl.h"
#include "control/documents.h"
#include "control/names.h"

#include "support/catch.h"
#include "support/control_server.h"

using namespace superd;
using test::Said;

namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

struct Fixture : test::ControlFixture {
    Fixture() {
        manager.add("ssh", ServiceState::listening);
        manager.add("web", ServiceState::stopped);
        open();
    }

    Said deny(const DenyWords& words, bool json = false) {
        return ctl([&] { return ctl_deny(globals(json), words); });
    }

    Said reload(bool dry_run, bool json = false, bool brief = false) {
        return ctl([&] { return ctl_reload(globals(json), dry_run, brief); });
    }
};

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("superctl start: all names are tried, and the last failure is the exit code") {
    Fixture f;
    f.manager.outcome = {0, "it is there"};
    const auto start = [&](const Words& names, bool json) {
        return f.ctl([&] { return ctl_act(f.globals(json), "Start", names); });
    };
    const Said said = start({"ssh", "gone", "web"}, false);
    CHECK(said.code == exit_code::no_such_service);
    CHECK(said.out == "ssh: it is there\nweb: it is there\n");
    CHECK(said.err == "superctl: no service named gone\n");
    CHECK(f.manager.asked == Words{"start ssh", "start gone", "start web"});
    const auto results = Json::parse(start({"*"}, true).out)["results"];
    REQUIRE(results.size() == 2);
    CHECK(results[1]["service"] == "web");
    CHECK(results[1]["code"] == 0);
    CHECK(results[1]["message"] == "it is there");
    // A pattern that matches nothing asks the engine for nothing.
    f.manager.asked.clear();
    CHECK(start({"ssh", "x*"}, false).code == exit_code::no_such_service);
    CHECK(f.manager.asked.empty());
}

TEST_CASE("superctl kill: signals by name and number, connections in hexadecimal") {
    struct Row {
        const char *signal, *connection;
        const char* asked;  // empty: wrong usage, and nothing reaches the engine
    };

    const Row rows[] = {{"TERM", "", "kill 15 0 ssh"}, {"SIGUSR1", "", "kill 10 0 ssh"},
            {"64", "", "kill 64 0 ssh"}, {"HUP", "18f2", "kill 1 6386 ssh"},
            {"HUP", "18F2", "kill 1 6386 ssh"},
            {"KILL", "ffffffffffffffff", "kill 9 18446744073709551615 ssh"}, {"0", "", ""},
            {"65", "", ""}, {"term", "", ""}, {"-1", "", ""}, {"", "", ""}, {"TERM", "0", ""},
            {"TERM", "x", ""}, {"TERM", "18f2 ", ""}, {"TERM", " 18f2", ""}, {"TERM", "-1", ""},
            {"TERM", "+1", ""}, {"TERM", "0x18f2", ""}, {"TERM", "10000000000000000", ""}};
    Fixture f;
    for (const Row& row : rows) {
        f.manager.asked.clear();
        const Said said = f.ctl(
                [&] { return ctl_kill(f.globals(), {"ssh"}, row.signal, row.connection); });
        INFO(row.signal << " " << row.connection << ": " << said.err);
        const bool good = *row.asked != '\0';
        CHECK(said.code == (good ? exit_code::ok : exit_code::usage));
        CHECK(f.manager.asked == (good ? Words{row.asked} : Words{}));
        CHECK(said.err.empty() == good);
    }
}

TEST_CASE("superctl wait: reached, hopeless, out of time, and no such word") {
    struct Row {
        const char *name, *what;
        int code;
        const char* says;
    };

    const Row rows[] = {{"ssh", "ready", exit_code::ok, ""},
            {"web", "stopped", exit_code::ok, ""},
            {"web", "ready", exit_code::failed,
                    "web is not ready and will not be by itself: it is stopped"},
            {"ssh", "stopped", exit_code::timeout, "ssh is not stopped in time"},
            {"ssh", "listning", exit_code::usage, "wait for ready"},
            {"gone", "ready", exit_code::no_such_service, "no service named gone"}};
    Fixture f;
    for (const Row& row : rows) {
        CtlGlobals globals = f.globals();
        if (row.code == exit_code::timeout) globals.timeout = std::chrono::milliseconds(20);
        const Said said = f.ctl([&] { return ctl_wait(globals, {row.name}, row.what); });
        INFO(row.name << " " << row.what << ": " << said.err);
        CHECK(said.code == row.code);
        CHECK(holds(said.err, row.says));
    }
}

TEST_CASE("superctl reload-config: changes are told, and applied or only looked at") {
    Fixture f;
    f.manager.report.message = "1 service changed";
    f.manager.report.changes = {{"ssh", Change::rebind, {"listen"}, false}};
    const Said dry = f.reload(true);
    CHECK(dry.code == exit_code::ok);
    CHECK(dry.out ==
            "~ ssh: listen (listeners are opened anew)\n"
            "apply with superctl reload-config\n");
    const Said applied = f.reload(false);
    CHECK(applied.out ==
            "~ ssh: listen (listeners are opened anew)\nreloaded: 1 service changed\n");
    CHECK(f.reload(false, false, true).out == "reloaded: 1 service changed\n");
    f.manager.report.changes.clear();
    CHECK(f.reload(false).out == "nothing changes\n");
    CHECK(f.manager.asked[0] == "reload-config --dry-run");
}

TEST_CASE("superctl reload-config: a refused file shows each mistake with both its places") {
    Fixture f;
    auto& report = f.manager.report;
    report.code = exit_code::failed;
    report.message = "the file has errors; nothing was changed";
    report.diagnostics.add(
            {Severity::error, {"/etc/superd.d/b.toml", 1, 2}, "service ssh is defined twice",
                    "use [override.ssh]", "[service.ssh]", {"/etc/superd.toml", 7, 1}});
    report.diagnostics.warning({"/etc/superd.toml", 9, 1}, "no such program");
    const Said said = f.reload(false, false, true);
    CHECK(said.code == exit_code::failed);
    CHECK(said.err ==
            "/etc/superd.d/b.toml:1:2: error: service ssh is defined twice\n"
            "    [service.ssh]\n     ^\n    use [override.ssh]\n"
            "/etc/superd.toml:7:1: note: the other place is here\n"
            "/etc/superd.toml:9:1: warning: no such program\n"
            "superctl: the file has errors; nothing was changed\n");
    report.message = "/etc/superd.d/b.toml:1: service ssh is defined twice";
    const std::string again = f.reload(false).err;
    CHECK(again.ends_with(
            "\nsuperctl: nothing was changed: superd goes on with what it has\n"));
    report.message = "the file has errors; nothing was changed";
    const Said object = f.reload(false, true);
    CHECK(object.code == exit_code::failed);
    const auto json = Json::parse(object.out)["reload"];
    CHECK(json["code"] == 1);
    CHECK(json["diagnostics"][0]["other"]["line"] == 7);
    CHECK_FALSE(json["diagnostics"][1].contains("other"));
}

TEST_CASE("superctl: a diagnostic goes through its document unharmed; a strange one is empty") {
    const Diagnostic all{
            Severity::warning, {"f", 3, 4}, "said", "do this", "line", {"g", 5, 6}};
    const Diagnostic read = read_diagnostic(diagnostic_json(all));
    CHECK(render(read) == render(all));
    CHECK(read.other.column == 6);
    for (const char* text : {"null", "[]", "{}", "7", R"({"file":3,"line":-1,"message":[]})",
                 R"({"line":"9","other":[],"severity":{}})", R"({"other":{"file":null}})"}) {
        INFO(text);
        const Diagnostic empty = read_diagnostic(nlohmann::ordered_json::parse(text));
        CHECK(render(empty) == "error: \n");
    }
}

TEST_CASE("superctl deny: words that contradict each other are wrong usage, and do nothing") {
    const DenyWords wrong[] = {{.clear = true},
            {.address = "192.0.2.1", .clear = true, .all = true}, {.all = true},
            {.address = "192.0.2.1", .all = true},
            {.address = "192.0.2.1", .length = "1h", .forever = true}, {.length = "1h"},
            {.reason = "x"}, {.forever = true}, {.address = "192.0.2.1", .length = "10"},
            {.address = "192.0.2.1", .length = "0s"}, {.address = "192.0.2.1", .length = "-1s"},
            {.address = "192.0.2.1", .length = "1h", .clear = true},
            {.address = "192.0.2.1", .reason = "x", .clear = true},
            {.forever = true, .clear = true, .all = true}, {.address = "192.0.2.0/24"},
            {.address = "example.org"}, {.address = "uid:5"}};
    Fixture f;
    for (const DenyWords& words : wrong) {
        INFO(words.address << " " << words.length << " " << words.reason);
        const Said said = f.deny(words);
        CHECK(said.code == exit_code::usage);
        CHECK(said.out.empty());
        CHECK(said.err.starts_with("superctl: "));
        CHECK(f.manager.asked.empty());
    }
}

TEST_CASE("superctl deny: an hour unless said otherwise, rounded up to seconds, for good") {
    struct Row {
        DenyWords words;
        const char* asked;
    };

    const Row rows[] = {{{.address = "192.0.2.1"}, "deny 192.0.2.1 3600s superctl "},
            {{.address = "192.0.2.1", .length = "1ms"}, "deny 192.0.2.1 1s superctl "},
            {{.address = "192.0.2.1", .length = "1500ms", .reason = "noisy"},
                    "deny 192.0.2.1 2s superctl noisy"},
            {{.address = "192.0.2.1", .forever = true}, "deny 192.0.2.1 forever superctl "},
            {{.address = "::ffff:192.0.2.1"}, "deny 192.0.2.1 3600s superctl "},
            {{.address = "2001:db8::5"}, "deny 2001:db8::/64 3600s superctl "},
            {{.address = "192.0.2.1", .clear = true}, "allow 192.0.2.1"},
            {{.clear = true, .all = true}, "allow all"}};
    Fixture f;
    f.manager.outcome = {0, "done"};
    for (const Row& row : rows) {
        f.manager.asked.clear();
        const Said said = f.deny(row.words);
        INFO(row.asked << said.err);
        CHECK(said.code == exit_code::ok);
        CHECK(said.out == "done\n");
        REQUIRE(f.manager.asked.size() == 1);
        CHECK(f.manager.asked[0].starts_with(row.asked));
    }
    CHECK(Json::parse(f.deny({.address = "192.0.2.1"}, true).out)["message"] == "done");
}

TEST_CASE("superctl deny: without an address those in force are listed") {
    Fixture f;
    CHECK(f.deny({}).out == "nobody is denied\n");
    f.manager.denied = {{*parse_source("192.0.2.1"), 1'800'000'000, 1'800'003'600, "trap", ""},
            {*parse_source("2001:db8::1"), 1'800'000'001, 0, "superctl", "a\x1b[2Jb"}};
    const Said said = f.deny({});
    CHECK(said.out ==
            "ADDRESS        SINCE                     UNTIL                     BY        "
            "REASON\n"
            "192.0.2.1      2027-01-15T08:00:00.000Z  2027-01-15T09:00:00.000Z  trap      -\n"
            "2001:db8::/64  2027-01-15T08:00:01.000Z  for good                  superctl  "
            "a\\x1b[2Jb\n");
    const auto json = Json::parse(f.deny({}, true).out)["denied"];
    CHECK(json[0]["until"] == "2027-01-15T09:00:00.000Z");
    CHECK(json[1]["until"] == "");
}
