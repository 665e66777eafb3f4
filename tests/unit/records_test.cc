// SPDX-License-Identifier: MIT
// Records of the shared state: taken, given back, found again by the superd that comes after.
#include "engine/records.h"

#include <string>

#include "support/catch.h"
#include "support/sockets.h"

namespace superd {

TEST_CASE("records: a process record is taken clean, and the last one freed comes first") {
    const State state = State::for_test({4, 4, 4, 16});
    ProcessRecords records(state);
    const auto first = records.take();
    const auto second = records.take();
    REQUIRE((first == 0U && second == 1U));
    ProcessRecord& used = records.at(*first);
    used.pid = 77;
    used.attempts = 2;
    used.deaths = 7;
    used.cookie = 5;
    used.connection = 9;
    used.state = RecordState::running;
    records.give_back(*first);
    CHECK(used.state == RecordState::free);
    CHECK(records.in_use() == 1);
    REQUIRE(records.take() == first);
    CHECK(used.pid == 0);
    CHECK(used.pidfd == -1);
    CHECK(used.connection == -1);
    CHECK(used.attempts == 0);
    CHECK(used.deaths == 0);
    CHECK(used.cookie == 0);
    CHECK(used.source == ~std::uint32_t{0});
    CHECK(state.header().process_high == 2);
}

TEST_CASE("records: a full table of processes says so and goes on when one is freed") {
    const State state = State::for_test({3, 4, 4, 16});
    ProcessRecords records(state);
    for (int i = 0; i < 3; ++i)
        REQUIRE(records.take());
    CHECK(records.capacity() == 3);
    CHECK_FALSE(records.take());
    records.give_back(1);
    CHECK(records.take() == 1U);
    CHECK_FALSE(records.take());
}

TEST_CASE("records: what a former superd left in use stays in use") {
    const State state = State::for_test({4, 4, 4, 16});
    {
        ProcessRecords before(state);
        for (int i = 0; i < 3; ++i)
            before.at(before.take().value()).state = RecordState::running;
        before.give_back(1);
    }
    ProcessRecords after(state);
    CHECK(after.in_use() == 2);
    std::string seen;
    after.for_each(
            [&](std::uint32_t index, const ProcessRecord&) { seen += std::to_string(index); });
    CHECK(seen == "02");
    CHECK(after.take() == 1U);
    CHECK(after.take() == 3U);
}

TEST_CASE("records: services keep their counters by name, until they are removed") {
    const State state = State::for_test({4, 2, 4, 16});
    {
        ServiceRecords before(state);
        before.at(before.find_or_make("one").value()).accepted = 5;
    }
    ServiceRecords records(state);
    const auto one = records.find_or_make("one");
    REQUIRE(one);
    CHECK(records.at(*one).accepted == 5);
    const auto two = records.find_or_make("two");
    REQUIRE(two);
    CHECK(records.at(*two).log_read == -1);
    CHECK_FALSE(records.find_or_make("three"));
    records.remove(*one);
    CHECK(records.find_or_make("three") == one);
    CHECK(records.at(*one).accepted == 0);
    CHECK(std::string(records.at(*one).name) == "three");
}

TEST_CASE(
        "records: a name longer than a record holds is refused, the longest one is kept "
        "whole") {
    const State state = State::for_test({4, 4, 4, 16});
    const std::string longest(63, 'n');
    {
        ServiceRecords records(state);
        CHECK_FALSE(records.find_or_make(std::string(64, 'n')));
        CHECK(records.find_or_make(longest) == 0U);
    }
    CHECK(ServiceRecords(state).find_or_make(longest) == 0U);
    ListenerRecords listeners(state);
    CHECK_FALSE(listeners.add(std::string(200, 'k'), 0));
    CHECK(listeners.add(std::string(199, 'k'), 0));
}

TEST_CASE("records: a listener's descriptor is claimed once, by the superd that comes after") {
    const State state = State::for_test({4, 4, 2, 16});
    const Fd a = test::open_or_fail(test::loopback_plan(ListenerKind::tcp));
    const Fd b = test::open_or_fail(test::loopback_plan(ListenerKind::tcp));
    {
        ListenerRecords before(state);
        REQUIRE(before.add("s tcp:127.0.0.1:0", a.get()));
        REQUIRE(before.add("s tcp:127.0.0.1:0", b.get()));
        CHECK_FALSE(before.add("t", a.get()));
        // What this superd wrote down itself is not to be had a second time.
        CHECK_FALSE(before.claim("s tcp:127.0.0.1:0"));
    }
    ListenerRecords after(state);
    CHECK_FALSE(after.claim("t"));
    const auto first = after.claim("s tcp:127.0.0.1:0");
    const auto second = after.claim("s tcp:127.0.0.1:0");
    REQUIRE((first && second));
    CHECK(*first != *second);
    CHECK(after.at(*first).fd + after.at(*second).fd == a.get() + b.get());
    CHECK_FALSE(after.claim("s tcp:127.0.0.1:0"));
    after.remove(*first);
    CHECK(after.at(*first).fd == -1);
    CHECK(after.add("t", a.get()) == first);
}

TEST_CASE("records: a number that means another file by now is nobody's listener") {
    const State state = State::for_test({4, 4, 4, 16});
    Fd listener = test::open_or_fail(test::loopback_plan(ListenerKind::tcp));
    const int number = listener.get();
    REQUIRE(ListenerRecords(state).add("s", number) == 0U);
    listener.reset();
    const Fd other(::fcntl(0, F_DUPFD_CLOEXEC, number));
    ListenerRecords after(state);
    CHECK_FALSE(after.claim("s"));
    CHECK(after.at(0).fd == -1);
    CHECK(inode_of(-1) == 0);
}

}  // namespace superd
