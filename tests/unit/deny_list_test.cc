// SPDX-License-Identifier: MIT
// The file of the addresses that are kept out: what it survives, and what it does not grow to.
#include "engine/deny_list.h"

#include <fstream>
#include <sstream>

#include <sys/stat.h>

#include "support/catch.h"
#include "support/log_program.h"

namespace superd {
namespace {

const Wall now{std::chrono::seconds(1500)};

Source source(const char* text) {
    return parse_source(text).value();
}

Denial denial(const char* address, std::int64_t until = 2000) {
    return {source(address), 1000, until, "superctl", "probing ports"};
}

std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

DenyList loaded(const std::string& path) {
    DenyList list(path);
    REQUIRE(list.load(now));
    return list;
}

}  // namespace

TEST_CASE(
        "deny list: what was added and taken off is so after a kill, without an orderly end") {
    const test::Directory folder;
    const std::string path = folder / "denied";
    DenyList list = loaded(path);
    REQUIRE(list.add(denial("198.51.100.7"), now));
    REQUIRE(list.add(denial("2001:db8::1", 0), now));
    REQUIRE(list.add(denial("192.0.2.1"), now));
    bool found = false;
    REQUIRE(list.remove(source("192.0.2.1"), found));
    CHECK(found);
    REQUIRE(list.remove(source("192.0.2.9"), found));
    CHECK_FALSE(found);

    DenyList next = loaded(path);
    const auto all = next.in_force(now);
    REQUIRE(all.size() == 2);
    CHECK(all[0] == denial("198.51.100.7"));
    CHECK(all[1] == denial("2001:db8::1", 0));

    REQUIRE(next.clear());
    CHECK(loaded(path).denials().empty());
}

TEST_CASE("deny list: what is over is gone with the next start") {
    const test::Directory folder;
    const std::string path = folder / "denied";
    DenyList list = loaded(path);
    REQUIRE(list.add(denial("198.51.100.7", 1501), now));
    DenyList next(path);
    REQUIRE(next.load(now + std::chrono::seconds(1)));
    CHECK(next.denials().empty());
}

TEST_CASE("deny list: strange and broken lines cost themselves alone, and are said") {
    const test::Directory folder;
    const std::string path = folder / "denied";
    std::ofstream(path) << "+ " << format_denial(denial("198.51.100.7")) << "\nnonsense\n+ 192";
    DenyList list(path);
    const auto done = list.load(now);
    REQUIRE_FALSE(done);
    CHECK(done.error().text().find("2 lines") != std::string::npos);
    CHECK(list.denials().all().size() == 1);
    CHECK(content(path) == "+ " + format_denial(denial("198.51.100.7")) + "\n");
    REQUIRE(list.add(denial("192.0.2.1"), now));
    CHECK(loaded(path).denials().all().size() == 2);
}

TEST_CASE("deny list: the file is superd's alone and does not grow without end") {
    const test::Directory folder;
    const std::string path = folder / "denied";
    DenyList list = loaded(path);
    for (int i = 0; i < 10'000; ++i)
        REQUIRE(list.add(denial("198.51.100.7"), now));

    struct stat facts {};

    REQUIRE(::stat(path.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777) == 0600);
    CHECK(facts.st_size < 100'000);
    CHECK(loaded(path).denials().all().size() == 1);
}

TEST_CASE("deny list: an address is kept out even where nothing can be written down") {
    DenyList list("/nonexistent/denied");
    CHECK(list.load(now));
    CHECK_FALSE(list.add(denial("198.51.100.7"), now));
    CHECK(list.denials().all().size() == 1);
}

}  // namespace superd
