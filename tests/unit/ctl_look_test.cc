// SPDX-License-Identifier: MIT
// What superctl's looking verbs print, as text and as JSON, and their exit codes.
#include <nlohmann/json.hpp>

#include "control/ctl.h"
#include "control/names.h"

#include "support/catch.h"
#include "support/control_server.h"
#include "support/sockets.h"

using namespace superd;
using test::Said;

namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

// ssh serves two clients, web is stopped.
struct Fixture : test::ControlFixture {
    Fixture() {
        manager.daemon_status = {.version = "9.8.7",
                .pid = 4711,
                .guard_pid = 4710,
                .since = {},
                .starts = 1,
                .config_path = "/etc/superd.toml",
                .config_state = {}};
        auto& ssh = manager.add("ssh", ServiceState::listening);
        ssh.listeners = {{"ssh", "tcp:0", "listening", "", "tcp:40022", 5}};
        ssh.connections = 2;
        ssh.processes.push_back({.pid = 800,
                .kind = "handler",
                .connection = 0x18f2,
                .peer = test::ip_endpoint("198.51.100.7", 51544),
                .local = test::ip_endpoint("192.0.2.1", 22),
                .user = "alice",
                .since = {}});
        ssh.processes.push_back({.pid = 0,
                .kind = "held",
                .connection = 0x18f3,
                .peer = test::ip_endpoint("2001:db8::7", 4000),
                .local = test::ip_endpoint("2001:db8::1", 22),
                .since = {}});
        auto& web = manager.add("web", ServiceState::stopped);
        web.mode = Mode::worker;
        web.processes.push_back(
                {.pid = 900, .kind = "worker", .peer = {}, .local = {}, .since = {}});
        open();
    }

    Said status(const Words& names, bool json = false, bool quiet = false) {
        return ctl([&] { return ctl_status(globals(json), names, quiet, 0); });
    }
};

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// The keys of an object, "errors services version".
std::string keys_of(const std::string& text) {
    const Json json = Json::parse(text, nullptr, false);
    std::string keys;
    for (const auto& [key, value] : json.items())
        keys += (keys.empty() ? "" : " ") + key;
    return keys;
}

}  // namespace

TEST_CASE(
        "superctl status: without names the daemon's line, a blank one, and a row a service") {
    Fixture f;
    const Said said = f.status({});
    CHECK(said.code == exit_code::ok);
    CHECK(said.err.empty());
    CHECK(said.out.starts_with("superd 9.8.7, pid 4711 (guard 4710)"));
    CHECK(holds(said.out, "\n\nNAME "));
    CHECK(holds(said.out, "\nweb   stopped    900"));
    const auto json = Json::parse(f.status({}, true).out);
    CHECK(json["daemon"]["pid"] == 4711);
    CHECK(json["services"].size() == 2);
    CHECK(json["services"][0]["process_count"] == 1);  // a held connection has no process
    f.manager.services.clear();
    CHECK_FALSE(holds(f.status({}).out, "NAME"));
}

TEST_CASE(
        "superctl status: one name is an object, several or a pattern a list, errors beside") {
    struct Row {
        Words names;
        const char* keys;
        int code;
    };

    const Row rows[] = {{{"ssh"}, "service version", exit_code::ok},
            {{"ssh", "web"}, "services version", exit_code::ok},
            {{"ss?"}, "services version", exit_code::ok},
            {{"ssh", "gone"}, "errors services version", exit_code::no_such_service},
            {{"gone", "ssh"}, "errors services version", exit_code::no_such_service},
            {{"gone"}, "error version", exit_code::no_such_service},
            {{"gone", "lost"}, "errors services version", exit_code::no_such_service},
            {{"x*"}, "error version", exit_code::no_such_service}};
    Fixture f;
    for (const Row& row : rows) {
        const Said said = f.status(row.names, true);
        INFO(row.names[0] << " ... " << said.out);
        CHECK(keys_of(said.out) == row.keys);
        CHECK(said.code == row.code);
        CHECK(f.status(row.names).code == row.code);  // the text form's is the same
    }
}

TEST_CASE("superctl status: as text, services stand apart and errors go to standard error") {
    Fixture f;
    const Said said = f.status({"ssh", "gone", "web"});
    CHECK(said.code == exit_code::no_such_service);
    CHECK(said.out.starts_with("● ssh\n"));
    CHECK(holds(said.out, "\n\n● web\n"));
    CHECK_FALSE(holds(said.out, "gone"));
    CHECK(said.err == "superctl: no service named gone; see superctl list\n");
}

TEST_CASE("superctl status -q: prints nothing, and exits 3 where one of them is down") {
    struct Row {
        ServiceState state;
        int code;
    };

    using enum ServiceState;
    const Row rows[] = {{disabled, 3}, {stopped, 3}, {failed, 3}, {listening, 0}, {running, 0},
            {waiting, 0}, {paused, 0}, {backoff, 0}, {draining, 0}, {starting, 0}};
    Fixture f;
    for (const Row& row : rows) {
        f.manager.services["web"].state = row.state;
        for (const bool json : {false, true}) {
            const Said said = f.status({"web", "ssh"}, json, true);
            INFO(state_name(row.state));
            CHECK(said.code == row.code);
            CHECK(said.out.empty());
            CHECK(said.err.empty());
        }
    }
}

