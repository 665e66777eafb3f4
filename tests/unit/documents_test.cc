// SPDX-License-Identifier: MIT
// The documents of the control object, and what they look like to people: every mode, every
// state of a listener, and documents of a superd that says other things.
#include "control/documents.h"

#include <nlohmann/json.hpp>

#include "control/render.h"

#include "support/catch.h"
#include "support/fake_manager.h"
#include "support/sockets.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

using Json = nlohmann::json;

const RenderStyle plain{.colour = false, .now = Wall(1'800'000'000s)};

struct Bench {
    FakeManager manager;

    // A service of that mode that has just been added.
    ServiceStatus& add(Mode mode, Start start = Start::demand) {
        ServiceStatus& service = manager.add("s", ServiceState::listening);
        service.mode = mode;
        service.since = plain.now - 90s;
        const_cast<ServicePlan&>(*manager.the_plan.services.front()).start = start;
        return service;
    }

    [[nodiscard]] Json json() const {
        return Json::parse(
                service_document(manager.services.at("s"), manager.the_plan))["service"];
    }

    [[nodiscard]] std::string text() const { return render_service(json(), plain); }

    [[nodiscard]] std::string overview() const {
        OverviewDocument document(manager);
        while (document.add_next()) {
        }
        return render_overview(Json::parse(document.take())["services"], plain);
    }
};

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE(
        "documents: each mode and start has its word, connections count where superd sees "
        "them") {
    struct Row {
        Mode mode;
        Start start;
        const char *mode_word, *start_word, *counts;
        bool connections;
    };

    const Row rows[] = {{Mode::handler, Start::demand, "handler", "demand",
                                "   Processes: 7 started", true},
            {Mode::worker, Start::boot, "worker", "boot", "   Processes: 7 started", false},
            {Mode::daemon, Start::manual, "daemon", "manual", "   Processes: 7 started", false},
            {Mode::builtin, Start::demand, "builtin", "demand", "     Relayed: 7 started",
                    true},
            {Mode::redirect, Start::demand, "redirect", "demand", "     Relayed: 7 started",
                    true}};
    for (const Row& row : rows) {
        Bench bench;
        ServiceStatus& service = bench.add(row.mode, row.start);
        service.started = 7;
        service.connections = 2;
        INFO(row.mode_word << "\n" << bench.text());
        CHECK(bench.json()["mode"] == row.mode_word);
        CHECK(bench.json()["start"] == row.start_word);
        const std::string said = row.start == Start::manual ? "started by hand"
                                 : row.start == Start::boot ? "start at boot"
                                                            : "start on demand";
        CHECK(holds(bench.text(),
                std::string("        Mode: ") + row.mode_word + ", " + said + "\n"));
        CHECK(holds(bench.text(), row.counts));
        CHECK(holds(bench.text(), "2/200 now") == row.connections);
        CHECK(holds(bench.overview(), "2/200") == row.connections);
    }
}

TEST_CASE("documents: who is relayed or held has no process, who is served has one") {
    Bench bench;
    ServiceStatus& service = bench.add(Mode::handler);
    service.processes = {{.pid = 0,
                                 .kind = "held",
                                 .connection = 0xa1,
                                 .peer = test::ip_endpoint("192.0.2.1", 1000),
                                 .local = test::ip_endpoint("192.0.2.2", 22),
                                 .since = plain.now - 5s},
            {.pid = 31,
                    .kind = "handler",
                    .connection = 0xa2,
                    .peer = test::ip_endpoint("2001:db8::1", 1001),
                    .local = test::ip_endpoint("2001:db8::2", 22),
                    .since = plain.now - 60s},
            {.pid = 0,
                    .kind = "relayed",
                    .connection = 0xa3,
                    .peer = test::ip_endpoint("192.0.2.3", 1002),
                    .local = test::ip_endpoint("192.0.2.2", 22),
                    .since = plain.now - 2h}};
    const std::string text = bench.text();
    CHECK(holds(text, "pid 31 handler, 1m, connection a2 from [2001:db8::1]:1001\n"));
    CHECK(holds(text, "connection a3 from 192.0.2.3:1002, 2h\n"));
    CHECK(holds(bench.overview(), "s     listening  31   "));  // one process, not three
    const std::string table = render_connections({bench.json()}, plain);
    CHECK(holds(table, "a1          s        held     "));
    CHECK(holds(table, "a3          s        relayed  "));
}

TEST_CASE("documents: counters, announcements and ends stand where there are any") {
    Bench bench;
    ServiceStatus& service = bench.add(Mode::worker);
    CHECK_FALSE(holds(bench.text(), "could not be started"));
    CHECK_FALSE(holds(bench.text(), "Last"));
    service.started = 3;
    service.exited = 2;
    service.failed = 1;
    service.dropped_datagrams = 1;
    service.last_exit = "status 3";
    service.last_failure = "exec /x: No such file or directory";
    service.announcements = {{"mdns", "announced", "announced as \"The shop\""},
            {"rpc", "refused", "refused by rpcbind: taken"}};
    const std::string text = bench.text();
    CHECK(holds(
            text, "3 started, 2 ended, 1 could not be started, 1 datagram dropped unread\n"));
    CHECK(holds(text, "   Last exit: status 3\n"));
    CHECK(holds(text, "Last failure: exec /x: No such file or directory\n"));
    CHECK(holds(text, "        mdns: announced as \"The shop\"\n"));
    CHECK(holds(text, "         rpc: refused by rpcbind: taken\n"));
    service.dropped_datagrams = 2;
    service.log_lines = 1;
    service.log_lost = 7;
    CHECK(holds(bench.text(), "2 datagrams dropped unread, 1 line logged, 7 lost\n"));
    CHECK(bench.json()["log_lines"] == 1);
    CHECK(bench.json()["log_lost"] == 7);
    CHECK(bench.json()["announcements"][1]["state"] == "refused");
}

TEST_CASE("documents: what a service's processes take together") {
    Bench bench;
    ServiceStatus& service = bench.add(Mode::daemon);
    CHECK_FALSE(holds(bench.text(), "Usage"));
    CHECK_FALSE(bench.json().contains("usage"));
    service.usage = GroupUsage{std::chrono::milliseconds(1250), {}, {}, {}, {}, {}};
    CHECK(holds(bench.text(), "Usage: 1.25 s of processor\n"));
    service.usage->memory = 3 << 20;
    service.usage->tasks = 1;
    service.usage->processor_pressure = 0.0;
    service.usage->io_pressure = 12.5;
    CHECK(holds(bench.text(),
            "Usage: 1.25 s of processor, 3M of memory, 1 task, 12.50% waiting for io\n"));
    const auto usage = bench.json()["usage"];
    CHECK(usage["processor_seconds"] == 1.25);
    CHECK(usage["memory"] == 3 << 20);
    CHECK(usage["pressure"]["memory"] == nullptr);
    CHECK(usage["pressure"]["io"] == 12.5);
}

TEST_CASE("documents: a service that is gone when its turn comes is left out") {
    FakeManager manager;
    manager.add("a", ServiceState::listening);
    manager.add("b", ServiceState::running);
    manager.add("c", ServiceState::running);
    OverviewDocument document(manager);
    manager.services.erase("b");
    while (document.add_next()) {
    }
    const auto services = Json::parse(document.take())["services"];
    REQUIRE(services.size() == 2);
    CHECK(services[1]["name"] == "c");
    // What the plan no longer has is without what only the plan says.
    manager.the_plan.services.clear();
    const auto alone = Json::parse(service_document(manager.services["a"], manager.the_plan));
    CHECK_FALSE(alone["service"].contains("start"));
    CHECK(alone["service"]["connections"]["max"].is_null());
}

TEST_CASE("documents: each change of a reload has its word, what stays has none") {
    ReloadReport report;
    report.changes = {{"a", Change::added, {}, false}, {"b", Change::in_place, {"nice"}, true},
            {"c", Change::keep, {}, false}, {"d", Change::rebind, {"listen"}, false},
            {"e", Change::removed, {}, false}};
    std::string words;
    const Json document = Json::parse(reload_document(report));
    for (const auto& change : document["reload"]["changes"])
        words += change["change"].get<std::string>() + " ";
    CHECK(words == "added in_place rebind removed ");
}

TEST_CASE("documents: an address is asked about without a port, unless one was given") {
    const auto from = [](const Endpoint& peer) {
        return Json::parse(
                explanation_document("s", peer, plain.now, {}))["explanation"]["from"]
                .get<std::string>();
    };
    CHECK(from(test::ip_endpoint("2001:db8::1", 0)) == "2001:db8::1");
    CHECK(from(test::ip_endpoint("2001:db8::1", 80)) == "[2001:db8::1]:80");
    Endpoint peer;
    peer.family = Family::unix;
    peer.uid = 7;
    CHECK(from(peer) == "uid:7");
}

TEST_CASE("render: a document whose fields are of other types is shown, never a crash") {
    for (const char* text : {"null", "[]", "{}", "7", "\"x\"",
                 R"({"name":[],"state":3,"since":{},"listeners":7,"processes":"x","refused":[1],
                     "connections":null,"mode":"handler","announcements":[null,{}]})",
                 R"({"listeners":[{"address":7,"bound":[]}],"processes":[{"connection":{}}]})",
                 R"({"changes":[{"change":1,"service":null,"keys":[3,null],"restart":"yes"}]})",
                 R"({"config":[],"services":{"listening":"many"},"max_processes":-1})",
                 R"({"admitted":"yes","service":{},"from":[],"text":7})"}) {
        INFO(text);
        const Json json = Json::parse(text);
        CHECK_NOTHROW(render_service(json, plain));
        CHECK_NOTHROW(render_daemon(json, plain));
        CHECK_NOTHROW(render_reload(json, false));
        CHECK_NOTHROW(render_explanation(json));
        CHECK_NOTHROW(render_connections({json}, plain));
        const Json list = Json::array({json});
        CHECK_NOTHROW(render_overview(list, plain));
        CHECK_NOTHROW(render_sockets(list, plain));
        CHECK_NOTHROW(
                render_denials(nlohmann::ordered_json::array({nlohmann::ordered_json(json)})));
    }
    CHECK_FALSE(holds(render_explanation(Json::parse(R"({"admitted":"yes"})")), "let in"));
}

