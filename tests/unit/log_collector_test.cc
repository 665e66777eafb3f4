// SPDX-License-Identifier: MIT
// The whole of it: a hub, the real superd-log, services that print.
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "log/board.h"
#include "log/channel.h"
#include "log/collector.h"
#include "log/hub.h"
#include "log/reader.h"
#include "log/writer.h"

#include "support/catch.h"
#include "support/log_program.h"

using namespace superd;
using namespace superd::test;

namespace {

DaemonPlan file_plan(const std::string& path) {
    DaemonPlan plan;
    plan.log = {{SinkKind::file, path}};
    return plan;
}

// A hub that writes to a file and has a socket for readers.
struct Setup {
    Setup() {
        REQUIRE(hub.configure(file_plan(log)).empty());
        REQUIRE(hub.open_listener(dir / "logs", std::nullopt));
    }

    int service(const std::string& name) {
        const auto stream = hub.service_stream(name);
        REQUIRE(stream);
        REQUIRE(hub.flush());
        return stream->write_end;
    }

    LogReader reader(const LogQuery& query) {
        auto opened = LogReader::open(dir / "logs", query);
        REQUIRE(opened);
        return std::move(*opened);
    }

    [[nodiscard]] std::vector<std::string> written() const { return lines_of(read_file(log)); }

    // A reader gets a line before the file has it.
    [[nodiscard]] std::vector<std::string> written(std::size_t lines) const {
        CHECK(eventually([&] { return written().size() >= lines; }));
        return written();
    }

    Directory dir;
    std::string log = dir / "log";
    LogHub hub{::geteuid()};
};

LogLine next(LogReader& reader) {
    const timeval patient{patience / 1000, 0};
    ::setsockopt(reader.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &patient, sizeof patient);
    auto line = reader.next();
    REQUIRE(line);
    REQUIRE(*line);
    return std::move(**line);
}

// A process that writes so many lines "NAME N" to fd and ends.
int start_writer(int fd, const std::string& name, int lines) {
    const int pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid != 0) return pid;
    for (int i = 0; i < lines; ++i) {
        const std::string line = name + ' ' + std::to_string(i) + '\n';
        if (::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
            ::_exit(1);
    }
    ::_exit(0);
}

int wait_for(int pid) {
    int status = -1;
    ::waitpid(pid, &status, 0);
    return status;
}

// "…Z ssh[812]: text" → "ssh[812]: text", the time checked.
std::string untimed(const std::string& line) {
    static const std::regex form(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*))");
    std::smatch match;
    REQUIRE(std::regex_match(line, match, form));
    return match[1];
}

std::string tail_of(const std::string& line) {
    return line.substr(line.find("]: ") + 3);
}

}  // namespace

TEST_CASE("superd-log: a service's lines reach the file with time, service and pid") {
    Setup setup;
    LogProgram program(setup.hub);
    const int fd = setup.service("ssh");
    LogReader reader = setup.reader({{"ssh"}, 10, true});
    write_all(fd, "hello\nbad \x1b[31m\\ byte \xff\n");
    CHECK(next(reader).text == "hello");
    CHECK(next(reader).text == "bad \x1b[31m\\ byte \xef\xbf\xbd");
    const std::string pid = std::to_string(::getpid());
    const auto written = setup.written(2);
    REQUIRE(written.size() == 2);
    CHECK(untimed(written[0]) == "ssh[" + pid + "]: hello");
    CHECK(untimed(written[1]) == "ssh[" + pid + "]: bad \\x1b[31m\\\\ byte \\xff");
}

TEST_CASE("superd-log: two writers of one stream are told apart by pid") {
    Setup setup;
    LogProgram program(setup.hub);
    const int fd = setup.service("ssh");
    LogReader reader = setup.reader({{"ssh"}, 10000, true});
    const int one = start_writer(fd, "one", 500), two = start_writer(fd, "two", 500);
    std::map<std::string, std::set<int>> pids;
    std::map<std::string, int> counts;
    for (int i = 0; i < 1000; ++i) {
        const LogLine line = next(reader);
        REQUIRE(line.lost == 0);
        const std::string name = line.text.substr(0, 3);
        CHECK(line.text == name + ' ' + std::to_string(counts[name]++));
        pids[name].insert(line.pid);
    }
    CHECK(wait_for(one) == 0);
    CHECK(wait_for(two) == 0);
    CHECK(pids["one"] == std::set<int>{one});
    CHECK(pids["two"] == std::set<int>{two});
}