TEST_CASE("superctl list: names a line, those that match, in the order that was asked for") {
    Fixture f;
    const auto list = [&](const Words& names, bool json = false) {
        return f.ctl([&] { return ctl_list(f.globals(json), names); });
    };
    CHECK(list({}).out == "ssh\nweb\n");
    CHECK(list({"web", "s*"}).out == "web\nssh\n");
    CHECK(list({"[st]*"}).out == "ssh\n");
    const Said gone = list({"ssh", "gone"});
    CHECK(gone.code == exit_code::no_such_service);
    CHECK(gone.out.empty());
    CHECK(gone.err == "superctl: no service named gone; see superctl list\n");
    CHECK(Json::parse(list({"web"}, true).out)["services"][0]["name"] == "web");
    CHECK(Json::parse(list({"gone"}, true).out)["error"]["code"] == 4);
}

TEST_CASE("superctl show: one name is an object, several or a pattern a list") {
    Fixture f;
    const auto show = [&](const Words& names, bool json, bool effective) {
        return f.ctl([&] { return ctl_show(f.globals(json), names, effective); });
    };
    CHECK(keys_of(show({"ssh"}, true, false).out) == "plan version");
    CHECK(keys_of(show({"ssh", "web"}, true, false).out) == "plans version");
    CHECK(keys_of(show({"ssh", "gone"}, true, false).out) == "errors plans version");
    CHECK(keys_of(show({"gone"}, true, false).out) == "error version");
    // A script that asks for a pattern gets a list whatever happens to match.
    CHECK(keys_of(show({"ss*"}, true, false).out) == "plans version");
    const Said text = show({"ssh"}, false, false);
    CHECK(holds(text.out, "name = \"ssh\"\n"));
    CHECK_FALSE(holds(text.out, "refuse_text"));  // not set
    CHECK(holds(show({"ssh"}, false, true).out, "refuse_text = \"\"\n"));
    CHECK(show({"gone"}, false, false).code == exit_code::no_such_service);
}

TEST_CASE("superctl why: sentences as text, always a list as JSON") {
    Fixture f;
    const auto why = [&](const Words& names, bool json) {
        return f.ctl([&] { return ctl_why(f.globals(json), names); });
    };
    CHECK(why({"ssh"}, false).out == "ssh is as it is\nbecause a test says so\n");
    const auto one = Json::parse(why({"ssh"}, true).out);
    CHECK(one["services"][0]["service"] == "ssh");
    CHECK(one["services"][0]["why"] == "ssh is as it is\nbecause a test says so");
    const Said some = why({"gone", "web"}, true);
    CHECK(some.code == exit_code::no_such_service);
    CHECK(Json::parse(some.out)["errors"][0]["code"] == 4);
    CHECK(Json::parse(some.out)["services"].size() == 1);
}

TEST_CASE("superctl sockets: the port that the kernel chose stands in place of 0") {
    Fixture f;
    const auto sockets = [&](const Words& names, bool json) {
        return f.ctl([&] { return ctl_sockets(f.globals(json), names); });
    };
    CHECK(sockets({}, false).out ==
            "SERVICE  ADDRESS    STATE      NAME  DETAIL\n"
            "ssh      tcp:40022  listening  ssh   -\n");
    const auto json = Json::parse(sockets({}, true).out)["sockets"];
    REQUIRE(json.size() == 1);
    CHECK(json[0]["service"] == "ssh");
    CHECK(json[0]["address"] == "tcp:0");
    CHECK(json[0]["bound"] == "tcp:40022");
    CHECK(Json::parse(sockets({"web"}, true).out)["sockets"].empty());
    CHECK(sockets({"gone"}, false).code == exit_code::no_such_service);
}

TEST_CASE("superctl connections: what handlers serve and who waits; a worker's are not known") {
    Fixture f;
    const auto connections = [&](const Words& names, bool json) {
        return f.ctl([&] { return ctl_connections(f.globals(json), names); });
    };
    const Said text = connections({}, false);
    CHECK(holds(text.out, "18f2        ssh      800   "));
    CHECK(holds(text.out, "alice@198.51.100.7:51544"));
    CHECK(holds(text.out, "18f3        ssh      held  "));
    CHECK(holds(text.out, "[2001:db8::7]:4000"));
    CHECK_FALSE(holds(text.out, "900"));
    const auto json = Json::parse(connections({"*"}, true).out)["connections"];
    REQUIRE(json.size() == 2);
    CHECK(json[0]["service"] == "ssh");
    CHECK(json[0]["user"] == "alice");
    CHECK(json[1]["kind"] == "held");
}

