// SPDX-License-Identifier: MIT
#include "log/log_file.h"

#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/sink_set.h"

#include "support/catch.h"
#include "support/log_program.h"

using namespace superd;
using namespace superd::test;

namespace {

constexpr std::uint64_t smallest = 4096;

SinkPlan rotated(const std::string& path) {
    SinkPlan plan{SinkKind::file, path};
    plan.rotation = RotationPlan{.size = smallest, .compress = false};
    return plan;
}

// A rotated file in a directory of its own.
struct Rotated {
    explicit Rotated(RotationPlan rotation) : plan(rotated(dir / "log")) {
        rotation.size = smallest;
        plan.rotation = rotation;
        reopen();
    }

    Rotated() : Rotated(*rotated("").rotation) {}

    void reopen() { file.emplace(plan, open_directory(), clock); }

    [[nodiscard]] Fd open_directory() const {
        auto directory = open_log_directory(dir.path(), std::nullopt);
        REQUIRE(directory);
        return std::move(*directory);
    }

    [[nodiscard]] std::vector<std::string> archives() const {
        std::vector<std::string> names;
        const Fd directory = open_directory();
        const auto list = list_archives(directory.get(), "log");
        REQUIRE(list);
        for (const Archive& archive : *list)
            names.push_back(archive.name);
        return names;
    }

    // Everything in order: the ended files, then the last one.
    [[nodiscard]] std::string all() const {
        std::string text;
        for (const std::string& name : archives())
            text += read_file(dir / name);
        return text + read_file(dir / "log");
    }

    FileOutcome write(const std::string& text, bool continues = false) {
        return file->write(text, continues);
    }

    Directory dir;
    FakeClock clock;
    SinkPlan plan;
    std::optional<LogFile> file;
};

std::string line(char c, std::size_t size) {
    return std::string(size - 1, c) + '\n';
}

}  // namespace

TEST_CASE("log file: it is ended before it is larger than its size, between two lines") {
    Rotated log;
    std::string text;
    for (int i = 0; i < 1000; ++i)
        text += "line " + std::to_string(i) + '\n';
    const auto outcome = log.write(text);
    CHECK(outcome.error == 0);
    CHECK(outcome.consumed == text.size());
    CHECK(log.all() == text);
    const auto archives = log.archives();
    CHECK(archives.size() == text.size() / smallest);
    for (const std::string& name : archives) {
        const std::string ended = read_file(log.dir / name);
        CHECK(ended.size() <= smallest);
        CHECK(ended.back() == '\n');
    }
    REQUIRE(outcome.kept);
    CHECK(outcome.kept->plain.empty());  // nothing is to be compressed
    CHECK(outcome.kept->oldest == archives.front().substr(4));
}

TEST_CASE("log file: a line longer than a whole file has one of its own") {
    Rotated log;
    const std::string text = line('a', 10) + line('b', 2 * smallest) + line('c', 10);
    CHECK(log.write(text).consumed == text.size());
    const auto archives = log.archives();
    REQUIRE(archives.size() == 2);
    CHECK(read_file(log.dir / archives[0]) == line('a', 10));
    CHECK(read_file(log.dir / archives[1]) == line('b', 2 * smallest));
    CHECK(read_file(log.dir / "log") == line('c', 10));
}

TEST_CASE("log file: what was ended is kept up to its number and its bytes") {
    RotationPlan plan{.keep = 2, .compress = false};
    SECTION("number") {}
    SECTION("bytes") {
        plan.keep = 100;
        plan.keep_size = 2 * smallest;
    }
    Rotated log(plan);
    for (char c = 'a'; c < 'h'; ++c)
        CHECK(log.write(line(c, smallest)).error == 0);
    const auto archives = log.archives();
    REQUIRE(archives.size() == 2);
    CHECK(read_file(log.dir / archives[0]) == line('e', smallest));
    CHECK(read_file(log.dir / archives[1]) == line('f', smallest));
    CHECK(read_file(log.dir / "log") == line('g', smallest));
}

TEST_CASE("log file: it is ended when it is too old, unless nothing is in it") {
    RotationPlan plan{.age = std::chrono::hours(1), .compress = false};
    Rotated log(plan);
    const auto first = log.write("one\n");
    REQUIRE(first.due);
    CHECK(*first.due == log.clock.now() + std::chrono::hours(1));
    log.clock.advance(std::chrono::minutes(59));
    CHECK(log.file->tend().error == 0);
    CHECK(log.archives().empty());
    log.clock.advance(std::chrono::minutes(1));
    CHECK(log.file->tend().error == 0);
    REQUIRE(log.archives().size() == 1);
    CHECK(read_file(log.dir / "log").empty());
    log.clock.advance(std::chrono::hours(2));
    CHECK(log.file->tend().error == 0);
    CHECK(log.archives().size() == 1);
    CHECK(log.write("two\n").error == 0);
    CHECK(log.archives().size() == 1);
    CHECK(read_file(log.dir / "log") == "two\n");
}