TEST_CASE(
        "superd-log: superd's own lines arrive as formatted and are kept with their service") {
    Setup setup;
    const SystemClock clock;
    LogWriter writer(clock);
    auto events = setup.hub.open_events();
    REQUIRE(events);
    writer.to_stream(std::move(*events));
    LogProgram program(setup.hub);
    LogReader reader = setup.reader({{"ssh"}, 10, true});
    writer.log(NoticeEvent{Level::info, "", "ready"});
    writer.log(StartEvent{"ssh", 0x18f2, 812, {}, {}});
    writer.flush();
    const LogLine line = next(reader);
    CHECK(line.service == "ssh");
    CHECK(line.pid == 0);
    CHECK(line.text == "ssh START conn=18f2 pid=812");
    const auto written = setup.written(2);
    REQUIRE(written.size() == 2);
    CHECK(untimed(written[0]) == "superd ready");
    CHECK(untimed(written[1]) == "ssh START conn=18f2 pid=812");
    CHECK(written[1].substr(0, 24) == line.time);
}

TEST_CASE("superd-log: with log_format json every line is a JSON object") {
    Setup setup;
    DaemonPlan plan = file_plan(setup.log);
    plan.log_format = LogFormat::json;
    REQUIRE(setup.hub.configure(plan).empty());
    const SystemClock clock;
    LogWriter writer(clock);
    writer.set_format(LogFormat::json);
    writer.to_stream(std::move(*setup.hub.open_events()));
    LogProgram program(setup.hub);
    const int fd = setup.service("ssh");
    LogReader reader = setup.reader({{}, 10, true});
    write_all(fd, "say \"hi\"\n");
    CHECK(next(reader).text == "say \"hi\"");
    writer.log(NoticeEvent{Level::warning, "ssh", "hm"});
    writer.flush();
    const LogLine own = next(reader);
    const auto written = setup.written(2);
    REQUIRE(written.size() == 2);
    const auto printed = parse_line(written[0]);
    REQUIRE(printed);
    CHECK(printed->service == "ssh");
    CHECK(printed->pid == ::getpid());
    CHECK(printed->text == "say \"hi\"");
    CHECK(written[1] ==
            "{\"time\":\"" + own.time +
                    "\",\"service\":\"ssh\",\"event\":\"NOTICE\",\"level\":\"warning\","
                    "\"text\":\"hm\"}");
    CHECK(own.service == "ssh");
}

TEST_CASE("superd-log: with log_format xinetd files have xinetd's lines and readers superd's") {
    Setup setup;
    DaemonPlan plan = file_plan(setup.log);
    plan.log_format = LogFormat::xinetd;
    REQUIRE(setup.hub.configure(plan, {{"git", {{SinkKind::file, setup.dir / "git"}}}})
                    .empty());
    const SystemClock clock;
    LogWriter writer(clock);
    writer.set_format(LogFormat::xinetd);
    writer.to_stream(std::move(*setup.hub.open_events()));
    LogProgram program(setup.hub);
    LogReader reader = setup.reader({{}, 10, true});
    StartEvent start;
    start.service = "ssh";
    start.pid = 812;
    writer.log(start);
    writer.log(NoticeEvent{Level::warning, "ssh", "hm"});
    start.service = "git";
    writer.log(start);
    writer.flush();
    CHECK(next(reader).text == "ssh START pid=812");
    CHECK(next(reader).text == "ssh WARNING hm");
    CHECK(next(reader).text == "git START pid=812");
    const auto written = setup.written(2);
    REQUIRE(written.size() == 2);
    const std::string stamp = R"(\d\d/\d+/\d+@\d\d:\d\d:\d\d: )";
    CHECK(std::regex_match(
            written[0], std::regex(stamp + "START: ssh pid=812 from=<no address>")));
    CHECK(std::regex_match(
            written[1], std::regex(stamp + R"(WARNING: \d+ \{ssh\} WARNING hm)")));
    const auto own = lines_of(read_file(setup.dir / "git"));
    REQUIRE(own.size() == 1);
    CHECK(own[0].ends_with("START: git pid=812 from=<no address>"));
}