TEST_CASE("superctl explain: who asks is an address, a uid or a user of this host") {
    Fixture f;
    f.manager.explanation = {false, "hours", "/etc/superd.toml:9", "it is night"};
    const auto explain = [&](const std::string& name, const std::string& from,
                                 const std::string& at, bool json) {
        return f.ctl([&] { return ctl_explain(f.globals(json), name, from, at); });
    };
    const Said text = explain("ssh", "198.51.100.7", "", false);
    CHECK(text.code == exit_code::ok);  // a refusal is an answer
    CHECK(text.out ==
            "ssh from 198.51.100.7: refused, hours\nit is night\n"
            "decided at /etc/superd.toml:9\n");
    const auto json = Json::parse(explain("ssh", "user:root", "2026-11-23T18:30Z", true).out);
    CHECK(json["explanation"]["at"] == "2026-11-23T18:30:00.000Z");
    REQUIRE(f.manager.explained.size() == 2);
    CHECK(f.manager.explained[1].peer.family == Family::unix);
    CHECK(f.manager.explained[1].peer.uid == 0);
    CHECK_FALSE(f.manager.explained[1].groups.empty());  // its own at least

    struct Row {
        const char *name, *from, *at;
        int code;
        const char* says;
    };

    const Row wrong[] = {
            {"ssh", "user:no-such-user-here", "", exit_code::usage, "there is no user"},
            {"ssh", "198.51.100.7", "25:00", exit_code::usage, "25:00 is not a time"},
            {"ssh", "example.org", "", exit_code::usage, "example.org is not a peer"},
            {"gone", "198.51.100.7", "", exit_code::no_such_service, "no service named gone"}};
    for (const Row& row : wrong) {
        const Said said = explain(row.name, row.from, row.at, false);
        INFO(said.err);
        CHECK(said.code == row.code);
        CHECK(said.out.empty());
        CHECK(holds(said.err, row.says));
        const auto error = Json::parse(explain(row.name, row.from, row.at, true).out)["error"];
        CHECK(error["code"] == row.code);
    }
}

TEST_CASE("superctl version: both versions, and its own where no daemon answers") {
    Fixture f;
    const auto version = [&](const CtlGlobals& globals) {
        return f.ctl([&] { return ctl_version(globals); });
    };
    CHECK(holds(version(f.globals()).out, "\nsuperd 9.8.7, pid 4711\n"));
    CHECK(Json::parse(version(f.globals(true)).out)["superd"] == "9.8.7");
    CtlGlobals nobody = f.globals();
    nobody.socket = f.folder.path + "/nobody";
    const Said alone = version(nobody);
    CHECK(alone.code == exit_code::unreachable);
    CHECK(alone.out.starts_with("superctl "));
}

TEST_CASE("superctl: every verb that asks exits 7 where nobody answers") {
    const test::TemporaryFolder folder;
    const CtlGlobals text{.default_file = "", .socket = folder.path + "/nobody"};
    CtlGlobals json = text;
    json.json = true;
    const Words ssh{"ssh"};
    const std::pair<const char*, std::function<int(const CtlGlobals&)>> verbs[] = {
            {"status",
                    [](const CtlGlobals& g) {
                        return ctl_status(g, {}, false, 0);
                    }},
            {"status ssh",
                    [&](const CtlGlobals& g) {
                        return ctl_status(g, ssh, false, 0);
                    }},
            {"list",
                    [](const CtlGlobals& g) {
                        return ctl_list(g, {});
                    }},
            {"show",
                    [&](const CtlGlobals& g) {
                        return ctl_show(g, ssh, false);
                    }},
            {"why",
                    [&](const CtlGlobals& g) {
                        return ctl_why(g, ssh);
                    }},
            {"sockets",
                    [](const CtlGlobals& g) {
                        return ctl_sockets(g, {});
                    }},
            {"connections",
                    [](const CtlGlobals& g) {
                        return ctl_connections(g, {});
                    }},
            {"explain",
                    [](const CtlGlobals& g) {
                        return ctl_explain(g, "ssh", "uid:0", "");
                    }},
            {"start",
                    [&](const CtlGlobals& g) {
                        return ctl_act(g, "Start", ssh);
                    }},
            {"kill",
                    [&](const CtlGlobals& g) {
                        return ctl_kill(g, ssh, "TERM", "");
                    }},
            {"wait",
                    [&](const CtlGlobals& g) {
                        return ctl_wait(g, ssh, "ready");
                    }},
            {"reload-config",
                    [](const CtlGlobals& g) {
                        return ctl_reload(g, false);
                    }},
            {"reopen-logs",
                    [](const CtlGlobals& g) {
                        return ctl_reopen_logs(g);
                    }},
            {"deny",
                    [](const CtlGlobals& g) {
                        return ctl_deny(g, {});
                    }},
            {"logs",
                    [&](const CtlGlobals& g) {
                        return ctl_logs(g, ssh, 5, false);
                    }},
    };
    for (const auto& [name, verb] : verbs) {
        INFO(name);
        const Said said = test::said_by([&, run = verb] { return run(text); });
        CHECK(said.code == exit_code::unreachable);
        CHECK(said.out.empty());
        CHECK(holds(said.err, folder.path));
        const Said object = test::said_by([&, run = verb] { return run(json); });
        CHECK(object.err.empty());
        CHECK(Json::parse(object.out)["error"]["code"] == exit_code::unreachable);
    }
}
