// SPDX-License-Identifier: MIT
#include "policy/notice.h"

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

Notice read(std::string_view text) {
    const auto notice = parse_notice(text);
    REQUIRE(notice);
    return notice ? *notice : Notice{};
}

}  // namespace

TEST_CASE("notice: each line that superd knows is taken") {
    CHECK(read("READY=1").ready);
    CHECK(read("RELOADING=1\nMONOTONIC_USEC=5000000").monotonic == 5s);
    CHECK(read("RELOADING=1").reloading);
    CHECK(read("STOPPING=1\n").stopping);
    CHECK(read("BARRIER=1").barrier);
    CHECK(read("WATCHDOG=1").watchdog == WatchdogNotice::pet);
    CHECK(read("WATCHDOG=trigger").watchdog == WatchdogNotice::trigger);
    CHECK(read("STATUS=up and running").status == "up and running");
    CHECK(read("STATUS=").status == "");
    CHECK(read("ERRNO=2").error == 2);
    CHECK(read("MAINPID=4711").main_pid == 4711);
    CHECK(read("WATCHDOG_USEC=1500000").watchdog_period == 1500ms);
    CHECK(read("WATCHDOG_USEC=0").watchdog_period == 0s);
    CHECK(read("EXTEND_TIMEOUT_USEC=10000000").extend_timeout == 10s);
    const Notice all = read("READY=1\nSTATUS=a=b\nMAINPID=7\n");
    CHECK((all.ready && all.status == "a=b" && all.main_pid == 7));
}

TEST_CASE("notice: what is said of descriptors that came along") {
    const Notice plain = read("FDSTORE=1");
    CHECK((plain.store && !plain.remove && plain.watch_hang_up && !plain.fd_name));
    const Notice all = read("FDSTORE=1\nFDNAME=web 1\nFDPOLL=0");
    CHECK((all.store && all.fd_name == "web 1" && !all.watch_hang_up));
    const Notice remove = read("FDSTOREREMOVE=1\nFDNAME=");
    CHECK((remove.remove && !remove.store && remove.fd_name == ""));
    // What LISTEN_FDNAMES could not have is no name.
    for (const std::string& name :
            {"a:b"s, "a\tb"s, "\x7f"s, "\xc3\xbc"s, std::string(256, 'x')})
        CHECK_FALSE(read("FDSTORE=1\nFDNAME=" + name).fd_name);
    CHECK(read("FDNAME=" + std::string(255, 'x')).fd_name);
    CHECK(read("FDSTORE=0\nFDSTOREREMOVE=yes\nFDPOLL=1") == Notice{});
}

TEST_CASE("notice: what is not known or not well formed leaves no trace") {
    for (const char* text : {"", "\n\n", "READY", "READY=0", "READY=yes", "X_OWN=1", "ready=1",
                 "WATCHDOG=0", "ERRNO=-1", "ERRNO=x", "MAINPID=0", "MAINPID=99999999999",
                 "WATCHDOG_USEC=1s", "=1", "MONOTONIC_USEC=99999999999999999999"}) {
        CAPTURE(text);
        CHECK(read(text) == Notice{});
    }
}

TEST_CASE("notice: a time that nobody waits for is a year and a day") {
    CHECK(read("EXTEND_TIMEOUT_USEC=18446744073709551615").extend_timeout == 366 * 24h);
}

TEST_CASE("notice: a NUL ends a datagram or spoils it, and so does its length") {
    CHECK(read("READY=1\0"s).ready);
    CHECK_FALSE(parse_notice("READY=1\0X=1"s));
    CHECK_FALSE(parse_notice("READY=1\0\0"s));
    CHECK(parse_notice(std::string(notice_limit, 'x')));
    CHECK_FALSE(parse_notice(std::string(notice_limit + 1, 'x')));
}

TEST_CASE("notice: a status is fit for a terminal, and cut between characters") {
    CHECK(printable("a\x1b[31mb\tc\x7f", 80) == "a?[31mb?c?");
    CHECK(printable("gr\xc3\xbc\xc3\x9f dich", 80) == "gr\xc3\xbc\xc3\x9f dich");
    CHECK(printable("\xc3\xbc\xc3\xbc", 3) == "\xc3\xbc");
    CHECK(printable("\xe2\x82\xac\xf0\x9f\x98\x80", 80) == "\xe2\x82\xac\xf0\x9f\x98\x80");
    // Torn, overlong, a surrogate, beyond the last, a C1 control character.
    CHECK(printable("\xe2\x82", 80) == "??");
    CHECK(printable("\xc0\xaf", 80) == "??");
    CHECK(printable("\xe0\x80\xaf", 80) == "???");
    CHECK(printable("\xed\xa0\x80", 80) == "???");
    CHECK(printable("\xf4\x90\x80\x80", 80) == "????");
    CHECK(printable("\xc2\x9b", 80) == "??");
    CHECK(read("STATUS=" + std::string(500, 'x')).status ==
            std::string(notice_status_limit, 'x'));
}
