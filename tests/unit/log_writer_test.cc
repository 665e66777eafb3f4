// SPDX-License-Identifier: MIT
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/writer.h"

#include "support/catch.h"
#include "support/log_program.h"

using namespace superd;
using namespace superd::test;

namespace {

struct Stream {
    Stream() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        ours.reset(ends[0]);
        theirs.reset(ends[1]);
    }

    Fd ours, theirs;
};

struct Pipe {
    Pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
    }

    Fd read, write;
};

FakeClock clock_2026() {
    FakeClock clock;
    clock.set_wall(Wall{std::chrono::milliseconds(1795398482114)});
    return clock;
}

const NoticeEvent ready{Level::info, "", "ready"};

std::uint64_t count_lines(const std::string& text) {
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("log writer: lines leave at flush() in one piece, with a head for superd-log") {
    const FakeClock clock = clock_2026();
    Stream stream;
    LogWriter writer(clock);
    writer.to_stream(std::move(stream.ours));
    writer.log(ready);
    writer.log(NoticeEvent{Level::error, "git", "bad"});
    CHECK(read_available(stream.theirs.get()).empty());
    CHECK(writer.pending());
    writer.flush();
    CHECK_FALSE(writer.pending());
    CHECK(read_available(stream.theirs.get()) ==
            "<6> 2026-11-23T01:48:02.114Z superd ready\n"
            "<3>git 2026-11-23T01:48:02.114Z git ERROR bad\n");
}

TEST_CASE("log writer: plain lines and JSON have no head") {
    const FakeClock clock = clock_2026();
    Pipe pipe;
    LogWriter writer(clock);
    writer.to_plain(pipe.write.get());
    writer.log(ready);
    writer.set_format(LogFormat::json);
    writer.log(ready);
    writer.flush();
    CHECK(read_available(pipe.read.get()) ==
            "2026-11-23T01:48:02.114Z superd ready\n"
            "{\"time\":\"2026-11-23T01:48:02.114Z\",\"event\":\"NOTICE\",\"level\":\"info\","
            "\"text\":\"ready\"}\n");
}

TEST_CASE("log writer: events below the level are not written") {
    const FakeClock clock = clock_2026();
    Pipe pipe;
    LogWriter writer(clock);
    writer.to_plain(pipe.write.get());
    writer.log(NoticeEvent{Level::debug, "", "hidden"});
    writer.set_level(Level::debug);
    writer.log(NoticeEvent{Level::debug, "", "shown"});
    writer.set_level(Level::error);
    writer.log(NoticeEvent{Level::warning, "", "hidden too"});
    writer.flush();
    CHECK(read_available(pipe.read.get()) == "2026-11-23T01:48:02.114Z superd shown\n");
}

TEST_CASE("log writer: a reader that stands still loses lines above the bound and is told") {
    const FakeClock clock = clock_2026();
    Stream stream;
    LogWriter writer(clock, 64 * 1024);
    writer.to_stream(std::move(stream.ours));
    std::uint64_t logged = 0;
    for (; writer.lost() < 100; ++logged)
        writer.log(ready);
    CHECK(writer.pending());

    std::string got;
    while (writer.pending()) {
        got += read_available(stream.theirs.get());
        writer.flush();
    }
    got += read_available(stream.theirs.get());
    CHECK(count_lines(got) == logged - 100);

    writer.log(ready);
    writer.flush();
    CHECK(read_available(stream.theirs.get()) ==
            "<4> 2026-11-23T01:48:02.114Z superd WARNING 100 lines of this log were lost\n"
            "<6> 2026-11-23T01:48:02.114Z superd ready\n");
    writer.log(ready);
    writer.flush();
    CHECK(count_lines(read_available(stream.theirs.get())) == 1);
    CHECK(writer.lost() == 100);
}

TEST_CASE("log writer: every line comes out whole whatever the reader's pace") {
    const FakeClock clock = clock_2026();
    Stream stream;
    const int small = 4096;
    ::setsockopt(stream.ours.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    LogWriter writer(clock);
    writer.to_stream(std::move(stream.ours));
    std::string expected, got;
    for (int i = 0; i < 5000; ++i) {
        const std::string text = "line " + std::to_string(i);
        expected += "<6> 2026-11-23T01:48:02.114Z superd " + text + '\n';
        writer.log(NoticeEvent{Level::info, "", text});
        if (i % 7 == 0) writer.flush();
        if (i % 50 == 0) got += read_available(stream.theirs.get());
    }
    while (writer.pending()) {
        got += read_available(stream.theirs.get());
        writer.flush();
    }
    got += read_available(stream.theirs.get());
    CHECK((got == expected));
    CHECK(writer.lost() == 0);
}

TEST_CASE("log writer: a full pipe is never waited for") {
    const FakeClock clock = clock_2026();
    Pipe pipe;  // blocking, as a terminal's or systemd's stderr is
    LogWriter writer(clock, 128 * 1024);
    writer.to_plain(pipe.write.get());
    while (writer.lost() == 0)
        writer.log(ready);
    writer.flush();
    CHECK(writer.pending());
    CHECK(count_lines(read_available(pipe.read.get())) > 1000);
    writer.flush();
    CHECK(writer.lost() == 1);
}

TEST_CASE("log writer: what can never be written is dropped and counted") {
    const FakeClock clock = clock_2026();
    const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    REQUIRE(full);
    LogWriter writer(clock);
    writer.to_plain(full.get());
    writer.log(ready);
    writer.log(ready);
    writer.flush();
    CHECK_FALSE(writer.pending());
    CHECK(writer.lost() == 2);

    Stream stream;
    LogWriter other(clock);
    other.to_stream(std::move(stream.ours));
    stream.theirs.reset();
    other.log(ready);
    other.flush();
    CHECK_FALSE(other.pending());
    CHECK(other.lost() == 1);
}

TEST_CASE("log writer: lines collected before superd-log is there go to it") {
    const FakeClock clock = clock_2026();
    Stream stream;
    LogWriter writer(clock);
    writer.log(ready);
    writer.to_stream(std::move(stream.ours));
    writer.log(ready);
    writer.flush();
    CHECK(read_available(stream.theirs.get()) ==
            "2026-11-23T01:48:02.114Z superd ready\n"
            "<6> 2026-11-23T01:48:02.114Z superd ready\n");
}

TEST_CASE(
        "log writer: lines that superd-log never read come back to stderr, whole and in "
        "order") {
    const FakeClock clock = clock_2026();
    LogHub hub(0);
    Pipe pipe;
    LogWriter writer(clock);
    writer.to_stream(std::move(*hub.open_events()));
    std::string expected;
    while (!writer.pending()) {  // until the stream is full, somewhere within a line
        const std::string text = "line " + std::to_string(expected.size());
        expected += "2026-11-23T01:48:02.114Z superd " + text + '\n';
        writer.log(NoticeEvent{Level::info, "", text});
        writer.flush();
    }
    writer.to_plain(pipe.write.get());
    writer.put_back(hub.take_back_events());
    std::string got;
    while (writer.pending()) {
        writer.flush();
        got += read_available(pipe.read.get());
    }
    CHECK((got == expected));
    CHECK(hub.take_back_events().empty());
}