TEST_CASE("superd-log: a line longer than 8 KiB is cut and marked") {
    Setup setup;
    LogProgram program(setup.hub);
    const int fd = setup.service("ssh");
    LogReader reader = setup.reader({{"ssh"}, 10, true});
    write_all(fd, std::string(20000, 'x') + "\nnext\n");
    const std::size_t sizes[] = {8192, 8192, 3616, 4};
    const bool marks[] = {true, true, false, false};
    for (int i = 0; i < 4; ++i) {
        const LogLine line = next(reader);
        CHECK(line.text.size() == sizes[i]);
        CHECK(line.continued == marks[i]);
    }
    const auto written = setup.written(4);
    REQUIRE(written.size() == 4);
    CHECK(tail_of(written[0]) == std::string(8192, 'x') + '\\');
    CHECK(tail_of(written[2]) == std::string(3616, 'x'));
}

TEST_CASE("superd-log: ended and started again under load, no line is lost or said twice") {
    Setup setup;
    const int fd = setup.service("ssh");
    constexpr int count = 5000, rounds = 4;
    int writers[rounds];
    for (int round = 0; round < rounds; ++round) {
        // More than the stream holds: it is at work while superd-log comes and goes.
        writers[round] = start_writer(fd, std::to_string(round), count);
        LogProgram program(setup.hub);
        LogReader reader = setup.reader({{"ssh"}, 10, true});
        next(reader);
        program.signal(SIGTERM);
        CHECK(program.wait() == 0);
        setup.hub.close_channel();
    }
    LogProgram last(setup.hub);
    for (const int writer : writers)
        CHECK(wait_for(writer) == 0);
    setup.hub.finish();
    REQUIRE(setup.hub.flush());
    setup.hub.drop_stream("ssh");
    CHECK(last.wait() == 0);
    const auto written = setup.written();
    CHECK(written.size() == count * rounds);
    std::map<std::string, int> next_of;
    for (const std::string& line : written) {
        const std::string text = tail_of(line), name = text.substr(0, text.find(' '));
        REQUIRE(text == name + ' ' + std::to_string(next_of[name]++));
    }
}

TEST_CASE(
        "superd-log: what is written while it is dead waits; kill -9 loses nothing written "
        "out") {
    Setup setup;
    const int fd = setup.service("ssh");
    {
        LogProgram program(setup.hub);
        LogReader reader = setup.reader({{"ssh"}, 10, true});
        write_all(fd, "before\n");
        next(reader);
        CHECK(setup.written(1).size() == 1);
        program.signal(SIGKILL);
        program.wait();
    }
    write_all(fd, "meanwhile 1\nmeanwhile 2\n");
    LogProgram program(setup.hub);
    LogReader reader = setup.reader({{"ssh"}, 10, true});
    next(reader);
    next(reader);
    const auto written = setup.written(3);
    REQUIRE(written.size() == 3);
    CHECK(tail_of(written[0]) == "before");
    CHECK(tail_of(written[1]) == "meanwhile 1");
    CHECK(tail_of(written[2]) == "meanwhile 2");
}

TEST_CASE("superd-log: told to drain it stays until the last handler has closed its stream") {
    const Directory dir;
    const std::string log = dir / "log";
    std::optional<LogHub> hub(::geteuid());
    REQUIRE(hub->configure(file_plan(log)).empty());
    const Fd handler(::fcntl(hub->service_stream("ssh")->write_end, F_DUPFD_CLOEXEC, 0));
    LogProgram program(*hub);
    hub->finish();
    REQUIRE(hub->flush());
    hub.reset();  // superd is gone
    write_all(handler.get(), "still here\n");
    CHECK(program.alive());
    write_all(handler.get(), "last words");
    { const Fd closing(std::move(const_cast<Fd&>(handler))); }
    CHECK(program.wait() == 0);
    const auto written = lines_of(read_file(log));
    REQUIRE(written.size() == 2);
    CHECK(tail_of(written[0]) == "still here");
    CHECK(tail_of(written[1]) == "last words");
}

