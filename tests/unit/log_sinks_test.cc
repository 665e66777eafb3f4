// SPDX-License-Identifier: MIT
#include <cstring>
#include <string>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "log/sink_set.h"

#include "support/catch.h"
#include "support/log_program.h"
#include "support/skip.h"

using namespace superd;
using namespace superd::test;

namespace {

// A datagram socket with a name, as syslogd and journald have.
class Peer {
public:
    explicit Peer(const std::string& path)
            : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        ::unlink(path.c_str());
        good_ = ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address),
                        sizeof address) == 0;
    }

    [[nodiscard]] bool good() const { return good_; }

    // The next datagram that is there; empty: none.
    [[nodiscard]] std::string next() const {
        char data[65536];
        const ssize_t n = ::recv(socket_.get(), data, sizeof data, MSG_DONTWAIT);
        return n > 0 ? std::string(data, static_cast<std::size_t>(n)) : std::string();
    }

private:
    Fd socket_;
    bool good_ = false;
};

// What the test says.
class GivenClock final : public Clock {
public:
    explicit GivenClock(const Mono& now) : now_(now) {}

    [[nodiscard]] Mono now() const override { return now_; }

    [[nodiscard]] Wall wall() const override { return Wall(std::chrono::hours(24)); }

private:
    const Mono& now_;
};

struct Sinks {
    Sinks() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        error_read.reset(ends[0]);
        error_write.reset(ends[1]);
        set.emplace(error_write.get(), FileContext{inline_file_jobs(), clock});
    }

    void configure(const std::vector<SinkPlan>& plans) {
        ConfigFrame config;
        std::vector<Fd> files;
        for (const SinkPlan& plan : plans) {
            auto file =
                    plan.kind == SinkKind::file ? open_log_file(plan.path) : Result<Fd>(Fd());
            config.sinks.push_back({plan, file && *file});
            if (file && *file) files.push_back(std::move(*file));
        }
        set->configure(config, std::move(files), now);
    }

    void write(const std::string& text) {
        set->write({6, "ssh", 812, 1, "T ssh[812]: " + text, text});
    }

    std::vector<SinkNews> flush() {
        std::vector<SinkNews> news;
        set->flush(now, news);
        return news;
    }

    std::string on_stderr() const { return read_available(error_read.get()); }

    Fd error_read, error_write;
    Mono now{std::chrono::hours(1)};
    const GivenClock clock{now};
    std::optional<SinkSet> set;
};

using News = std::vector<SinkNews>;

SinkNews warning(const std::string& text) {
    return {Level::warning, text};
}

SinkNews info(const std::string& text) {
    return {Level::info, text};
}

// "<30>Nov 23 01:48:02 rest" without its time.
std::string without_time(const std::string& packet) {
    REQUIRE(packet.size() > 20);
    return packet.substr(0, 4) + packet.substr(20);
}

}  // namespace

TEST_CASE("log sinks: a file gets whole lines, stderr too, and nothing goes astray") {
    const Directory dir;
    Sinks sinks;
    sinks.configure({{SinkKind::file, dir / "log"}, {SinkKind::stderr_text, ""}});
    sinks.write("one");
    sinks.write("two");
    CHECK(sinks.flush().empty());
    CHECK(read_file(dir / "log") == "T ssh[812]: one\nT ssh[812]: two\n");
    CHECK(sinks.on_stderr() == "T ssh[812]: one\nT ssh[812]: two\n");
    CHECK(sinks.set->timeout(sinks.now) == -1);
}