TEST_CASE("render: what others have said does not move the cursor, whatever field it came in") {
    const std::string evil = "a\x1b[2Jb\nc";
    const Json service{{"name", evil}, {"state", evil}, {"detail", evil}, {"description", evil},
            {"last_exit", evil}, {"defined_at", evil}, {"since", evil}, {"mode", "handler"},
            {"listeners",
                    {{{"address", evil}, {"state", evil}, {"detail", evil}, {"name", evil}}}},
            {"processes", {{{"pid", 5}, {"kind", evil}, {"connection", evil}, {"peer", evil},
                                  {"user", evil}, {"local", evil}}}},
            {"refused", {{evil, 3}}}, {"announcements", {{{"how", evil}, {"text", evil}}}}};
    for (const std::string& text :
            {render_service(service, plain), render_overview(Json::array({service}), plain),
                    render_sockets(Json::array({service}), plain),
                    render_connections({service}, plain)}) {
        INFO(text);
        CHECK_FALSE(holds(text, "\x1b"));
        CHECK_FALSE(holds(text, "b\nc"));
        CHECK(holds(text, "a\\x1b[2Jb"));
    }
    const Json change{{"changes", {{{"service", evil}, {"change", evil}, {"keys", {evil}}}}}};
    CHECK_FALSE(holds(render_reload(change, true), "\x1b"));
}
