// SPDX-License-Identifier: MIT
#include "policy/backoff.h"

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

DatagramIdentity datagram(std::uint32_t port, std::int64_t received) {
    DatagramIdentity out;
    out.from.family = Family::ip;
    out.from.port = port;
    out.received = received;
    return out;
}

}  // namespace

TEST_CASE("backoff: a pause grows between its bounds, whatever they are") {
    CHECK(growing_pause(1s, 10s, 0) == 0s);
    CHECK(growing_pause(1s, 10s, 1) == 1s);
    CHECK(growing_pause(1s, 10s, 4) == 8s);
    CHECK(growing_pause(1s, 10s, 5) == 10s);
    CHECK(growing_pause(0s, 10s, 7) == 0s);
    CHECK(growing_pause(20s, 10s, 3) == 20s);
    CHECK(growing_pause(1ns, Nanoseconds::max(), 4'000'000'000) == Nanoseconds::max());
}

TEST_CASE("backoff: it doubles from a tenth of a second and ends at a minute") {
    CHECK(backoff_delay(0) == 0s);
    CHECK(backoff_delay(1) == 100ms);
    CHECK(backoff_delay(2) == 200ms);
    CHECK(backoff_delay(5) == 1600ms);
    CHECK(backoff_delay(10) == 51200ms);
    CHECK(backoff_delay(11) == 60s);
    CHECK(backoff_delay(4'000'000'000) == 60s);
}

TEST_CASE("unread datagrams: an empty queue or a newer datagram is no failure") {
    UnreadWatch watch;
    watch.on_start(datagram(1, 10));
    CHECK(watch.on_workers_gone(std::nullopt).pause == 0s);
    watch.on_start(datagram(1, 20));
    const auto verdict = watch.on_workers_gone(datagram(1, 30));
    CHECK_FALSE(verdict.drop);
    CHECK(verdict.pause == 0s);
    CHECK(watch.failures() == 0);
}

TEST_CASE(
        "unread datagrams: left by three starts it is dropped, each time after a longer "
        "pause") {
    UnreadWatch watch;
    const auto first = datagram(1, 10);
    const Nanoseconds pauses[] = {100ms, 200ms, 400ms};
    for (int start = 0; start < 3; ++start) {
        watch.on_start(first);
        const auto verdict = watch.on_workers_gone(first);
        CHECK(verdict.drop == (start == 2));
        CHECK(verdict.pause == pauses[start]);
    }
}

TEST_CASE("unread datagrams: a worker that reads nothing ends at one start a minute") {
    UnreadWatch watch;
    Nanoseconds longest{0};
    int dropped = 0;
    for (int start = 0; start < 30; ++start) {
        const auto first = datagram(1, 1 + start / 3);
        watch.on_start(first);
        const auto verdict = watch.on_workers_gone(first);
        dropped += verdict.drop;
        CHECK(verdict.pause >= longest);
        longest = verdict.pause;
    }
    CHECK(dropped == 10);
    CHECK(longest == 60s);
    // The first one that is read ends it.
    watch.on_start(datagram(2, 99));
    CHECK(watch.on_workers_gone(std::nullopt).pause == 0s);
    watch.on_start(datagram(2, 100));
    CHECK(watch.on_workers_gone(datagram(2, 100)).pause == 100ms);
}

TEST_CASE("backoff: a stream worker that leaves clients in the queue waits a second at most") {
    CHECK(fruitless_delay(0) == 0s);
    CHECK(fruitless_delay(1) == 100ms);
    CHECK(fruitless_delay(4) == 800ms);
    CHECK(fruitless_delay(5) == 1s);
    CHECK(fruitless_delay(1000) == 1s);
}

TEST_CASE("backoff: a shorter queue or another first client shows that somebody was taken") {
    using Queue = ClientQueue;
    CHECK_FALSE(may_be_fruitless(Queue{9}, Queue{8}));
    CHECK_FALSE(may_be_fruitless(Queue{1}, Queue{0}));
    CHECK(may_be_fruitless(Queue{1}, Queue{1}));
    CHECK(may_be_fruitless(Queue{1}, Queue{3}));
    CHECK(may_be_fruitless(std::nullopt, Queue{1}));
    CHECK(may_be_fruitless(Queue{1}, std::nullopt));
    CHECK_FALSE(may_be_fruitless(Queue{1, 7}, Queue{3, 8}));
    CHECK(may_be_fruitless(Queue{1, 7}, Queue{3, 7}));
    CHECK(may_be_fruitless(Queue{1, 7}, Queue{1, 0}));
    CHECK_FALSE(may_be_fruitless(Queue{2, 7}, Queue{1, 0}));
}
