// SPDX-License-Identifier: MIT
// Folders and credentials of a service, and the copy of the last accepted plan.
#include "engine/directories.h"

#include <fstream>
#include <sstream>

#include <sys/stat.h>

#include "config/codec.h"
#include "config/config.h"
#include "engine/last_good.h"

#include "support/catch.h"
#include "support/sockets.h"

namespace superd {
namespace {

struct Place {
    test::Scratch scratch;
    Prefixes prefixes{scratch / "run", scratch / "lib", scratch / "cache", scratch / "logs",
            scratch / "credentials"};
};

int mode_of(const std::string& path) {
    struct stat facts {};

    return ::stat(path.c_str(), &facts) == 0 ? static_cast<int>(facts.st_mode & 07777) : -1;
}

std::string content_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("directories: each is made below its prefix, 0755; no descriptor stays open") {
    const std::size_t before = test::open_descriptors();
    {
        const Place place;
        ServicePlan plan;
        plan.exec.runtime_directory = {"one", "deep/er"};
        plan.exec.state_directory = plan.exec.cache_directory =
                plan.exec.logs_directory = {"s"};
        CHECK(make_directories(plan, place.prefixes).empty());
        for (const char* path :
                {"run/one", "run/deep", "run/deep/er", "lib/s", "cache/s", "logs/s"}) {
            INFO(path);
            CHECK(mode_of(place.scratch / path) == 0755);
        }
    }
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("directories: what is there keeps the mode that its administrator gave it") {
    const Place place;
    ServicePlan plan;
    plan.exec.state_directory = {"s"};
    REQUIRE(make_directories(plan, place.prefixes).empty());
    REQUIRE(::chmod((place.scratch / "lib/s").c_str(), 0750) == 0);
    CHECK(make_directories(plan, place.prefixes).empty());
    CHECK(mode_of(place.scratch / "lib/s") == 0750);
}

TEST_CASE(
        "directories: a symbolic link on the way is not followed, and all failures are told") {
    const Place place;
    REQUIRE(::mkdir((place.scratch / "run").c_str(), 0755) == 0);
    REQUIRE(::mkdir((place.scratch / "elsewhere").c_str(), 0755) == 0);
    REQUIRE(::symlink((place.scratch / "elsewhere").c_str(),
                    (place.scratch / "run/link").c_str()) == 0);
    std::ofstream(place.scratch / "run/file") << "x";
    ServicePlan plan;
    plan.exec.runtime_directory = {"link/inside", "link", "file", "good"};
    const auto errors = make_directories(plan, place.prefixes);
    CHECK(errors.size() == 3);
    CHECK(mode_of(place.scratch / "elsewhere/inside") == -1);
    CHECK(mode_of(place.scratch / "run/good") == 0755);
}

TEST_CASE(
        "directories: credentials are copies that only their service reads, made anew, taken "
        "away") {
    const Place place;
    std::ofstream(place.scratch / "secret") << "one";
    ServicePlan plan;
    plan.name = "s";
    plan.exec.credentials = {{"pin", place.scratch / "secret"}};
    REQUIRE(make_directories(plan, place.prefixes).empty());
    const std::string copy = place.scratch / "credentials/s/pin";
    CHECK(content_of(copy) == "one");
    CHECK(mode_of(copy) == 0400);
    CHECK(mode_of(place.scratch / "credentials/s") == 0500);
    std::ofstream(place.scratch / "secret") << "two";
    REQUIRE(make_directories(plan, place.prefixes).empty());
    CHECK(content_of(copy) == "two");
    remove_credentials("s", place.prefixes);
    CHECK(mode_of(place.scratch / "credentials/s") == -1);
    remove_credentials("s", place.prefixes);  // once more does no harm

    plan.exec.credentials = {{"pin", place.scratch / "missing"}};
    const auto errors = make_directories(plan, place.prefixes);
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].code == ENOENT);
    CHECK(errors[0].subject == place.scratch / "missing");
}

TEST_CASE("last good: a plan that was kept comes back whole, with its files beside it") {
    const Place place;
    Plan plan;
    plan.files = {place.scratch / "superd.toml", place.scratch / "gone.toml"};
    std::ofstream(plan.files[0]) << "[superd]\n";
    auto service = std::make_shared<ServicePlan>();
    service->name = "one";
    plan.services.push_back(service);
    const std::string folder = place.scratch / "";
    CHECK_FALSE(load_last_good(folder));
    REQUIRE(keep_last_good(folder, plan, encode_plan(plan)));
    const auto back = load_last_good(folder);
    REQUIRE(back);
    CHECK(back->files == plan.files);
    REQUIRE(back->services.size() == 1);
    CHECK(*back->services[0] == *service);
    CHECK(content_of(place.scratch / "last-good/0-superd.toml") == "[superd]\n");
    CHECK(mode_of(place.scratch / "last-good/plan") == 0600);
    CHECK(mode_of(place.scratch / "last-good") == 0700);
}

TEST_CASE("last good: the kept files make the plan anew where the plan cannot be read") {
    const Place place;
    const std::string main = place.scratch / "superd.toml";
    const std::string shop = place.scratch / "d/a shop.toml";
    REQUIRE(::mkdir((place.scratch / "d").c_str(), 0755) == 0);
    std::ofstream(main) << "include = [\"d/*.toml\"]\n[service.one]\nexec = [\"/bin/true\"]\n";
    std::ofstream(shop) << "[service.shop]\nexec = [\"/bin/true\"]\n";
    ReadOptions options;
    options.path = main;
    const ReadResult good = read_config(options);
    REQUIRE(good.plan);
    const std::string folder = place.scratch / "";
    REQUIRE(keep_last_good(folder, *good.plan, "of another version"));
    CHECK_FALSE(load_last_good(folder));

    // Neither what the files say now counts, nor a file that was not there then.
    std::ofstream(main) << "broken";
    std::ofstream(shop) << "[service.shop]\nexec = [\"/bin/false\"]\n";
    std::ofstream(place.scratch / "d/later.toml") << "broken";
    options.copies = last_good_folder(folder);
    const ReadResult kept = read_config(options);
    INFO(render(kept.diagnostics));
    REQUIRE(kept.plan);
    CHECK(kept.plan->files == good.plan->files);
    REQUIRE(kept.plan->services.size() == 2);
    for (std::size_t i = 0; i < 2; ++i)
        CHECK(*kept.plan->services[i] == *good.plan->services[i]);
    options.copies = place.scratch / "nowhere";
    CHECK_FALSE(read_config(options).plan);
}

TEST_CASE("last good: a plan file that was cut short gives nothing") {
    const Place place;
    Plan plan;
    plan.files = {"/nonexistent/superd.toml"};
    const std::string folder = place.scratch / "";
    REQUIRE(keep_last_good(folder, plan, encode_plan(plan)));
    const std::string path = place.scratch / "last-good/plan";
    const auto size = static_cast<off_t>(content_of(path).size());
    for (off_t length = 0; length < size; ++length) {
        REQUIRE(::truncate(path.c_str(), size - 1 - length) == 0);
        INFO(size - 1 - length);
        CHECK_FALSE(load_last_good(folder));
    }
}

}  // namespace superd
