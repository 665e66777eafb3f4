// SPDX-License-Identifier: MIT
// proxy_protocol and send_proxy_tlvs, from text to plan.
#include <chrono>

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;
using namespace std::chrono_literals;

namespace {

const std::string handler =
        "[service.s]\nuser = \"git\"\nexec = \"/bin/cat\"\nlisten = \"tcp:22\"\n";

std::string wrong(const std::string& body, const std::string& base = handler) {
    return resolve_text(base + body, true).text();
}

bool says(const std::string& text, const char* what) {
    INFO(text);
    return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("resolve: proxy_protocol of a service is its stream listeners'") {
    const Resolved resolved = resolve_text(
            "[networks]\nlb = \"10.0.0.0/8\"\n" + handler +
                    "proxy_protocol = { from = [\"@lb\", \"192.0.2.1\"], version = 2, "
                    "required = true, timeout = \"3s\" }\n",
            true);
    CHECK(resolved.text() == "");
    const ServicePlan* const plan = resolved.service("s");
    REQUIRE(plan != nullptr);
    REQUIRE(plan->listeners.size() == 1);
    const auto& rules = plan->listeners[0].proxy_protocol;
    REQUIRE(rules);
    CHECK(rules->from.size() == 2);
    CHECK(rules->versions == 2);
    CHECK(rules->required);
    CHECK(rules->timeout == 3s);
}

TEST_CASE("resolve: proxy_protocol of one listener, with what is usual") {
    const Resolved resolved = resolve_text(
            "[service.s]\nuser = \"git\"\nexec = \"/bin/cat\"\nlisten = [\"tcp:22\", "
            "{ address = \"tcp:23\", proxy_protocol = { from = \"192.0.2.1\" } }]\n",
            true);
    CHECK(resolved.text() == "");
    const ServicePlan* const plan = resolved.service("s");
    REQUIRE(plan != nullptr);
    REQUIRE(plan->listeners.size() == 2);
    CHECK_FALSE(plan->listeners[0].proxy_protocol);
    const auto& rules = plan->listeners[1].proxy_protocol;
    REQUIRE(rules);
    CHECK(rules->versions == 3);
    CHECK_FALSE(rules->required);
    CHECK(rules->timeout == 10s);
}

TEST_CASE("resolve: what proxy_protocol cannot be") {
    const auto with = [](const char* table) {
        return wrong(std::string("proxy_protocol = ") + table + "\n");
    };
    CHECK(says(with("true"), "proxy_protocol is a table"));
    CHECK(says(with("{ required = true }"), "does not say from whom"));
    CHECK(says(with("{ from = [] }"), "does not say from whom"));
    CHECK(says(with("{ from = \"host:db.example.org\" }"), "before the header is read"));
    CHECK(says(with("{ from = \"10.0.0.0/8\", version = 3 }"), "no such version"));
    CHECK(says(with("{ from = \"10.0.0.0/8\", version = \"1\" }"), "no such version"));
    CHECK(says(with("{ from = \"10.0.0.0/8\", timeout = \"1ms\" }"), "proxy_protocol.timeout"));
    CHECK(says(with("{ from = \"10.0.0.0/8\", form = 1 }"), "has no \"form\""));
    CHECK(says(with("{ from = \"@nobody\" }"), "there is no network"));
}

TEST_CASE("resolve: proxy_protocol goes with nothing that looks at the socket's own peer") {
    const std::string proxied = "proxy_protocol = { from = \"10.0.0.0/8\" }\n";
    CHECK(says(wrong(proxied + "ident = \"log\"\n"), "ident asks a client"));
    CHECK(says(wrong(proxied + "tcp_wrappers = true\n"), "tcp_wrappers looks at"));
    CHECK(says(wrong(proxied + "mode = \"worker\"\n"), "proxy_protocol"));
    CHECK(says(wrong(proxied, "[service.s]\nlisten = \"tcp:7\"\nbuiltin = \"sensor\"\n"),
            "a sensor reads nothing"));
    CHECK(says(wrong("",
                       "[service.s]\nmode = \"worker\"\nuser = \"git\"\nexec = \"/bin/cat\"\n"
                       "listen = { address = \"tcp:7\", proxy_protocol = { from = "
                       "\"10.0.0.0/8\" } }\n"),
            "a worker accepts"));
    CHECK(wrong(proxied, "[service.s]\nlisten = \"tcp:7\"\nbuiltin = \"echo\"\n").empty());
}

TEST_CASE("resolve: TLVs are words, of version 2") {
    const std::string redirect =
            "[service.s]\nlisten = \"tcp:7\"\nredirect = \"tcp:192.0.2.1:7\"\n";
    const Resolved resolved = resolve_text(
            redirect + "send_proxy = \"v2\"\nsend_proxy_tlvs = [\"ssl\", \"crc32c\"]\n", true);
    CHECK(resolved.text() == "");
    const ServicePlan* const plan = resolved.service("s");
    REQUIRE(plan != nullptr);
    CHECK(plan->send_proxy_tlvs.bits == (ProxyTlvs::ssl | ProxyTlvs::crc32c));
    CHECK(says(wrong("send_proxy = \"v1\"\nsend_proxy_tlvs = \"ssl\"\n", redirect),
            "only version 2"));
    CHECK(says(wrong("send_proxy = \"v2\"\nsend_proxy_tlvs = \"tls\"\n", redirect),
            "no TLV that is sent"));
}
