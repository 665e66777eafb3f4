// SPDX-License-Identifier: MIT
// rpc and mdns, from text to plan.
#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;

namespace {

std::string service(const std::string& name, const std::string& lines) {
    return "[service." + name + "]\nexec = \"/bin/true\"\nuser = \"git\"\n" + lines;
}

ServicePlan good(const std::string& lines) {
    const Resolved resolved = resolve_text(service("s", lines), true);
    INFO(lines);
    CHECK(resolved.text() == "");
    REQUIRE(resolved.service("s") != nullptr);
    return *resolved.service("s");
}

std::string wrong(const std::string& lines) {
    return resolve_text(service("s", lines), true).text();
}

bool says(const std::string& text, const char* what) {
    INFO(text);
    return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("resolve: rpc takes a name or a number, and one version or a range") {
    struct Case {
        const char* text;
        std::uint32_t program, low, high;
    };

    for (const Case& one : {Case{R"({ program = "rstatd", versions = "1-3" })", 100001, 1, 3},
                 Case{R"({ program = "rusersd", versions = "2" })", 100002, 2, 2},
                 Case{R"({ program = 300019, versions = 2 })", 300019, 2, 2},
                 Case{R"({ program = 4294967295, versions = "0-99" })", 4294967295u, 0, 99}}) {
        const ServicePlan plan =
                good("listen = \"udp:0\"\nrpc = " + std::string(one.text) + "\n");
        REQUIRE(plan.rpc);
        const RpcPlan& rpc = *plan.rpc;
        CHECK(rpc.program == one.program);
        CHECK(rpc.low == one.low);
        CHECK(rpc.high == one.high);
    }
    CHECK_FALSE(good("listen = \"udp:0\"\n").rpc);
}

TEST_CASE("resolve: what is no RPC program is an error at its place") {
    const auto with = [](const std::string& rpc) {
        return wrong("listen = \"udp:0\"\nrpc = " + rpc + "\n");
    };
    CHECK(says(with(R"({ program = "rstad", versions = 1 })"),
            "5:19 error: there is no RPC program \"rstad\" in /etc/rpc [did you mean "
            "\"rstatd\"?]"));
    CHECK(says(with(R"({ program = "unlike", versions = 1 })"), "[write its number]"));
    CHECK(says(with(R"({ program = 0, versions = 1 })"), "program is a name of /etc/rpc"));
    CHECK(says(with(R"({ program = -1, versions = 1 })"), "program is a name of /etc/rpc"));
    CHECK(says(with(R"({ program = 1 })"), "rpc has no versions"));
    CHECK(says(with(R"({ versions = 1 })"), "rpc has no program"));
    CHECK(says(with(R"({ program = 1, version = 1 })"), "did you mean \"versions\"?"));
    for (const char* versions : {R"("3-1")", R"("1-")", R"("-1")", R"("a")", "true", "-1"})
        CHECK(says(with(std::string("{ program = 1, versions = ") + versions + " }"),
                "versions is a number or a range"));
    CHECK(says(with(R"({ program = 1, versions = "1-101" })"), "at most 100 versions"));
    CHECK(says(with("\"rstatd\""), "rpc is a table"));
}

TEST_CASE("resolve: rpc needs something that can be registered") {
    const char* rpc = "rpc = { program = 1, versions = 1 }\n";
    CHECK(says(wrong(std::string("listen = \"unix:/run/x\"\n") + rpc),
            "rpc registers tcp and udp listeners, and [service.s] has none"));
    CHECK(says(wrong(rpc), "rpc means nothing for a service without listen"));
    CHECK(good(std::string("listen = [\"unix:/run/x\", \"tcp:0\"]\n") + rpc).rpc);
}

TEST_CASE("resolve: two services that register the same are an error showing both") {
    const auto both = [](const char* first, const char* second) {
        return resolve_text(service("a", std::string("listen = \"udp:0\"\nrpc = ") + first) +
                                    "\n" + service("b", second),
                true)
                .text();
    };
    const char* rpc = R"({ program = 7, versions = "1-2" })";
    const std::string clash =
            both(rpc, "listen = \"udp:0\"\nrpc = { program = 7, versions = 2 }\n");
    CHECK(says(clash, "version 2 of program 7 over udp belongs to [service.a] already"));
    CHECK(says(clash, ":5)"));
    CHECK(both(rpc, "listen = \"tcp:0\"\nrpc = { program = 7, versions = 2 }\n") == "");
    const char* v6 = "listen = \"udp6:0\"\nrpc = { program = 7, versions = 2 }\n";
    CHECK(says(both(rpc, v6), "over udp6 belongs"));
    CHECK(resolve_text(service("a", std::string("listen = \"udp4:0\"\nrpc = ") + rpc) + "\n" +
                               service("b", v6),
                  true)
                    .text() == "");
    CHECK(both(rpc, "listen = \"udp:0\"\nrpc = { program = 7, versions = 3 }\n") == "");
    CHECK(both(rpc,
                  "listen = \"udp:0\"\nenabled = false\nrpc = { program = 7, versions = 2 "
                  "}\n") == "");
}

TEST_CASE("resolve: mdns = true takes the type from the port, else from the service") {
    const auto type = [](const std::string& lines) {
        const ServicePlan plan = good(lines + "mdns = true\n");
        REQUIRE(plan.mdns);
        const MdnsPlan& mdns = *plan.mdns;
        CHECK(mdns.name.empty());
        CHECK(mdns.txt.empty());
        return mdns.type;
    };
    CHECK(type("listen = \"tcp:22\"\n") == "_ssh");
    CHECK(type("listen = [\"unix:/run/x\", \"tcp:4000\", \"tcp:22\"]\n") == "_ssh");
    CHECK(type("listen = \"tcp:4000\"\n") == "_s");
    CHECK_FALSE(good("listen = \"tcp:22\"\nmdns = false\n").mdns);
    CHECK_FALSE(good("listen = \"tcp:22\"\n").mdns);
}

TEST_CASE("resolve: mdns says type, name and texts") {
    const ServicePlan plan =
            good("listen = \"tcp:80\"\nmdns = { type = \"_http._tcp\", name = \"L\u00e4dchen "
                 "1\", txt = "
                 "[\"path=/\", \"flag\"] }\n");
    REQUIRE(plan.mdns);
    const MdnsPlan& mdns = *plan.mdns;
    CHECK(mdns.type == "_http._tcp");
    CHECK(mdns.name == "L\u00e4dchen 1");
    CHECK(mdns.txt == std::vector<std::string>{"path=/", "flag"});
    CHECK(good("listen = \"tcp:80\"\nmdns = { txt = \"a=1\" }\n").mdns->txt.size() == 1);
}

TEST_CASE("resolve: what multicast DNS cannot say is an error at its place") {
    const auto with = [](const std::string& mdns) {
        return wrong("listen = \"tcp:80\"\nmdns = " + mdns + "\n");
    };
    for (const char* type : {"http", "_", "_http.", "_http._sctp", "_-x._tcp", "_a--b._tcp",
                 "_0123456789abcdef._tcp", "_1._tcp", "_h\u00e4._tcp"})
        CHECK(says(
                with(std::string("{ type = \"") + type + "\" }"), "is not a type of service"));
    CHECK(says(with("{ type = \"http\" }"), "5:17 error: "));
    CHECK(says(with("{ name = \"\" }"), "name has 1 to 63 bytes"));
    CHECK(says(with("{ name = \"" + std::string(64, 'x') + "\" }"), "name has 1 to 63 bytes"));
    CHECK(says(with("{ name = \"a\\nb\" }"), "name has 1 to 63 bytes"));
    CHECK(says(with("{ txt = [\"=x\"] }"), "\"=x\" is not KEY=VALUE"));
    CHECK(says(with("{ txt = [\"a=" + std::string(254, 'x') + "\"] }"), "is not KEY=VALUE"));
    std::string many = "{ txt = [";
    for (int i = 0; i < 65; ++i)
        many += "\"a=1\", ";
    CHECK(says(with(many + "] }"), "txt has at most 64 texts"));
    CHECK(says(with("{ typ = \"_http._tcp\" }"), "did you mean \"type\"?"));
    CHECK(says(with("\"_http._tcp\""), "mdns is true, false or a table"));
    CHECK(says(resolve_text(service("a_b", "listen = \"tcp:80\"\nmdns = true\n"), true).text(),
            "\"a_b\" cannot be the type of a service"));
    CHECK(says(wrong("listen = \"unix:/run/x\"\nmdns = true\n"),
            "mdns announces tcp and udp listeners, and [service.s] has none"));
}

TEST_CASE("resolve: what nobody could reach is announced with a warning") {
    const char* text = "listen = \"tcp:127.0.0.1:80\"\nmdns = { type = \"_http._tcp\" }\n";
    CHECK(says(wrong(text), "warning: no listener of [service.s] can be announced"));
    CHECK(says(wrong("listen = \"udp:80\"\nmdns = { type = \"_http._tcp\" }\n"), "warning: "));
}
