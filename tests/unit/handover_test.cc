// SPDX-License-Identifier: MIT
// The way to another program: what is passed on the command line, which programs will not do,
// and what a process that only looks makes of a state.
#include "sys/handover.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/spawner.h"

#include "support/catch.h"
#include "support/launching.h"
#include "support/sockets.h"

namespace superd {
namespace {

using test::Scratch;

Fd memory(const std::string& bytes) {
    Fd file(::memfd_create("test", MFD_CLOEXEC));
    REQUIRE(::write(file.get(), bytes.data(), bytes.size()) ==
            static_cast<ssize_t>(bytes.size()));
    return file;
}

std::string refused(const std::string& path) {
    const auto good = check_program(path);
    return good ? "" : good.error().text();
}

std::string look(const std::string& text, const std::string& plan) {
    const Fd file = memory(text), plan_file = memory(plan);
    const auto found = look_at_inheritance(file.get(), plan_file.get());
    return found ? found->plan : found.error().operation;
}

}  // namespace

TEST_CASE("handover: the value of --resume reads back") {
    const Resume resume{12, 13, "it died, twice"};
    const auto back = Resume::parse(resume.value());
    REQUIRE(back);
    CHECK(back->text == 12);
    CHECK(back->former == 13);
    CHECK(back->failure == "it died, twice");
    CHECK(Resume::parse("12,-1,")->former == -1);
    for (const char* wrong :
            {"", "12", "12,13", ",,", "-1,3,", "x,3,", "99999999999,3,", "1,-2,"})
        CHECK_FALSE(Resume::parse(wrong));
}

TEST_CASE("handover: what is no program of superd's owner is refused with the reason") {
    const Scratch scratch;
    CHECK(refused("") == "\"\" is no absolute path");
    CHECK(refused("superd").find("is no absolute path") != std::string::npos);
    CHECK(refused(scratch / "none").find("No such file") != std::string::npos);
    CHECK(refused(scratch / ".").find("is no program") != std::string::npos);
    const std::string script = scratch / "script";
    const Fd file(::open(script.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
    REQUIRE(::write(file.get(), "#!/bin/sh\n", 10) == 10);
    CHECK(refused(script).find("is no ELF program") != std::string::npos);
    REQUIRE(::fchmod(file.get(), 0644) == 0);
    CHECK(refused(script).find("is no program") != std::string::npos);
    CHECK(refused("/proc/self/exe").find("root's alone") == std::string::npos);
    if (::geteuid() != 0) return;
    REQUIRE(::fchmod(file.get(), 0777) == 0);
    CHECK(refused(script).find("is not root's alone") != std::string::npos);
}

TEST_CASE("handover: a state is looked at without touching what it speaks of") {
    State state = State::for_test();
    REQUIRE(state.commit_plan("the plan"));
    const Beginning beginning{
            .arguments = {"superd"}, .environment = {}, .version = "1", .lock_fd = 99};
    const std::size_t before = test::open_descriptors();
    const std::string text = state_for_check(state, beginning);
    CHECK(look(text, "the plan") == "the plan");
    CHECK(test::open_descriptors() == before);
    CHECK(look(text, "the").find("read") != std::string::npos);
    CHECK(look(text.substr(0, text.size() - 3), "the plan") == "it is cut off");
    std::string other = text;
    other.replace(other.find("channels=1"), 10, "channels=9");
    CHECK(look(other, "the plan").find("speaks version 9 with its relays, this one 1") !=
            std::string::npos);
    std::string slots = text;
    const std::string low = "low=" + std::to_string(low_number);
    slots.replace(slots.find(low), low.size(), "low=" + std::to_string(low_number - 1));
    CHECK(look(slots, "the plan").find("launch slots") != std::string::npos);
    CHECK(test::open_descriptors() == before);
}

}  // namespace superd
