// SPDX-License-Identifier: MIT
#include "config/foreign.h"

#include "config/options.h"

#include "support/catch.h"

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
                    "write log = \"syslog\" or log = \"file:/path\" in [superd]"},
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
