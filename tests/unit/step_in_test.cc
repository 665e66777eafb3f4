// SPDX-License-Identifier: MIT
#include "sys/step_in.h"

#include <unistd.h>

#include "sys/kin.h"
#include "sys/pid_namespace.h"

#include "support/catch.h"

using namespace superd;

TEST_CASE("step in: a call comes back from its text") {
    const StepInCall call{.descriptors = 4,
            .socket = 3,
            .kind = ListenerKind::unix_stream,
            .record = 4'000'000'000,
            .connection = ~std::uint64_t{0},
            .banner_sent = 65536};
    const auto back = StepInCall::parse(call.text());
    REQUIRE(back);
    CHECK(back->text() == call.text());
    CHECK(back->descriptors == 4);
    CHECK(back->socket == 3);
    CHECK(back->kind == ListenerKind::unix_stream);
    CHECK(back->connection == call.connection);
    CHECK(back->banner_sent == 65536);
}

TEST_CASE("step in: what superd never says is no call") {
    for (const char* text : {"", "3", "3 0 0 1 1", "3 0 0 1 1 0 0", "2 0 0 1 1 0",
                 "9999 0 0 1 1 0", "3 3 0 1 1 0", "3 0 99 1 1 0", "3 0 0 4294967296 1 0",
                 "3 0 0 1 1 -1", "3  0 0 1 1 0", "x 0 0 1 1 0", "3 0 0 1 1 4294967296"})
        CHECK_FALSE(StepInCall::parse(text));
}

TEST_CASE("pid namespace: only the first process of one watches over it") {
    if (::getpid() != 1) CHECK(watch_over_namespace() == 2);
}

TEST_CASE("kin: outside of any other namespace a process has one number") {
    CHECK(pid_inside(::getpid()) == ::getpid());
    CHECK(pid_inside(0) == 0);
}
