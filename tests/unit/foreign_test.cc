// SPDX-License-Identifier: MIT
#include "config/foreign.h"

#include "config/options.h"

#include "support/catch.h"
#include "support/config_text.h"

using namespace superd;

TEST_CASE("foreign: words of xinetd, inetd and systemd say what to write") {
    struct Case {
        const char *word, *family, *advice;
    };

    const Case cases[] = {
            {"wait", "xinetd",
                    "wait = yes is mode = \"worker\", wait = no is mode = \"handler\""},
            {"instances", "xinetd", "write max_connections = N"},
            {"cps", "xinetd", "cps = N W is rate = { limit = \"N/s\", pause = \"Ws\" }"},
            {"only_from", "xinetd", "write allow = [\"192.0.2.0/24\", \"2001:db8::/32\"]"},
            {"no_access", "xinetd", "write deny = [\"192.0.2.7\"]"},
            {"access_times", "xinetd", "write hours = [\"08:00-18:00\"]"},
            {"server", "xinetd", "write exec = [\"/path/of/server\", \"its\", \"arguments\"]"},
            {"server_args", "xinetd",
                    "write the arguments behind the program in exec = [\"/path\", \"arg\"]"},
            {"socket_type", "xinetd",
                    "write it in listen: stream is \"tcp:PORT\", dgram \"udp:PORT\""},
            {"protocol", "xinetd", "write it in listen: \"tcp:PORT\", \"udp:PORT\""},
            {"per_source", "xinetd", "write max_per_source = N"},
            {"log_type", "xinetd",
                    "write log = \"syslog:daemon.info\" or log = \"file:/path\""},
            {"disable", "xinetd", "write enabled = false for disable = yes"},
            {"passenv", "xinetd", "write pass_environment = [\"NAME\"]"},
            {"rlimit_cpu", "xinetd", "write rlimits = { cpu = \"5m\" }"},
            {"nowait", "inetd", "write mode = \"handler\""},
            {"ExecStart", "systemd",
                    "write exec = [\"/path/of/program\", \"its\", \"arguments\"]"},
            {"ListenStream", "systemd", "write listen = \"tcp:PORT\" or \"unix:/path\""},
            {"Accept", "systemd",
                    "Accept=yes is mode = \"handler\", Accept=no is mode = \"worker\""},
            {"User", "systemd", "write user"},
            {"WorkingDirectory", "systemd", "write directory"},
            {"LimitNOFILE", "systemd", "write rlimits = { nofile = ... }"},
            {"MaxConnectionsPerSource", "systemd", "write max_per_source"},
            {"OOMScoreAdjust", "systemd", "write oom_score_adjust"}};
    for (const Case& one : cases) {
        INFO(one.word);
        const auto found = find_foreign(one.word);
        REQUIRE(found);
        CHECK(found->family == one.family);
        CHECK(found->advice == one.advice);
        const auto full = find_foreign(std::string(one.family) + ":" + one.word);
        REQUIRE(full);
        CHECK(full->advice == one.advice);
    }
}

TEST_CASE(
        "foreign: xinetd's words are known in any case, and with their family where they are "
        "ours too") {
    CHECK(find_foreign("INSTANCES"));
    CHECK(find_foreign("xinetd:user")->advice == "write user");
    CHECK_FALSE(find_foreign("user"));
    CHECK_FALSE(find_foreign("umask"));
    CHECK_FALSE(find_foreign("nosuch"));
    CHECK_FALSE(find_foreign("systemd:nosuch"));
    CHECK_FALSE(find_foreign(""));
}

TEST_CASE("foreign: every name in the options table is found") {
    for (const Option& option : all_options())
        for (const auto& [family, column] : {std::pair{"xinetd", option.xinetd},
                     std::pair{"inetd", option.inetd}, std::pair{"systemd", option.systemd}}) {
            const std::string first(column.substr(0, column.find(' ')));
            if (first.empty()) continue;
            INFO(family << ":" << first);
            CHECK(find_foreign(std::string(family) + ":" + first));
        }
}

