// SPDX-License-Identifier: MIT
// builtin, redirect, tcpmux and what goes with them, from text to plan.
#include <chrono>

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;
using namespace std::chrono_literals;

namespace {

ServicePlan good(const std::string& body, const std::string& before = {}) {
    const Resolved resolved = resolve_text(before + "[service.s]\n" + body, true);
    INFO(body);
    CHECK(resolved.text() == "");
    REQUIRE(resolved.service("s") != nullptr);
    return *resolved.service("s");
}

std::string wrong(const std::string& body, const std::string& before = {}) {
    return resolve_text(before + "[service.s]\n" + body, true).text();
}

bool says(const std::string& text, const char* what) {
    INFO(text);
    return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("resolve: a builtin needs no program and no user") {
    const ServicePlan plan = good("listen = [\"tcp:7\", \"udp:7\"]\nbuiltin = \"echo\"\n");
    CHECK(plan.mode == Mode::builtin);
    CHECK(plan.builtin == Builtin::echo);
    CHECK(plan.idle_timeout == 10min);
    CHECK(plan.admission.max_connections.value == 200u);
    REQUIRE(plan.admission.rate_per_source);
    CHECK(plan.admission.rate_per_source->limit.count == 100);
    CHECK(good("listen = \"tcp:7\"\nbuiltin = \"sensor\"\n").builtin == Builtin::sensor);
    CHECK_FALSE(good("listen = \"tcp:7\"\nbuiltin = \"echo\"\n").admission.rate_per_source);
    CHECK_FALSE(
            good("listen = \"udp:7\"\nbuiltin = \"echo\"\nrate_per_source = \"unlimited\"\n")
                    .admission.rate_per_source);
    CHECK_FALSE(good("listen = \"tcp:7\"\nbuiltin = \"echo\"\nidle_timeout = \"unlimited\"\n")
                        .idle_timeout);
}

TEST_CASE("resolve: what is inherited and means nothing for a builtin is skipped and said") {
    const ServicePlan plan = good("listen = \"tcp:7\"\nbuiltin = \"echo\"\n",
            "[defaults]\nuser = \"git\"\nconnect_timeout = \"3s\"\n");
    REQUIRE(plan.skipped.size() == 2);
    CHECK(plan.skipped[0].key == "user");
    CHECK(plan.skipped[0].reason == "means nothing for a builtin");
}

TEST_CASE("resolve: builtins and redirects have logs of their own as handlers do") {
    const ServicePlan plan =
            good("listen = \"tcp:7\"\nredirect = \"unix:/run/x\"\nlog = \"file:/var/log/x\"\n"
                 "log_admitted = [\"host\", \"exit\"]\n");
    REQUIRE(plan.log.sinks.size() == 1);
    CHECK(plan.log.sinks[0].path == "/var/log/x");
    CHECK(plan.log.admitted == (log_host | log_exit));
    CHECK(plan.skipped.empty());
}

TEST_CASE("resolve: a redirect with its targets, in order") {
    const ServicePlan plan =
            good("listen = \"tcp:5432\"\nredirect = [\"tcp:192.0.2.1:5432\", \"unix:/run/x\"]\n"
                 "connect_timeout = \"3s\"\nsend_proxy = \"v2\"\n");
    CHECK(plan.mode == Mode::redirect);
    REQUIRE(plan.redirect.size() == 2);
    CHECK(plan.redirect[0].text == "tcp:192.0.2.1:5432");
    CHECK(plan.redirect[0].origin.line == 3);
    CHECK(plan.redirect[1].path == "/run/x");
    CHECK(plan.connect_timeout == 3s);
    CHECK(plan.send_proxy == SendProxy::v2);
    CHECK_FALSE(plan.idle_timeout);
    CHECK(good("listen = \"udp:53\"\nredirect = \"udp:192.0.2.1:53\"\n").redirect[0].kind ==
            ListenerKind::udp);
}

TEST_CASE("resolve: a service for tcpmux may do without an address") {
    const ServicePlan plan = good("tcpmux = \"plus\"\nexec = \"/bin/cat\"\nuser = \"git\"\n");
    CHECK(plan.mode == Mode::handler);
    CHECK(plan.tcpmux == Tcpmux::plus);
    CHECK(plan.listeners.empty());
    CHECK(good("exec = \"/bin/cat\"\nuser = \"git\"\n").mode == Mode::daemon);
}

TEST_CASE("resolve: builtins and redirects that cannot be are errors that say why") {
    CHECK(says(wrong("builtin = \"echo\"\n"), "serves nobody"));
    CHECK(says(wrong("redirect = \"tcp:192.0.2.1:1\"\n"), "serves nobody"));
    CHECK(says(wrong("listen = \"tcp:7\"\nbuiltin = \"ech\"\n"), "echo"));
    CHECK(says(wrong("listen = \"tcp:7\"\nbuiltin = \"echo\"\nmode = \"handler\"\n"),
            "mode means nothing for a builtin"));
    CHECK(says(wrong("listen = \"tcp:7\"\nbuiltin = \"echo\"\nexec = \"/bin/cat\"\n"),
            "exec means nothing for a builtin"));
    // One mistake, one error.
    CHECK(wrong("listen = \"tcp:7\"\nredirect = \"tcp:192.0.2.1:1\"\nexec = \"/bin/cat\"\n"
                "builtin = \"echo\"\n") ==
            "4:1 error: exec and redirect exclude each other [leave one of them out]\n"
            "5:1 error: builtin and redirect exclude each other [leave one of them out]\n");
    CHECK(says(wrong("listen = \"fifo:/run/x\"\nbuiltin = \"echo\"\n"),
            "cannot be served by a builtin"));
    CHECK(says(wrong("listen = \"tcp:7\"\nredirect = \"udp:192.0.2.1:1\"\n"),
            "streams cannot be redirected to"));
    CHECK(says(wrong("listen = \"udp:7\"\nredirect = \"tcp:192.0.2.1:1\"\n"),
            "datagrams cannot be redirected to"));
    CHECK(says(wrong("listen = [\"udp:7\", \"tcp:7\"]\nredirect = \"tcp:192.0.2.1:1\"\n"),
            "streams and datagrams cannot go to the same targets"));
    CHECK(says(
            wrong("listen = \"tcp:7\"\nredirect = \"tcp:22\"\n"), "does not say which host"));
    CHECK(says(wrong("listen = \"tcp:7\"\nredirect = []\n"), "redirect has 1 to 64 targets"));
    CHECK(says(wrong("listen = \"udp:7\"\nbuiltin = \"echo\"\nhours = \"08:00-18:00\"\n"),
            "hours cannot be enforced for datagrams"));
    CHECK(says(wrong("listen = \"tcp:7\"\nexec = \"/bin/cat\"\nuser = \"git\"\n",
                       "[defaults]\nbuiltin = \"echo\"\n"),
            "builtin"));
}
