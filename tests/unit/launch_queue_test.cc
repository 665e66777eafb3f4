// SPDX-License-Identifier: MIT
#include "sys/launch_queue.h"

#include "support/catch.h"

using namespace superd;

namespace {

Launch launch_of(std::uint32_t service, std::uint32_t record) {
    Launch launch;
    launch.service = service;
    launch.record = record;
    return launch;
}

}  // namespace

TEST_CASE("launch queue: first come, first served") {
    LaunchQueue queue(16);
    CHECK(queue.empty());
    for (std::uint32_t i = 0; i < 5; ++i)
        CHECK(queue.push(launch_of(i % 2, i)));
    CHECK(queue.ready() == 5);
    for (std::uint32_t i = 0; i < 5; ++i)
        CHECK(queue.pop()->record == i);
    CHECK_FALSE(queue.pop().has_value());
    CHECK(queue.popped() == 5);
}

TEST_CASE("launch queue: what is over a service's share waits and blocks nobody else") {
    LaunchQueue queue(2);
    CHECK(queue.push(launch_of(1, 10)));
    CHECK(queue.push(launch_of(1, 11)));
    CHECK_FALSE(queue.push(launch_of(1, 12)));
    CHECK_FALSE(queue.push(launch_of(1, 13)));
    CHECK(queue.push(launch_of(2, 20)));
    CHECK(queue.pop()->record == 10);
    CHECK(queue.pop()->record == 11);
    CHECK(queue.pop()->record == 20);
    CHECK_FALSE(queue.pop().has_value());
    queue.done(1);
    CHECK(queue.pop()->record == 12);
    CHECK_FALSE(queue.pop().has_value());
    queue.done(1);
    CHECK(queue.pop()->record == 13);
    queue.done(1);
    queue.done(1);
    CHECK(queue.push(launch_of(1, 14)));
    CHECK(queue.push(launch_of(1, 15)));
    CHECK_FALSE(queue.push(launch_of(1, 16)));
}

TEST_CASE("launch queue: everything that has not begun can be taken out") {
    LaunchQueue queue(1);
    queue.push(launch_of(1, 10));
    queue.push(launch_of(1, 11));
    queue.push(launch_of(2, 20));
    CHECK(queue.pop()->record == 10);
    CHECK(queue.take_all().size() == 2);
    CHECK(queue.empty());
    queue.done(1);
    CHECK(queue.empty());
}