TEST_CASE("log sinks: a file is appended to and made 0640, a link is not followed") {
    const Directory dir;
    const ::mode_t mask = ::umask(0);
    { std::ofstream(dir / "log") << "old\n"; }
    REQUIRE(open_log_file(dir / "new"));
    ::umask(mask);

    struct stat status {};

    REQUIRE(::stat((dir / "new").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0640);
    std::filesystem::create_symlink(dir / "log", dir / "link");
    CHECK(open_log_file(dir / "link").error().code == ELOOP);
    Sinks sinks;
    sinks.configure({{SinkKind::file, dir / "log"}});
    sinks.write("new");
    sinks.flush();
    CHECK(read_file(dir / "log") == "old\nT ssh[812]: new\n");
}

TEST_CASE("log sinks: a full disk blocks nobody, is said once and counted when it is over") {
    const Directory dir;
    Sinks sinks;
    sinks.configure({{SinkKind::file, "/dev/full"}, {SinkKind::file, dir / "good"}});
    News news;
    for (int i = 0; i < 1000; ++i) {
        sinks.write("line");
        for (SinkNews& text : sinks.flush())
            news.push_back(std::move(text));
        sinks.now += std::chrono::seconds(1);
    }
    CHECK(news == News{warning("file /dev/full: No space left on device")});
    CHECK(lines_of(read_file(dir / "good")).size() == 1000);
}

TEST_CASE(
        "log sinks: a file that is full for a while gets the newest lines, and says how many "
        "went") {
    const Directory dir;
    FakeClock clock;
    const SinkPlan plan{SinkKind::file, "log"};
    FileSink sink(
            plan, Fd(::open("/dev/full", O_WRONLY | O_CLOEXEC)), {inline_file_jobs(), clock});
    sink.write({6, "ssh", 1, 1, "line", "line"});
    sink.flush(clock.now());
    CHECK(sink.lost() == 0);  // it is kept
    CHECK(sink.news(clock.now()) == warning("file log: No space left on device"));
    CHECK(sink.timeout(clock.now()) == 1000);
    sink.write({6, "ssh", 1, 1, "too much", "too much"});
    const std::string text(FileSink::bound - 5, 'x');
    sink.write({6, "ssh", 1, 1, text, text});
    CHECK(sink.lost() == 2);
    sink.replace(plan, std::move(*open_log_file(dir / "log")), clock.now());
    sink.write({6, "ssh", 1, 1, "back", "back"});
    sink.flush(clock.now());
    clock.advance(std::chrono::seconds(9));
    CHECK_FALSE(sink.news(clock.now()));
    clock.advance(std::chrono::seconds(1));
    CHECK(sink.news(clock.now()) == warning("file log works again, 2 lines were lost"));
    clock.advance(std::chrono::seconds(20));
    CHECK_FALSE(sink.news(clock.now()));
    const bool newest = read_file(dir / "log") == text + "\nback\n";
    CHECK(newest);
}

TEST_CASE("log sinks: a file that could not be opened leaves the lines to stderr") {
    Sinks sinks;
    sinks.configure({{SinkKind::file, "/nonexistent/log"}});
    sinks.write("one");
    CHECK(sinks.flush() == News{warning("file /nonexistent/log could not be opened")});
    CHECK(sinks.on_stderr() == "T ssh[812]: one\n");
}

TEST_CASE(
        "log sinks: a stopped terminal or pipe keeps lines up to the bound, then drops them") {
    Sinks sinks;
    sinks.configure({{SinkKind::stderr_text, ""}});
    const std::string text(1000, 'x');
    for (int i = 0; i < 3000; ++i) {
        sinks.write(text);
        sinks.flush();
    }
    CHECK(sinks.set->pending());
    CHECK(sinks.set->timeout(sinks.now) == 100);
    std::string got;
    while (sinks.set->pending()) {
        got += sinks.on_stderr();
        sinks.now += std::chrono::seconds(20);
        sinks.flush();
    }
    got += sinks.on_stderr();
    for (const std::string& line : lines_of(got))
        REQUIRE(line == "T ssh[812]: " + text);
    const auto lines = lines_of(got).size();
    CHECK(lines > 1000);
    CHECK(lines < 3000);
}

TEST_CASE("log sinks: rotation writes on in the new file and loses no line") {
    const Directory dir;
    Sinks sinks;
    sinks.configure({{SinkKind::file, dir / "log"}});
    sinks.write("before");
    std::filesystem::rename(dir / "log", dir / "log.1");
    sinks.configure({{SinkKind::file, dir / "log"}});
    sinks.write("after");
    sinks.flush();
    CHECK(read_file(dir / "log.1") == "T ssh[812]: before\n");
    CHECK(read_file(dir / "log") == "T ssh[812]: after\n");
}

TEST_CASE("log sinks: a file is told of once at its soft size and full at its hard one") {
    const Directory dir;
    Sinks sinks;
    SinkPlan plan{SinkKind::file, dir / "log"};
    plan.soft_size = 40;
    plan.hard_size = 60;
    sinks.configure({plan});
    sinks.write("1234");  // 19 bytes each
    sinks.write("1234");
    CHECK(sinks.flush().empty());
    sinks.write("1234");
    const SinkNews soft{
            Level::critical, "file " + plan.path + " has reached its soft size, 40"};
    CHECK(sinks.flush() == News{soft});
    sinks.write("1234");
    sinks.write("");
    const auto news = sinks.flush();
    REQUIRE(news.size() == 1);
    CHECK(news[0].text.starts_with("file " + plan.path + " has reached its hard size, 60: "));
    CHECK(lines_of(read_file(plan.path)).size() == 3);
    CHECK(sinks.on_stderr().empty());

    sinks.configure({plan});  // opened again, but no smaller
    sinks.write("");
    CHECK(sinks.flush().empty());
    CHECK(lines_of(read_file(plan.path)).size() == 3);

    std::filesystem::rename(plan.path, dir / "log.1");
    sinks.configure({plan});
    sinks.write("back");
    CHECK(sinks.flush() ==
            News{{Level::notice,
                    "file " + plan.path + " is written again; 3 lines were left out"}});
    CHECK(read_file(plan.path) == "T ssh[812]: back\n");
}

TEST_CASE("log sinks: a file that was large when it was opened is measured whole") {
    const Directory dir;
    { std::ofstream(dir / "log") << std::string(99, 'x') << '\n'; }
    Sinks sinks;
    SinkPlan plan{SinkKind::file, dir / "log"};
    plan.hard_size = 100;
    sinks.configure({plan});
    sinks.write("one");
    CHECK(sinks.flush().size() == 1);
    CHECK(read_file(dir / "log").size() == 100);
}

TEST_CASE("log sinks: a service's lines go to its own sinks, and a shared file is one") {
    const Directory dir;
    Sinks sinks;
    const SinkPlan common{SinkKind::file, dir / "common"}, own{SinkKind::file, dir / "own"};
    sinks.set->open(own, std::move(*open_log_file(own.path)), sinks.now);
    sinks.set->route("ssh", {own, common});
    sinks.set->route("git", {own});
    sinks.configure({common});
    CHECK(sinks.set->size() == 2);
    sinks.write("one");
    sinks.set->write({6, "git", 9, 1, "git two", "two"});
    sinks.set->write({6, "", 0, 1, "three", "three"});
    sinks.flush();
    CHECK(read_file(own.path) == "T ssh[812]: one\ngit two\n");
    CHECK(read_file(common.path) == "T ssh[812]: one\nthree\n");

    sinks.set->route("ssh", {});
    sinks.set->route("git", {});
    sinks.configure({common});
    CHECK(sinks.set->size() == 1);
    sinks.write("four");
    sinks.flush();
    CHECK(lines_of(read_file(own.path)).size() == 2);
    CHECK(lines_of(read_file(common.path)).size() == 3);
}

TEST_CASE("log sinks: files and syslog get xinetd's lines, stderr its own") {
    const Directory dir;
    const Peer peer(dir / "dev-log");
    Sinks sinks;
    sinks.configure({{SinkKind::file, dir / "log"}, {SinkKind::stderr_text, ""},
            {SinkKind::syslog, dir / "dev-log"}});
    const std::vector<XinetdForm> two{
            {"T: START: ssh", "START: ssh"}, {"T: EXIT: ssh", "EXIT"}};
    sinks.set->write({6, "ssh", 0, 77, "text", "message", &two});
    sinks.flush();
    CHECK(read_file(dir / "log") == "T: START: ssh\nT: EXIT: ssh\n");
    CHECK(sinks.on_stderr() == "text\n");
    CHECK(without_time(peer.next()) == "<30>xinetd[77]: START: ssh");
    CHECK(without_time(peer.next()) == "<30>xinetd[77]: EXIT");
}

TEST_CASE("log sinks: syslog's facility and level are those of the plan") {
    const Directory dir;
    const Peer peer(dir / "dev-log");
    Sinks sinks;
    SinkPlan plan{SinkKind::syslog, dir / "dev-log"};
    plan.facility = 20;
    sinks.configure({plan});
    sinks.write("one");
    sinks.flush();
    CHECK(peer.next().starts_with("<166>"));
    plan.severity = 5;
    sinks.configure({plan});
    sinks.write("one");
    sinks.flush();
    CHECK(peer.next().starts_with("<165>"));
}

TEST_CASE("log sinks: syslog gets its usual form") {
    const Directory dir;
    const Peer peer(dir / "dev-log");
    REQUIRE(peer.good());
    Sinks sinks;
    sinks.configure({{SinkKind::syslog, dir / "dev-log"}});
    sinks.set->write({4, "ssh", 812, 77, "line", "text of ssh"});
    sinks.set->write({5, "ssh", 0, 77, "line", "ssh REFUSE conn=1"});
    CHECK(sinks.flush().empty());
    CHECK(without_time(peer.next()) == "<28>ssh[812]: text of ssh");
    CHECK(without_time(peer.next()) == "<29>superd[77]: ssh REFUSE conn=1");
    CHECK(peer.next().empty());
    sinks.write(std::string(20000, 'x'));
    sinks.flush();
    CHECK(peer.next().size() == 8192);
    CHECK(sinks.on_stderr().empty());
}

TEST_CASE("log sinks: a syslogd that was started anew gets what came meanwhile") {
    const Directory dir;
    Sinks sinks;
    {
        const Peer peer(dir / "dev-log");
        sinks.configure({{SinkKind::syslog, dir / "dev-log"}});
        sinks.write("first");
        sinks.flush();
        CHECK(without_time(peer.next()) == "<30>ssh[812]: first");
    }
    sinks.write("second");
    CHECK(sinks.flush() == News{warning("syslog is not there: Connection refused")});
    CHECK(sinks.set->timeout(sinks.now) == 1000);
    const Peer peer(dir / "dev-log");
    sinks.flush();
    CHECK(peer.next().empty());  // it looks again after a second, not with every line
    sinks.now += std::chrono::seconds(1);
    sinks.flush();
    CHECK(without_time(peer.next()) == "<30>ssh[812]: second");
    sinks.now += std::chrono::seconds(10);
    CHECK(sinks.flush() == News{info("syslog works again")});
}

TEST_CASE("log sinks: a syslogd that is not there yet gets the first lines, stderr too") {
    const Directory dir;
    Sinks sinks;
    sinks.configure({{SinkKind::syslog, dir / "dev-log"}});
    sinks.write("early");
    CHECK(sinks.flush() == News{warning("syslog is not there: No such file or directory")});
    CHECK(sinks.on_stderr() == "T ssh[812]: early\n");
    const Peer peer(dir / "dev-log");
    sinks.now += std::chrono::seconds(40);
    sinks.flush();
    CHECK(without_time(peer.next()) == "<30>ssh[812]: early");
}

TEST_CASE("log sinks: a syslogd that does not read is not waited for") {
    const Directory dir;
    const Peer peer(dir / "dev-log");
    Sinks sinks;
    sinks.configure({{SinkKind::syslog, dir / "dev-log"}});
    for (int i = 0; i < 5000; ++i)
        sinks.write("line " + std::to_string(i));
    sinks.flush();
    CHECK(sinks.set->pending());
    int got = 0;
    for (std::string packet; got < 5000; sinks.flush()) {
        while (!(packet = peer.next()).empty())
            REQUIRE(without_time(packet) == "<30>ssh[812]: line " + std::to_string(got++));
    }
    CHECK_FALSE(sinks.set->pending());
}

namespace {

// Runs in a child with a /run of its own, where it can be journald; gives the datagram back.
int be_journald(int out) {
    const bool mounted = ::unshare(CLONE_NEWNS) == 0 &&
                         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                         ::mount("tmpfs", "/run", "tmpfs", 0, nullptr) == 0;
    if (!mounted) return 2;
    Sinks sinks;
    sinks.configure({{SinkKind::journal, ""}});
    sinks.write("early");
    if (sinks.flush() != News{warning("journal is not there: No such file or directory")})
        return 3;
    if (sinks.on_stderr() != "T ssh[812]: early\n") return 4;
    std::filesystem::create_directories("/run/systemd/journal");
    const Peer peer("/run/systemd/journal/socket");
    if (!peer.good()) return 5;
    sinks.now += std::chrono::seconds(40);
    sinks.set->write({5, "ssh", 0, 77, "line", "ssh REFUSE conn=1"});
    sinks.set->write({6, "", 0, 77, "line", "superd ready"});
    if (sinks.flush() != News{info("journal works again")}) return 6;
    for (int i = 0; i < 3; ++i)
        write_all(out, peer.next() + "--\n");
    for (int i = 0; i < 5000; ++i)
        sinks.write("flood " + std::to_string(i));
    sinks.flush();
    if (!sinks.set->pending()) return 7;  // nobody reads, and nobody waited
    int got = 0;
    for (; got < 5000; sinks.flush()) {
        for (std::string packet; !(packet = peer.next()).empty(); ++got)
            if (packet.find("MESSAGE=flood " + std::to_string(got) + "\n") != 0) return 8;
    }
    return 0;
}

}  // namespace

TEST_CASE("log sinks: the journal gets fields; without journald it is said once") {
    if (::geteuid() != 0) {
        skip("needs root for a mount namespace");
        return;
    }
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd read(ends[0]);
    Fd write(ends[1]);
    const int pid = ::fork();
    if (pid == 0) {
        int code = 99;
        try {
            code = be_journald(ends[1]);
        } catch (...) {
            code = 98;
        }
        ::_exit(code);
    }
    write.reset();
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (WEXITSTATUS(status) == 2) {
        skip("no mount namespace here");
        return;
    }
    CHECK(status == 0);
    CHECK(read_available(read.get()) ==
            "MESSAGE=early\nPRIORITY=6\nSYSLOG_IDENTIFIER=ssh\nSYSLOG_PID=812\nSYSLOG_FACILITY="
            "3\n"
            "SUPERD_SERVICE=ssh\n--\n"
            "MESSAGE=ssh REFUSE conn=1\nPRIORITY=5\nSYSLOG_IDENTIFIER=superd\nSYSLOG_PID=77\n"
            "SYSLOG_FACILITY=3\nSUPERD_SERVICE=ssh\n--\n"
            "MESSAGE=superd ready\nPRIORITY=6\nSYSLOG_IDENTIFIER=superd\nSYSLOG_PID=77\n"
            "SYSLOG_FACILITY=3\n--\n");
}