TEST_CASE("log file: a name that is taken is not overwritten, be the clock set back") {
    Rotated log;
    for (char c = 'a'; c < 'e'; ++c) {
        CHECK(log.write(line(c, smallest)).error == 0);
        log.clock.set_wall(log.clock.wall() - std::chrono::hours(24));
    }
    log.reopen();  // a superd-log that knows of none
    CHECK(log.write(line('e', smallest)).error == 0);
    CHECK(log.archives().size() == 4);
    CHECK(log.all() == line('a', smallest) + line('b', smallest) + line('c', smallest) +
                               line('d', smallest) + line('e', smallest));
}

TEST_CASE("log file: half a line of a killed superd-log gets its end, the next line its own") {
    Rotated log;
    { std::ofstream(log.dir / "log") << "half a li"; }
    CHECK(log.write("whole\n").consumed == 6);
    CHECK(read_file(log.dir / "log") == "half a li\nwhole\n");
}

TEST_CASE("log file: one that was moved away is begun anew") {
    Rotated log;
    CHECK(log.write("one\n").error == 0);
    std::filesystem::rename(log.dir / "log", log.dir / "log.1");
    log.clock.advance(std::chrono::seconds(1));
    CHECK(log.write("two\n").error == 0);
    CHECK(read_file(log.dir / "log.1") == "one\n");
    CHECK(read_file(log.dir / "log") == "two\n");
}

TEST_CASE(
        "log file: without its directory nothing is written, and with it again everything is") {
    Rotated log;
    CHECK(log.write("one\n").error == 0);
    std::filesystem::remove_all(log.dir.path());
    log.clock.advance(std::chrono::seconds(1));
    const auto gone = log.write("two\n");
    CHECK(gone.error == ENOENT);
    CHECK(gone.consumed == 0);
    CHECK_FALSE(gone.open);
    std::filesystem::create_directory(log.dir.path());
    log.reopen();
    CHECK(log.write("two\n").error == 0);
    CHECK(read_file(log.dir / "log") == "two\n");
}

TEST_CASE("log file: a link, a FIFO or a file with two names is not written to") {
    Rotated log;
    { std::ofstream(log.dir / "precious") << "precious"; }
    SECTION("link") {
        std::filesystem::create_symlink("precious", log.dir / "log");
    }
    SECTION("second name") {
        std::filesystem::create_hard_link(log.dir / "precious", log.dir / "log");
    }
    SECTION("FIFO") {
        REQUIRE(::mkfifo((log.dir / "log").c_str(), 0600) == 0);
    }
    const auto outcome = log.write("one\n");
    CHECK(outcome.error != 0);
    CHECK(outcome.consumed == 0);
    CHECK(read_file(log.dir / "precious") == "precious");
}

TEST_CASE("log file: who leaves ends no file any more") {
    Rotated log;
    CHECK(log.write(line('a', smallest)).error == 0);
    log.file->leave();
    CHECK(log.write(line('b', smallest)).error == 0);
    CHECK(log.archives().empty());
    CHECK(read_file(log.dir / "log").size() == 2 * smallest);
}

TEST_CASE("log file: what a killed superd-log had half compressed is thrown away") {
    Rotated log;
    const std::string stamp = "20261123T014802.114Z";
    { std::ofstream(log.dir / ("log." + stamp)) << "old\n"; }
    { std::ofstream(log.dir / ("log." + stamp + ".gz.part-1")) << "junk"; }
    CHECK(log.write("one\n").error == 0);
    CHECK(log.archives() == std::vector<std::string>{"log." + stamp});
}

TEST_CASE("file sink: ended files are compressed, and all sinks together keep their bound") {
    Directory dir;
    FakeClock clock;
    InlineFileJobs jobs;
    std::filesystem::create_directories(dir / "a");
    std::filesystem::create_directories(dir / "b");
    SinkPlan a = rotated(dir / "a/log"), b = rotated(dir / "b/log");
    a.rotation->compress = true;
    SinkSet set(-1, {jobs, clock});
    for (const SinkPlan* plan : {&a, &b}) {
        auto directory =
                open_log_directory(plan->path.substr(0, plan->path.rfind('/')), std::nullopt);
        REQUIRE(directory);
        set.open(*plan, std::move(*directory), clock.now());
    }
    set.route("a", {a});
    set.route("b", {b});
    ConfigFrame config;
    config.keep_size = 3 * smallest;
    set.configure(config, {}, clock.now());
    std::vector<SinkNews> news;
    const std::string text(smallest - 1, 'x');
    for (int i = 0; i < 8; ++i) {
        for (const char* service : {"a", "b"})
            set.write({6, service, 1, 1, text, text});
        for (int turn = 0; turn < 8; ++turn)
            set.flush(clock.now(), news);
        clock.advance(std::chrono::seconds(1));
    }
    CHECK(news.empty());
    std::uint64_t bytes = 0;
    std::size_t zipped = 0, plain = 0;
    for (const std::string& folder : {dir / "a", dir / "b"})
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            if (entry.path().filename() == "log") continue;
            bytes += entry.file_size();
            (entry.path().extension() == ".gz" ? zipped : plain) += 1;
        }
    CHECK(bytes <= 3 * smallest);
    CHECK(plain >= 2);
    CHECK(zipped >= 2);
}

