// SPDX-License-Identifier: MIT
// [tls.NAME] and tls, from text to plan; what their files hold is for the system tests.
#include <chrono>

#include "config/diff.h"
#include "config/tls_findings.h"

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;
using namespace superd::test;
using namespace std::chrono_literals;

namespace {

const std::string profile = "[tls.mail]\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\n";
const std::string handler =
        "[service.s]\nuser = \"git\"\nexec = \"/bin/cat\"\nlisten = \"tcp:22\"\n";

std::string wrong(const std::string& text) {
    return resolve_text(text, true).text();
}

bool says(const std::string& text, const char* what) {
    INFO(text);
    return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("resolve: a TLS profile, with what is usual and with all that can be said") {
    const Resolved plain = resolve_text(profile + handler + "tls = \"mail\"\n", true);
    CHECK(plain.text() == "");
    REQUIRE(plain.plan.tls.size() == 1);
    CHECK(plain.plan.tls[0].min_version == TlsVersion::tls12);
    CHECK(plain.plan.tls[0].max_version == TlsVersion::tls13);
    CHECK(plain.plan.tls[0].ciphers == "");
    CHECK(plain.plan.tls[0].handshake_timeout == 10s);
    const ServicePlan* const service = plain.service("s");
    REQUIRE(service != nullptr);
    REQUIRE(service->listeners.size() == 1);
    CHECK(service->listeners[0].tls == "mail");

    const Resolved full = resolve_text("[tls.mail]\ncertificate = [\"/a\", \"/b\"]\n"
                                       "key = [\"/c\", \"/d\"]\nmin_version = \"1.3\"\n"
                                       "ciphers = [\"A\", \"B:C\"]\nciphersuites = \"D\"\n"
                                       "groups = [\"P-256\"]\nweak = true\n"
                                       "handshake_timeout = \"3s\"\n",
            true);
    CHECK(full.text() == "");
    REQUIRE(full.plan.tls.size() == 1);
    const TlsPlan& all = full.plan.tls[0];
    CHECK(all.certificates == std::vector<std::string>{"/a", "/b"});
    CHECK(all.keys == std::vector<std::string>{"/c", "/d"});
    CHECK(all.min_version == TlsVersion::tls13);
    CHECK(all.ciphers == "A:B:C");
    CHECK(all.weak);
    CHECK(all.handshake_timeout == 3s);
    CHECK(decode_tls_profiles(encode_tls_profiles(full.plan.tls)) == full.plan.tls);
}

TEST_CASE("resolve: a table in the place of a profile's name is one of the service's own") {
    const Resolved resolved = resolve_text(
            "[service.s]\nuser = \"git\"\nexec = \"/bin/cat\"\n"
            "listen = [\"tcp:22\", \"tcp:23\", \"udp:24\"]\nmode = \"handler\"\n"
            "tls = { certificate = \"/c\", key = \"/k\" }\n",
            true);
    REQUIRE(resolved.plan.tls.size() == 1);
    CHECK(resolved.plan.tls[0].name == "s/tcp:22");
    const ServicePlan* const service = resolved.service("s");
    REQUIRE(service != nullptr);
    REQUIRE(service->listeners.size() == 3);
    CHECK(service->listeners[1].tls == "s/tcp:22");
}

TEST_CASE("resolve: what a TLS profile cannot be") {
    CHECK(says(wrong("[tls.a]\nkey = \"/k\"\n"), "TLS needs a certificate"));
    CHECK(says(wrong("[tls.a]\ncertificate = [\"/a\", \"/b\"]\nkey = \"/k\"\n"),
            "2 certificates and 1 key"));
    CHECK(says(wrong(profile + "min_version = \"1.3\"\nmax_version = \"1.2\"\n"),
            "min_version is above max_version"));
    CHECK(says(wrong(profile + "ciphers = \"A B\"\n"), "is no name of OpenSSL's"));
    CHECK(says(wrong(profile + "ciphers = []\n"), "ciphers is empty"));
    CHECK(says(wrong(profile + "cipher = \"A\"\n"), "did you mean \"ciphers\"?"));
    CHECK(says(wrong(profile + profile), "defined"));
    CHECK(says(wrong(profile + "user = \"git\"\n"), "may not stand in [tls.mail]"));
}

TEST_CASE("resolve: a profile that is not there, and services that cannot have one") {
    CHECK(says(wrong(profile + handler + "tls = \"mial\"\n"), "did you mean \"mail\"?"));
    CHECK(says(wrong(handler + "tls = \"mail\"\n"), "there is no TLS profile"));
    CHECK(says(wrong(handler + "tls = 5\n"), "tls is a name or a table"));
    const std::string with = profile + handler + "tls = \"mail\"\n";
    CHECK(says(wrong(with + "stderr = \"socket\"\n"), "between the records"));
    CHECK(says(wrong(with + "tcp_wrappers = true\n"), "the socket's own peer"));
    CHECK(says(wrong(with + "prestart = 2\n"), "prestart"));
    CHECK(says(wrong(with + "tcpmux = \"plain\"\n"), "tcpmux"));
}

TEST_CASE("resolve: a profile that changes is a change of the services that have it") {
    const auto plan = [](const char* lines) {
        return resolve_text(profile + lines + handler + "tls = \"mail\"\n", true).plan;
    };
    const auto diffs = diff_plans(plan(""), plan("weak = true\n"));
    REQUIRE(diffs.size() == 1);
    CHECK(diffs[0].change == Change::in_place);
    CHECK(diffs[0].keys == std::vector<std::string>{"tls"});
    CHECK_FALSE(diffs[0].restart);
    CHECK(diff_plans(plan(""), plan("")).at(0).change == Change::keep);
}

TEST_CASE("tls findings: read back as they were, and cut off at any byte not at all") {
    const std::vector<TlsFinding> findings{
            {3, "key", 1, Severity::warning, "can be read", "chmod"}, {}};
    const std::string bytes = encode_tls_findings(findings);
    CHECK(decode_tls_findings(bytes) == findings);
    for (std::size_t size = 0; size < bytes.size(); ++size)
        CHECK_FALSE(decode_tls_findings(std::string_view(bytes).substr(0, size)));
    std::string error;
    CHECK_FALSE(ask_tls_program("/nowhere/superd-tls", {}, error));
    CHECK(error.find("No such file") != std::string::npos);
}