TEST_CASE("superd-log: when superd dies it writes superd's last words and leaves") {
    Setup setup;
    const SystemClock clock;
    {
        LogWriter writer(clock);
        writer.to_stream(std::move(*setup.hub.open_events()));
        for (int i = 0; i < 1000; ++i)
            writer.log(NoticeEvent{Level::info, "", "word " + std::to_string(i)});
    }
    LogProgram program(setup.hub);
    setup.hub.close_channel();
    CHECK(program.wait() == 0);
    const auto written = setup.written(1000);
    REQUIRE(written.size() == 1000);
    CHECK(untimed(written[999]) == "superd word 999");
}

TEST_CASE("superd-log: a full disk stops no service and is counted") {
    Setup setup;
    DaemonPlan plan;
    plan.log = {{SinkKind::file, "/dev/full"}, {SinkKind::file, setup.log}};
    REQUIRE(setup.hub.configure(plan).empty());
    LogProgram program(setup.hub);
    const int fd = setup.service("ssh");
    CHECK(wait_for(start_writer(fd, "line", 20000)) == 0);
    setup.hub.finish();
    REQUIRE(setup.hub.flush());
    setup.hub.drop_stream("ssh");
    CHECK(program.wait() == 0);
    int lines = 0, warnings = 0;
    for (const std::string& line : setup.written()) {
        if (line.find("superd WARNING file /dev/full: No space left on device") !=
                std::string::npos)
            ++warnings;
        else
            CHECK(tail_of(line) == "line " + std::to_string(lines++));
    }
    CHECK(lines == 20000);
    CHECK(warnings == 1);
}

TEST_CASE("superd-log: nobody reads its stderr, and the services go on") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd read(ends[0]), write(ends[1]);
    LogHub hub(::geteuid());
    DaemonPlan plan;
    plan.log = {{SinkKind::stderr_text, ""}};
    REQUIRE(hub.configure(plan).empty());
    LogProgram program(hub, write.get());
    const int fd = hub.service_stream("ssh")->write_end;
    REQUIRE(hub.flush());
    const std::string text(100, 'x');
    for (int i = 0; i < 40000; ++i)
        write_all(fd, text + '\n');
    CHECK(program.alive());
    CHECK_THAT(lines_of(read_available(read.get())).front(), Catch::EndsWith("]: " + text));
}

TEST_CASE("superd-log: a rotated file is written anew after HUP") {
    Setup setup;
    LogProgram program(setup.hub);
    const int fd = setup.service("ssh");
    LogReader reader = setup.reader({{"ssh"}, 10, true});
    write_all(fd, "old\n");
    next(reader);
    CHECK(eventually([&] { return lines_of(read_file(setup.log)).size() == 1; }));
    std::filesystem::rename(setup.log, setup.log + ".1");
    REQUIRE(setup.hub.configure(file_plan(setup.log)).empty());
    REQUIRE(setup.hub.flush());
    // One more frame behind it: the stream is known only when the new file is.
    const int other = setup.service("other");
    LogReader others = setup.reader({{"other"}, 10, true});
    write_all(other, "new\n");
    next(others);
    CHECK(eventually([&] { return lines_of(read_file(setup.log + ".1")).size() == 1; }));
    const auto written = setup.written(1);
    REQUIRE(written.size() == 1);
    CHECK(tail_of(written[0]) == "new");
}

TEST_CASE("superd-log: it refuses to run without superd's channel") {
    const std::string path = log_program();
    const int pid = ::fork();
    if (pid == 0) {
        const int null = ::open("/dev/null", O_RDWR);
        ::dup2(null, 0);
        ::dup2(null, 2);
        ::execl(path.c_str(), "superd-log", nullptr);
        ::_exit(127);
    }
    CHECK(WEXITSTATUS(wait_for(pid)) == 2);
}

