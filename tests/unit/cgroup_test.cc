// SPDX-License-Identifier: MIT
#include "sys/cgroup.h"

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include "support/catch.h"
#include "support/skip.h"
#include "support/wait_until.h"

using namespace superd;
using namespace superd::test;

TEST_CASE("cgroup: where the hierarchy is mounted, and which group is one's own") {
    CHECK(cgroup_mount_in("25 1 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n") ==
            "/sys/fs/cgroup");
    CHECK(cgroup_mount_in("25 1 0:22 / /mnt/a\\040b rw shared:4 - cgroup2 x rw\n") ==
            "/mnt/a b");
    CHECK(cgroup_mount_in("25 1 0:22 /part /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n").empty());
    CHECK(cgroup_mount_in("25 1 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n")
                    .empty());
    CHECK(own_cgroup_in("1:cpu:/x\n0::/a/b\n") == "/a/b");
    CHECK(own_cgroup_in("1:cpu:/x\n").empty());
}

TEST_CASE("cgroup: counts and pressures are read from the kernel's files") {
    CHECK(count_in("low 1\noom 3\noom_kill 2\n", "oom_kill") == std::uint64_t{2});
    CHECK(count_in("oom_kill_disable 0\n", "oom_kill") == std::nullopt);
    CHECK(count_in("oom_kill many\n", "oom_kill") == std::nullopt);
    CHECK(count_in("", "oom_kill") == std::nullopt);
    const auto share = pressure_in(
            "some avg10=1.25 avg60=0.00 avg300=0.00 total=1\n"
            "full avg10=7.00 avg60=0.00 avg300=0.00 total=1\n");
    REQUIRE(share);
    CHECK(*share == Approx(1.25));
    for (const char* text :
            {"", "full avg10=1.00 avg60=0.00\n", "some avg10=x\n", "some avg10="})
        CHECK_FALSE(pressure_in(text));
}

TEST_CASE("cgroup: a controller counts for each service, and a bound is written") {
    const auto tree = CgroupTree::find("superd-unit-bound-" + std::to_string(::getpid()));
    if (!tree) return skip("no writable cgroup v2 here");
    CHECK_FALSE(tree->read("a", "cgroup.controllers"));
    REQUIRE(tree->open("a/0"));
    // Of those that cost nothing when they are switched on, any that there is.
    const auto found = tree->read("..", "cgroup.controllers").value_or("");
    const bool any = found.find("hugetlb") != std::string::npos;
    if (any) {
        CHECK(tree->enable("hugetlb").has_value());
        CHECK(tree->enable("hugetlb").has_value());
        CHECK(tree->read("a", "cgroup.controllers") == "hugetlb\n");
        CHECK(tree->write("a", "hugetlb.2MB.max", "0").has_value());
        CHECK(tree->read("a", "hugetlb.2MB.max") == "0\n");
    }
    CHECK_FALSE(tree->enable("nonexistent"));
    CHECK_FALSE(tree->write("a", "no.such.file", "1"));
    CHECK(tree->read("a", "cpu.stat").has_value());
    tree->remove_empty();
    CHECK(::access(tree->path().c_str(), F_OK) != 0);
    if (!any) skip("no controller to try here");
}

TEST_CASE("cgroup: a group's processes are told and ended, and it goes when it is empty") {
    const auto tree = CgroupTree::find("superd-unit-" + std::to_string(::getpid()));
    if (!tree) return skip("no writable cgroup v2 here");
    CHECK(tree->processes("a/0").empty());
    const auto directory = tree->open("a/0");
    REQUIRE(directory);
    const pid_t child = ::fork();
    if (child == 0)
        for (;;)
            ::pause();
    const std::string joined = tree->path_of("a/0") + "/cgroup.procs";
    std::FILE* const file = std::fopen(joined.c_str(), "we");
    if (file == nullptr) FAIL("cgroup.procs");
    std::fprintf(file, "%d\n", child);
    CHECK(std::fclose(file) == 0);
    CHECK(tree->processes("a/0") == std::vector<pid_t>{child});
    CHECK(tree->signal("a/0", SIGCONT) == 1);
    CHECK(tree->kill("a/0").has_value());
    int status = 0;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    tree->remove_empty();
    CHECK(::access(tree->path().c_str(), F_OK) != 0);
}
