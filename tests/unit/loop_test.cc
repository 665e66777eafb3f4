// SPDX-License-Identifier: MIT
// Owners of libuv handles: what comes, in which order, and what never comes.
#include "loop/loop.h"

#include <memory>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "support/catch.h"
#include "support/sockets.h"

namespace superd {
namespace {

struct Pipe {
    Pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        reader.reset(ends[0]);
        writer.reset(ends[1]);
    }

    void write() const { REQUIRE(::write(writer.get(), "x", 1) == 1); }

    Fd reader, writer;
};

}  // namespace

TEST_CASE("loop: a timer that was destroyed in its own callback never comes again") {
    { const Loop first; }  // libuv keeps two descriptors for the process from its first loop on
    const std::size_t before = test::open_descriptors();
    {
        Loop loop;
        int calls = 0;
        std::string captured = "what the callback keeps outlives the owner";
        std::unique_ptr<Timer> timer;
        timer = std::make_unique<Timer>(loop, [&, captured] {
            timer.reset();
            ++calls;
            CHECK(captured.size() == 42);
        });
        timer->start(Nanoseconds{0}, std::chrono::milliseconds(1));
        loop.turn(true);
        CHECK(calls == 1);
        Timer other(loop, [] {});
        for (int i = 0; i < 3; ++i) {
            other.start(std::chrono::milliseconds(2));
            loop.turn(true);
        }
        CHECK(calls == 1);
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("loop: a poll that was destroyed in its own callback never comes again") {
    Loop loop;
    const Pipe pipe;
    pipe.write();
    int calls = 0;
    std::unique_ptr<Poll> poll;
    poll = std::make_unique<Poll>(loop, pipe.reader.get(), [&](int events, int error) {
        poll.reset();
        ++calls;
        CHECK(events == Poll::readable);
        CHECK(error == 0);
    });
    poll->start(Poll::readable);
    loop.turn(true);
    loop.turn(false);
    loop.turn(false);
    CHECK(calls == 1);
}

TEST_CASE("loop: a callback that destroys another owner silences it in the same turn") {
    Loop loop;
    const Pipe one, two;
    one.write();
    two.write();
    int calls = 0;
    std::unique_ptr<Poll> first, second;
    first = std::make_unique<Poll>(loop, one.reader.get(), [&](int, int) {
        ++calls;
        second.reset();
    });
    second = std::make_unique<Poll>(loop, two.reader.get(), [&](int, int) {
        ++calls;
        first.reset();
    });
    first->start(Poll::readable);
    second->start(Poll::readable);
    loop.turn(true);
    CHECK(calls == 1);
}

TEST_CASE("loop: a descriptor can be watched anew after its watcher has gone") {
    Loop loop;
    const Pipe pipe;
    pipe.write();
    int calls = 0;
    for (int i = 0; i < 3; ++i) {
        Poll poll(loop, pipe.reader.get(), [&](int, int) { ++calls; });
        poll.start(Poll::readable);
        CHECK(poll.active());
        loop.turn(true);
        poll.stop();
        CHECK_FALSE(poll.active());
    }
    CHECK(calls == 3);
}

TEST_CASE("loop: hooks run after the events of a turn, in the order they were given") {
    Loop loop;
    std::string order;
    loop.at_turn_end([&] { order += 'a'; });
    loop.at_turn_end([&] { order += 'b'; });
    Timer timer(loop, [&] { order += 't'; });
    timer.start(Nanoseconds{0});
    loop.turn(false);
    CHECK(order == "tab");
}

TEST_CASE("loop: a timer comes once, repeats where asked, and not after stop()") {
    Loop loop;
    int once = 0, often = 0;
    Timer single(loop, [&] { ++once; });
    Timer repeating(loop, [&] {
        if (++often == 3) loop.stop();
    });
    single.start(std::chrono::microseconds(10));  // rounded up
    repeating.start(std::chrono::milliseconds(2), std::chrono::milliseconds(2));
    loop.run();
    CHECK(often == 3);
    CHECK(once == 1);
    CHECK_FALSE(single.active());
    repeating.stop();
    CHECK_FALSE(repeating.active());
    loop.turn(false);
    CHECK(often == 3);
}

}  // namespace superd
