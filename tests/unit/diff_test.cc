// SPDX-License-Identifier: MIT
#include "config/diff.h"

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;

namespace {

const std::string user = "[defaults]\nuser = \"git\"\n";

Plan plan_of(const std::string& text) {
    const Resolved resolved = resolve_text(user + text);
    INFO(text);
    REQUIRE(resolved.errors() == "");
    return resolved.plan;
}

std::string words(const ServiceDiff& diff) {
    constexpr const char* changes[] = {"keep", "in_place", "rebind", "added", "removed"};
    std::string text = changes[static_cast<unsigned>(diff.change)];
    for (const std::string& key : diff.keys)
        text += " " + key;
    return diff.restart ? text + " (restart)" : text;
}

// What a change of one service's body does.
std::string change(const std::string& from, const std::string& to) {
    const std::string head = "[service.s]\nexec = \"/bin/true\"\n";
    const auto diffs = diff_plans(plan_of(head + from + "\n"), plan_of(head + to + "\n"));
    REQUIRE(diffs.size() == 1);
    return words(diffs[0]);
}

}  // namespace

TEST_CASE("diff: services come by name, added and removed among them") {
    const std::string a = "[service.a]\nexec = \"/bin/true\"\n",
                      b = "[service.b]\nexec = \"/bin/true\"\n",
                      c = "[service.c]\nexec = \"/bin/true\"\n";
    const auto diffs = diff_plans(plan_of(b + a), plan_of("nice = 1\n" + b + c));
    REQUIRE(diffs.size() == 3);
    CHECK(diffs[0].name == "a");
    CHECK(words(diffs[0]) == "removed");
    CHECK(diffs[1].name == "b");
    CHECK(words(diffs[1]) == "in_place nice (restart)");
    CHECK(words(diffs[2]) == "added");
    CHECK(diff_plans(Plan{}, Plan{}).empty());
}

TEST_CASE("diff: where a thing was written does not count") {
    CHECK(change("listen = \"tcp:22\"\nallow = \"10.0.0.1\"\nrate = \"5/s\"",
                  "\n\nrate = \"5/s\"\nallow = \"10.0.0.1\"\nlisten = \"tcp:22\"") == "keep");
}

TEST_CASE("diff: what changed, and what it takes") {
    struct Case {
        const char *from, *to, *words;
    };

    const Case cases[] = {{"listen = \"tcp:22\"", "listen = \"tcp:22\"\nmax_connections = 5",
                                  "in_place max_connections"},
            {"listen = \"tcp:22\"", "listen = \"tcp:22\"\nallow = \"10.0.0.1\"",
                    "in_place allow"},
            {"listen = \"tcp:22\"", "listen = \"tcp:22\"\ndeny = \"10.0.0.1\"",
                    "in_place deny"},
            {"listen = \"tcp:22\"", "listen = \"tcp:22\"\nhours = \"08:00-09:00\"",
                    "in_place hours"},
            {"listen = \"tcp:22\"", "listen = \"tcp:22\"\nmax_load = 4", "in_place max_load"},
            {"listen = \"tcp:22\"", "listen = \"tcp:22\"\nuser = \"nobody\"",
                    "in_place user group groups"},
            {"listen = \"tcp:22\"", "listen = \"tcp:22\"\nionice = \"idle\"",
                    "in_place ionice"},
            {"listen = \"tcp:22\"", "listen = \"tcp:22\"\nenvironment = { A = \"b\" }",
                    "in_place environment"},
            {"listen = \"tcp:22\"", "listen = \"tcp:22\"\nbacklog = 5", "in_place backlog"},
            {"listen = \"tcp:22\"", "listen = \"tcp:22\"\nenabled = false", "in_place enabled"},
            {"listen = \"tcp:22\"", "listen = \"tcp:23\"", "rebind listen"},
            {"listen = \"tcp:22\"", "listen = \"tcp4:22\"", "rebind listen"},
            {"listen = \"tcp:22\"", "listen = [\"tcp:22\", \"tcp:23\"]", "rebind listen"},
            {"listen = [\"tcp:22\", \"tcp:23\"]", "listen = \"tcp:23\"", "rebind listen"},
            {"listen = [\"tcp:22\", \"tcp:23\"]", "listen = [\"tcp:23\", \"tcp:22\"]", "keep"},
            {"listen = \"tcp:22\"", "listen = \"tcp:22\"\nreuse_port = true",
                    "rebind reuse_port"},
            {"listen = \"tcp:22\"", "listen = \"tcp:22\"\ninterface = \"lo\"",
                    "rebind interface"},
            {"listen = \"unix:/run/x\"",
                    "listen = { address = \"unix:/run/x\", mode = \"0600\" }", "in_place mode"},
            {"listen = \"unix:/run/x\"", "listen = { address = \"unix:/run/x\", name = \"x\" }",
                    "in_place name"},
            {"listen = \"udp:69\"", "listen = \"udp:69\"\nworkers = 2", "in_place workers"},
            {"listen = \"udp:69\"", "listen = \"udp:69\"\nnice = 2", "in_place nice (restart)"},
            {"listen = \"udp:69\"", "listen = { address = \"udp:69\", name = \"x\" }",
                    "in_place name (restart)"},
            {"listen = \"udp:69\"", "listen = \"udp:70\"", "rebind listen (restart)"},
            {"listen = \"udp:69\"", "listen = \"tcp:69\"",
                    "rebind mode max_connections max_per_source listen"},
            {"", "stop_timeout = \"1m\"", "in_place stop_timeout"},
            {"", "umask = \"0077\"", "in_place umask (restart)"}};
    for (const Case& one : cases) {
        INFO(one.from << " -> " << one.to);
        CHECK(change(one.from, one.to) == one.words);
    }
}

TEST_CASE("diff: a socket is the same where only what can be set on it differs") {
    ListenerPlan a;
    a.port = 22;
    ListenerPlan b = a;
    b.name = "other";
    b.backlog = 1;
    b.no_delay = true;
    b.send_buffer = 5;
    b.tos = 4;
    CHECK(same_socket(a, b));
    b.port = 23;
    CHECK_FALSE(same_socket(a, b));
    b = a;
    b.kind = ListenerKind::udp;
    CHECK_FALSE(same_socket(a, b));
    b = a;
    b.v6only = true;
    CHECK_FALSE(same_socket(a, b));
    b = a;
    b.mptcp = true;
    CHECK_FALSE(same_socket(a, b));
}
