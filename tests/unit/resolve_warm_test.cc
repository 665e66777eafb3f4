// SPDX-License-Identifier: MIT
// prestart, from text to plan.
#include <chrono>
#include <string>

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;
using namespace std::chrono_literals;

namespace {

Resolved resolve(const std::string& body) {
    return resolve_text(
            "[service.s]\nlisten = \"tcp:22\"\nexec = \"/bin/true\"\n"
            "user = \"git\"\n" +
                    body,
            true);
}

PrestartPlan good(const std::string& body) {
    const Resolved resolved = resolve(body);
    INFO(body);
    CHECK(resolved.text() == "");
    const ServicePlan* const plan = resolved.service("s");
    if (plan == nullptr) FAIL("there is no service");
    return plan != nullptr ? plan->prestart : PrestartPlan{};
}

bool refuses(const std::string& body, const char* what) {
    const std::string text = resolve(body).text();
    INFO(text);
    return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("resolve: prestart is a number, or a number and an age") {
    CHECK(good("").count == 0);
    CHECK(good("prestart = 0\n").count == 0);
    const PrestartPlan usual = good("prestart = 3\n");
    CHECK(usual.count == 3);
    CHECK(usual.max_age == Nanoseconds(1h));
    const PrestartPlan own = good("prestart = { count = 2, max_age = \"90s\" }\n");
    CHECK(own.count == 2);
    CHECK(own.max_age == Nanoseconds(90s));
    CHECK_FALSE(good("prestart = { count = 2, max_age = \"unlimited\" }\n").max_age);
}

TEST_CASE("resolve: what prestart cannot be") {
    CHECK(refuses("prestart = \"many\"\n", "prestart is a number"));
    CHECK(refuses("prestart = -1\n", "prestart"));
    CHECK(refuses("prestart = { max_age = \"1h\" }\n", "prestart has no count"));
    CHECK(refuses("prestart = { count = 1, age = \"1h\" }\n", "prestart has no \"age\""));
    CHECK(refuses("prestart = { count = 1, max_age = 5 }\n", "max_age"));
}

TEST_CASE("resolve: prestart goes with nothing that is done before a program runs") {
    const std::string ahead = "prestart = 1\n";
    CHECK(refuses(ahead + "pass = \"listen_fds\"\n", "listen_fds"));
    CHECK(refuses(ahead + "stderr = \"socket\"\n", "stderr"));
    CHECK(refuses(ahead + "tcp_wrappers = true\n", "tcp_wrappers"));
    CHECK(refuses(ahead + "environment = { LD_PRELOAD = \"/x\" }\n", "LD_PRELOAD"));
    CHECK(refuses(ahead + "mode = \"worker\"\n", "prestart"));
    CHECK(good("prestart = 0\nstderr = \"socket\"\n").count == 0);
}