TEST_CASE("foreign: every attribute of xinetd's leads to what superd-import(7) makes of it") {
    const std::pair<const char*, const char*> attributes[] = {{"id", "[service.NAME]"},
            {"type", "listen"}, {"rpc_version", "rpc = {"}, {"rpc_number", "rpc = {"},
            {"flags", "keepalive = true"}, {"flags=IDONLY", "ident = \"require\""},
            {"flags=NAMEINARGS", "argv0"}, {"flags=NODELAY", "no_delay"},
            {"flags=KEEPALIVE", "keepalive"}, {"flags=NOLIBWRAP", "tcp_wrappers"},
            {"flags=SENSOR", "builtin = \"sensor\""}, {"deny_time", "deny_for = "},
            {"flags=IPv4", "tcp4:"}, {"flags=IPv6", "tcp6:"}, {"flags=LABELED", "peer_label"},
            {"flags=INTERCEPT", "allow and deny"}, {"disable", "enabled = false"},
            {"enabled", "enabled = false"}, {"disabled", "enabled = false"},
            {"socket_type", "listen"}, {"protocol", "listen"}, {"port", "listen"},
            {"bind", "listen"}, {"interface", "listen"}, {"wait", "mode = \"worker\""},
            {"user", "user"}, {"group", "group"}, {"umask", "umask"}, {"nice", "nice"},
            {"rlimit_as", "rlimits = { as"}, {"rlimit_files", "rlimits = { nofile"},
            {"groups", "groups"}, {"instances", "max_connections"},
            {"per_source", "max_per_source"}, {"cps", "rate = {"}, {"max_load", "max_load"},
            {"server", "exec = ["}, {"server_args", "exec = ["}, {"only_from", "allow = ["},
            {"no_access", "deny = ["}, {"access_times", "hours = ["},
            {"libwrap", "tcp_wrappers = "}, {"log_type", "log = "},
            {"log_on_success", "log_admitted = ["}, {"log_on_failure", "log_refused = ["},
            {"env", "environment = {"}, {"passenv", "pass_environment = ["},
            {"redirect", "redirect = "}, {"banner", "banner = "},
            {"banner_success", "banner_admitted = "}, {"banner_fail", "banner_refused = "},
            {"mdns", "mdns = true"}, {"v6only", "v6only"}, {"defaults", "[defaults]"},
            {"include", "include = "}, {"includedir", "include = "}};
    for (const auto& [word, made] : attributes) {
        const auto found = find_foreign(std::string("xinetd:") + word);
        INFO(word << ": " << (found ? found->advice : "not found"));
        REQUIRE(found);
        CHECK(found->family == "xinetd");
        CHECK(found->advice.find(made) != std::string::npos);
    }
}

TEST_CASE(
        "foreign: what an advice tells to write is a key that may stand there, and is taken") {
    // KEY = VALUE as the advices have them; N, W, NAME and the like are the reader's to fill
    // in.
    const std::pair<const char*, const char*> lines[] = {{"instances", "max_connections = 5"},
            {"cps", "rate = { limit = \"50/s\", pause = \"10s\" }"}, {"access_times", ""},
            {"only_from", ""}, {"no_access", ""}, {"log_type", ""}, {"log_on_success", ""},
            {"log_on_failure", ""}, {"rlimit_as", ""}, {"rlimit_files", ""}, {"rlimit_cpu", ""},
            {"banner", "banner = \"/path\""}, {"env", ""}, {"passenv", ""}, {"disable", ""},
            {"flags=IDONLY", ""}, {"systemd:KillMode", ""}, {"systemd:IOSchedulingClass", ""},
            {"systemd:TriggerLimitIntervalSec", "rate = { limit = \"5/10s\" }"}};
    for (const auto& [word, filled] : lines) {
        const std::string name = word;
        const auto found = find_foreign(name.starts_with("systemd:") ? name : "xinetd:" + name);
        INFO(name);
        REQUIRE(found);
        std::string line = filled;
        if (line.empty()) {  // the first assignment of the advice, to the end of its value
            const auto sign = found->advice.find(" = ");
            REQUIRE(sign != std::string::npos);
            const auto key = found->advice.rfind(' ', sign - 1) + 1;
            const char open = found->advice[sign + 3];
            const char close = open == '[' ? ']' : open == '{' ? '}' : open == '"' ? '"' : ' ';
            const auto end = found->advice.find(close, sign + 4);
            line = found->advice.substr(key, end == std::string::npos ? end : end + 1 - key);
        }
        INFO(word << ": " << line);
        CHECK(test::resolve_text(test::service_text("listen = \"tcp:22\"\n" + line)).errors() ==
                "");
    }
}
