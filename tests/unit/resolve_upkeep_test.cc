// SPDX-License-Identifier: MIT
// idle_stop and its like, from text to plan.
#include <chrono>

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;
using namespace std::chrono_literals;

namespace {

Resolved resolve(const std::string& body, const std::string& before = {}) {
    return resolve_text(
            before + "[service.s]\nexec = \"/bin/true\"\nuser = \"git\"\n" + body, true);
}

UpkeepPlan good(const std::string& body, const std::string& before = {}) {
    const Resolved resolved = resolve(body, before);
    INFO(body);
    CHECK(resolved.text() == "");
    const ServicePlan* const plan = resolved.service("s");
    if (plan == nullptr) FAIL("there is no service");
    return plan != nullptr ? plan->upkeep : UpkeepPlan{};
}

bool refuses(const std::string& body, const char* what) {
    const std::string text = resolve(body).text();
    INFO(text);
    return text.find(what) != std::string::npos;
}

constexpr const char* worker = "mode = \"worker\"\n";

std::string listening(const std::string& addresses) {
    return "listen = " + addresses + '\n' + worker;
}

}  // namespace

TEST_CASE("resolve: idle_stop is for workers of streams") {
    CHECK_FALSE(good(listening("\"tcp:1\"")).idle_stop);
    for (const char* address : {"\"tcp:1\"", "\"unix:/run/x\"", "\"seqpacket:/run/x\"",
                 "[\"tcp:1\", \"unix:@x\"]"})
        CHECK(good(listening(address) + "idle_stop = \"30s\"\n").idle_stop == 30s);
    CHECK_FALSE(good(listening("\"tcp:1\"") + "idle_stop = \"unlimited\"\n").idle_stop);
    CHECK(refuses(listening("\"tcp:1\"") + "idle_stop = \"10ms\"\n", "out of range"));
    CHECK(refuses(
            "idle_stop = \"30s\"\n", "idle_stop means nothing for a service without listen"));
    CHECK(refuses("listen = \"tcp:1\"\nidle_stop = \"30s\"\n",
            "idle_stop means nothing for a handler"));
}

TEST_CASE("resolve: idle_stop that the kernel cannot tell is an error") {
    for (const char* address : {"\"udp:1\"", "\"unixgram:/run/x\"", "\"fifo:/run/x\"",
                 "\"vsock:1:7\"", "\"mqueue:/x\"", "\"netlink:route:1\"",
                 "[\"tcp:1\", \"udp:1\"]", "{ address = \"tcp:1\", mptcp = true }"}) {
        INFO(address);
        CHECK(refuses(
                listening(address) + "idle_stop = \"30s\"\n", "idle_stop cannot be kept"));
    }
}

TEST_CASE("resolve: an inherited idle_stop that cannot be kept is skipped") {
    const Resolved inherited =
            resolve(listening("\"udp:1\""), "[defaults]\nidle_stop = \"5m\"\n");
    CHECK(inherited.text() == "");
    const ServicePlan* const plan = inherited.service("s");
    REQUIRE(plan != nullptr);
    CHECK_FALSE(plan->upkeep.idle_stop);
    REQUIRE(plan->skipped.size() == 1);
    CHECK(plan->skipped[0].key == "idle_stop");
    CHECK(good(listening("\"tcp:1\""), "[defaults]\nidle_stop = \"5m\"\n").idle_stop == 5min);
}

TEST_CASE("resolve: max_age and max_requests are for what does not end by itself") {
    CHECK(good("max_age = \"1h\"\n").max_age == 1h);
    CHECK_FALSE(good("max_age = \"unlimited\"\n").max_age);
    CHECK(refuses("at = \"03:30\"\nmax_age = \"1h\"\n", "max_age cannot be kept"));
    CHECK(refuses("ready = \"exit\"\nmax_age = \"1h\"\n", "max_age cannot be kept"));
    CHECK(good("max_requests = 100\n").max_requests == 100);
    CHECK_FALSE(good("max_requests = \"unlimited\"\n").max_requests);
    CHECK(refuses("listen = \"tcp:1\"\nmax_requests = 5\n", "means nothing for a handler"));
}

TEST_CASE("resolve: who is to be counted has to be heard") {
    const Resolved heard = resolve("max_requests = 100\n");
    const ServicePlan* const plan = heard.service("s");
    REQUIRE(plan != nullptr);
    CHECK(plan->life.notify_access == NotifyAccess::main);
    CHECK(refuses("max_requests = 100\nnotify_access = \"none\"\n",
            "max_requests cannot be kept: with notify_access"));
    CHECK(good("max_requests = 100\nnotify_access = \"all\"\n").max_requests == 100);
}

TEST_CASE("resolve: a health check of each kind") {
    const HealthPlan tcp = good("health = { tcp = \"127.0.0.1:80\" }\n").health;
    CHECK(tcp.kind == HealthKind::tcp);
    CHECK(tcp.address == "tcp:127.0.0.1:80");
    CHECK(tcp.action == HealthAction::restart);
    CHECK((tcp.failures == 3 && tcp.successes == 1));
    CHECK((tcp.every == 10s && tcp.timeout == 5s && tcp.start_delay == 0s));
    const HealthPlan local =
            good("health = { unix = \"/run/x\", action = \"take-out\", successes = 2 }\n")
                    .health;
    CHECK(local.kind == HealthKind::local);
    CHECK(local.address == "unix:/run/x");
    CHECK(local.action == HealthAction::take_out);
    CHECK(local.successes == 2);
    const HealthPlan http = good("health = { http = \"http://localhost/ok?a=b\" }\n").health;
    CHECK(http.address == "tcp:127.0.0.1:80");
    CHECK((http.host == "localhost" && http.target == "/ok?a=b"));
    CHECK(good("health = { http = \"http://[::1]:8080\" }\n").health.address ==
            "tcp:[::1]:8080");
    const HealthPlan exec =
            good("health = { exec = \"/bin/true x\", every = \"1m\" }\n").health;
    CHECK(exec.command == Command{"/bin/true", "x"});
    CHECK(exec.every == 1min);
}

TEST_CASE("resolve: a health check that cannot be made is an error") {
    CHECK(refuses("health = \"tcp\"\n", "health is a table"));
    CHECK(refuses("health = { every = \"5s\" }\n", "health asks nothing"));
    CHECK(refuses("health = { tcp = \"80\", unix = \"/run/x\" }\n", "of one kind"));
    CHECK(refuses("health = { tcp = \"127.0.0.1:0\" }\n", "cannot be connected to"));
    CHECK(refuses("health = { http = \"https://127.0.0.1/\" }\n", "over HTTP"));
    CHECK(refuses("health = { http = \"http://127.0.0.1/a b\" }\n", "over HTTP"));
    CHECK(refuses("health = { tcp = \"80\", every = \"1s\" }\n", "timeout is longer"));
    CHECK(refuses("health = { tcp = \"80\", failures = 0 }\n", "from 1 to 1000"));
    CHECK(refuses("health = { tcp = \"80\", action = \"kill\" }\n", "take-out"));
    CHECK(refuses("health = { tcp = \"80\", foo = 1 }\n", "health has no \"foo\""));
    CHECK(refuses("every = \"5m\"\nhealth = { tcp = \"80\" }\n", "health cannot be kept"));
    CHECK(refuses("listen = \"tcp:1\"\nhealth = { tcp = \"80\" }\n",
            "health means nothing for a handler"));
}