TEST_CASE(
        "file sink: what a full disk does not take is counted for the service, oldest first") {
    FakeClock clock;
    InlineFileJobs jobs;
    LogTally one{}, two{};
    FileSink sink({SinkKind::file, "log"}, Fd(::open("/dev/full", O_WRONLY | O_CLOEXEC)),
            {jobs, clock});
    const std::string text(999, 'x');
    for (int i = 0; i < 2000; ++i) {
        sink.write({6, "a", 1, 1, text, text, nullptr, i < 100 ? &one : &two});
        sink.flush(clock.now());
    }
    const auto room = FileSink::bound / 1000;
    CHECK(one.lost == 100);
    CHECK(two.lost == 1900 - room);
    CHECK(sink.lost() == 2000 - room);
    const Directory dir;
    sink.replace({SinkKind::file, "log"}, std::move(*open_log_file(dir / "log")), clock.now());
    sink.flush(clock.now());
    CHECK(lines_of(read_file(dir / "log")).size() == room);
}

TEST_CASE(
        "file sink: a file that is too old and cannot be ended is tried again after a while") {
    Directory dir;
    FakeClock clock;
    InlineFileJobs jobs;
    std::filesystem::create_directories(dir / "logs");
    SinkPlan plan = rotated(dir / "logs/log");
    plan.rotation->age = std::chrono::hours(1);
    auto directory = open_log_directory(dir / "logs/", std::nullopt);
    REQUIRE(directory);
    FileSink sink(plan, std::move(*directory), {jobs, clock});
    sink.write({6, "a", 1, 1, "line", "line"});
    sink.flush(clock.now());
    CHECK(sink.timeout(clock.now()) == 3'600'000);
    std::filesystem::remove_all(dir / "logs");
    clock.advance(std::chrono::hours(1));
    CHECK(sink.timeout(clock.now()) == 0);
    sink.flush(clock.now());
    CHECK_FALSE(sink.works());
    CHECK(sink.timeout(clock.now()) == 1000);
}

TEST_CASE("file sink: a line that was torn by another file is counted for its service") {
    const Directory dir;
    FakeClock clock;
    InlineFileJobs jobs;
    LogTally tally{};
    int ends[2] = {-1, -1};
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd reader(ends[0]);
    REQUIRE(::fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    FileSink sink({SinkKind::file, "log"}, Fd(ends[1]), {jobs, clock});
    const std::string text(6000, 'x');
    sink.write({6, "a", 1, 1, text, text, nullptr, &tally});
    sink.flush(clock.now());
    sink.write({6, "a", 1, 1, "next", "next", nullptr, &tally});
    sink.replace({SinkKind::file, "log"}, std::move(*open_log_file(dir / "log")), clock.now());
    CHECK(read_file(dir / "log") == "next\n");
    CHECK(sink.lost() == 1);
    CHECK(tally.lost == 1);
}

namespace {

// Does nothing until it is told to.
class HeldJobs final : public FileJobs {
public:
    void post(Key, Work work, Work done) override {
        held_.emplace_back(std::move(work), std::move(done));
    }

    void run() {
        for (const auto& [work, done] : std::exchange(held_, {})) {
            work();
            done();
        }
    }

private:
    std::vector<std::pair<Work, Work>> held_;
};

}  // namespace

TEST_CASE("log sinks: a file that nobody names any more still gets what waits for it") {
    const Directory dir;
    FakeClock clock;
    HeldJobs jobs;
    SinkSet set(-1, {jobs, clock});
    const SinkPlan plan{SinkKind::file, dir / "log"};
    set.open(plan, std::move(*open_log_file(plan.path)), clock.now());
    set.route("a", {plan});
    set.configure({}, {}, clock.now());
    jobs.run();
    std::vector<SinkNews> news;
    set.write({6, "a", 1, 1, "one", "one"});
    set.flush(clock.now(), news);
    set.write({6, "a", 1, 1, "two", "two"});  // while "one" is being written
    set.route("a", {});
    set.configure({}, {}, clock.now());
    CHECK(set.size() == 1);
    for (int i = 0; i < 3; ++i) {
        jobs.run();
        set.flush(clock.now(), news);
    }
    CHECK(read_file(plan.path) == "one\ntwo\n");
    CHECK(set.size() == 0);
}