// ---- the collector itself, turned by hand

namespace {

struct Turned {
    Turned() {
        REQUIRE(setup.hub.service_stream("ssh"));
        auto channel = setup.hub.open_channel();
        REQUIRE(channel);
        collector.emplace(std::move(*channel), clock, CollectorOptions{});
        REQUIRE(setup.hub.flush());
        REQUIRE(collector->turn(0));
    }

    // Files are written beside it, and one batch is told of before the next one goes.
    std::vector<std::string> written(std::size_t lines) {
        CHECK(eventually(
                [&] { return collector->turn(0) && setup.written().size() >= lines; }));
        return setup.written();
    }

    Setup setup;
    FakeClock clock;
    std::optional<Collector> collector;
};

}  // namespace

TEST_CASE("collector: a line without its end is given out after a second") {
    Turned turned;
    write_all(turned.setup.service("ssh"), "password: ");
    CHECK(turned.collector->turn(0));
    CHECK(turned.setup.written().empty());
    turned.clock.advance(std::chrono::milliseconds(999));
    CHECK(turned.collector->turn(0));
    CHECK(turned.setup.written().empty());
    turned.clock.advance(std::chrono::milliseconds(1));
    CHECK(turned.collector->turn(-1));  // it wakes up by itself
    REQUIRE(turned.written(1).size() == 1);
    CHECK(tail_of(turned.setup.written()[0]) == "password: ");
}

TEST_CASE("collector: a stream said twice is read once; another of that name beside it") {
    Turned turned;
    CHECK(turned.collector->streams() == 1);
    turned.setup.hub.adopt_stream("ssh",
            Fd(::dup(turned.setup.hub.service_stream("ssh")->read_end)),
            Fd(::dup(turned.setup.service("ssh"))));
    REQUIRE(turned.setup.hub.flush());
    CHECK(turned.collector->turn(0));
    CHECK(turned.collector->streams() == 1);

    write_all(turned.setup.service("ssh"), "old one\n");
    turned.setup.hub.drop_stream("ssh");
    write_all(turned.setup.service("ssh"), "new one\n");
    for (int i = 0; i < 4; ++i)
        CHECK(turned.collector->turn(0));
    CHECK(turned.collector->streams() == 1);
    const auto written = turned.written(2);
    REQUIRE(written.size() == 2);
    CHECK(tail_of(written[0]) == "old one");
    CHECK(tail_of(written[1]) == "new one");
}

TEST_CASE("collector: descriptors that a service sends along are not kept") {
    Turned turned;
    const int fd = turned.setup.service("ssh");
    const int lowest = ::dup(fd);
    ::close(lowest);
    for (int i = 0; i < 10; ++i) {
        const int passed[] = {fd};
        // A frame is as good a carrier as any: bytes with SCM_RIGHTS.
        CHECK_NOTHROW((void)send_frame_packet(fd, "text\n", passed));
        CHECK(turned.collector->turn(0));
    }
    const int after = ::dup(fd);
    ::close(after);
    CHECK(after == lowest);
}

TEST_CASE("collector: it goes on counting where it began, whatever board it is shown") {
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd superd(ends[0]);
    const FakeClock clock;
    Collector collector(Fd(ends[1]), clock, {.standard_error = -1});
    const auto first = make_log_board(1), second = make_log_board(1);
    const auto stream = make_stream_pair();
    REQUIRE((first && second && stream));
    const auto send = [&](const Frame& frame, int descriptor) {
        const auto packet = encode_frame(frame);
        REQUIRE(packet);
        const int passed[] = {descriptor};
        REQUIRE(send_frame_packet(superd.get(), *packet, passed));
    };
    send(BoardFrame{}, first->get());
    send(ServiceFrame{"ssh", 0}, stream->read_end.get());
    send(BoardFrame{}, second->get());
    CHECK(collector.turn(0));
    write_all(stream->write_end.get(), "line\n");
    CHECK(collector.turn(0));
    const auto board = LogBoard::map(first->get());
    REQUIRE(board);
    CHECK(board->at(0)->lines == 1);
}
