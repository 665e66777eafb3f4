// SPDX-License-Identifier: MIT
#include <chrono>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/archive.h"
#include "log/gzip.h"

#include "support/catch.h"
#include "support/log_program.h"

using namespace superd;
using namespace superd::test;

namespace {

Wall at(std::int64_t ms) {
    return Wall(std::chrono::milliseconds(ms));
}

Archive archive(const std::string& stamp, std::uint64_t size, ArchiveKind kind) {
    return {"log." + stamp + (kind == ArchiveKind::compressed ? ".gz" : ""), stamp, kind, size};
}

Fd open_directory(const Directory& dir) {
    return Fd(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

constexpr const char* first = "20261123T014802.114Z";
constexpr const char* second = "20261123T014802.115Z";
constexpr const char* third = "20261124T000000.000Z";

}  // namespace

TEST_CASE("log archive: a file that was ended is named after the time, to the millisecond") {
    CHECK(make_stamp(at(1'795'398'482'114), {}) == first);
    CHECK(make_stamp(at(0), {}) == "19700101T000000.000Z");
    CHECK(is_stamp(first));
    CHECK_FALSE(is_stamp("20261123T014802.114"));
    CHECK_FALSE(is_stamp("20261123-014802.114Z"));
}

TEST_CASE("log archive: with the clock set back a name still sorts behind the one before") {
    CHECK(make_stamp(at(0), first) == second);
    CHECK(make_stamp(at(1'795'398'482'114), first) == second);
    CHECK(make_stamp(at(1'795'398'482'120), first) == "20261123T014802.120Z");
    CHECK(next_stamp("20261123T235959.999Z") > "20261123T235959.999Z");
    CHECK(is_stamp(next_stamp("20261123T235959.999Z")));
    CHECK(make_stamp(at(0), "no stamp") == "19700101T000000.000Z");
}

TEST_CASE("log archive: only names that superd-log gives are taken for its files") {
    const auto kind = [](const std::string& entry) {
        const auto name = parse_archive("log", entry);
        return name ? static_cast<int>(name->kind) : -1;
    };
    const std::string plain = std::string("log.") + first;
    CHECK(kind(plain) == static_cast<int>(ArchiveKind::plain));
    CHECK(kind(plain + ".gz") == static_cast<int>(ArchiveKind::compressed));
    CHECK(kind(plain + ".gz.part-812") == static_cast<int>(ArchiveKind::unfinished));
    for (const std::string& other : {std::string("log"), std::string("log.1"), plain + "x",
                 plain + ".gz.part-", plain + ".gz.part-8x", plain + ".gz.part-12345678901",
                 "xlog." + std::string(first), "log-" + std::string(first)}) {
        CAPTURE(other);
        CHECK(kind(other) == -1);
    }
}

TEST_CASE("log archive: a directory's files come out oldest first, strangers and links not") {
    const Directory dir;
    for (const std::string& name : {std::string("log.") + third, std::string("log.") + first,
                 std::string("log"), std::string("log.1"), std::string("other.") + first})
        std::ofstream(dir / name) << "12345";
    std::filesystem::create_symlink(dir / "log", dir / (std::string("log.") + second));
    const Fd directory = open_directory(dir);
    const auto found = list_archives(directory.get(), "log");
    REQUIRE(found);
    const std::vector<Archive>& archives = *found;
    REQUIRE(archives.size() == 2);
    CHECK(archives[0].stamp == first);
    CHECK(archives[0].size == 5);
    CHECK(archives[1].stamp == third);
}

TEST_CASE(
        "log archive: what is beyond the number or the bytes to keep goes, the oldest first") {
    const std::vector<Archive> archives{archive(first, 100, ArchiveKind::compressed),
            archive(second, 100, ArchiveKind::plain), archive(third, 100, ArchiveKind::plain)};
    RotationPlan plan;
    CHECK(surplus_archives(archives, plan).empty());
    plan.keep = 2;
    CHECK(surplus_archives(archives, plan) == std::vector<std::string>{archives[0].name});
    plan.keep = 0;
    CHECK(surplus_archives(archives, plan).size() == 3);
    plan.keep = 10;
    plan.keep_size = 200;
    CHECK(surplus_archives(archives, plan) == std::vector<std::string>{archives[0].name});
    plan.keep_size = 99;
    CHECK(surplus_archives(archives, plan).size() == 3);
}

TEST_CASE(
        "log archive: a file being compressed counts once and what is unfinished not at all") {
    RotationPlan plan;
    plan.keep = 1;
    Archive part = archive(first, 1000, ArchiveKind::unfinished);
    part.name += ".gz.part-1";
    const std::vector<Archive> archives{archive(first, 100, ArchiveKind::plain), part,
            archive(first, 10, ArchiveKind::compressed)};
    CHECK(surplus_archives(archives, plan).empty());
}

TEST_CASE("gzip: a file becomes one that gunzip reads, with its mode; the first one goes") {
    const Directory dir;
    std::string text;
    for (int i = 0; i < 50000; ++i)
        text += "line " + std::to_string(i) + '\n';
    { std::ofstream(dir / "log") << text; }
    REQUIRE(::chmod((dir / "log").c_str(), 0640) == 0);
    const Fd directory = open_directory(dir);
    REQUIRE(gzip_file(directory.get(), "log"));
    CHECK_FALSE(std::filesystem::exists(dir / "log"));

    struct stat status {};

    REQUIRE(::stat((dir / "log.gz").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0640);
    CHECK(static_cast<std::size_t>(status.st_size) < text.size() / 3);
    const std::string unpack = "gzip -dc " + (dir / "log.gz") + " > " + (dir / "out");
    REQUIRE(std::system(unpack.c_str()) == 0);
    CHECK(read_file(dir / "out") == text);
}

TEST_CASE("gzip: what a process of the same number has left half done is no hindrance") {
    const Directory dir;
    { std::ofstream(dir / "log") << "text\n"; }
    { std::ofstream(dir / ("log.gz.part-" + std::to_string(::getpid()))) << "junk"; }
    const Fd directory = open_directory(dir);
    CHECK(gzip_file(directory.get(), "log"));
    CHECK(std::system(("gzip -t " + (dir / "log.gz")).c_str()) == 0);
    CHECK(std::distance(std::filesystem::directory_iterator(dir.path()),
                  std::filesystem::directory_iterator()) == 1);
}

TEST_CASE(
        "gzip: a file that somebody still writes stays, and so does one there is no room for") {
    const Directory dir;
    { std::ofstream(dir / "log") << "text\n"; }
    const Fd directory = open_directory(dir);
    {
        const Fd writer(::open((dir / "log").c_str(), O_WRONLY | O_CLOEXEC));
        REQUIRE(::flock(writer.get(), LOCK_SH | LOCK_NB) == 0);
        const auto busy = gzip_file(directory.get(), "log");
        REQUIRE_FALSE(busy);
        CHECK(busy.error().code == EBUSY);
    }
    std::filesystem::create_directory(dir / "log.gz");  // the name is taken by something else
    CHECK_FALSE(gzip_file(directory.get(), "log"));
    CHECK(read_file(dir / "log") == "text\n");
    CHECK(std::distance(std::filesystem::directory_iterator(dir.path()),
                  std::filesystem::directory_iterator()) == 2);
}
