// SPDX-License-Identifier: MIT
#include "sys/state.h"

#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/spawner.h"

#include "support/catch.h"

using namespace superd;

TEST_CASE("state: everything is free at first and the tables do not overlap") {
    const State state = State::for_test({64, 16, 8, 32});
    REQUIRE(state.processes().size() == 64);
    REQUIRE(state.services().size() == 16);
    REQUIRE(state.listeners().size() == 8);
    REQUIRE(state.sources().size() == 32);
    for (ProcessRecord& record : state.processes()) {
        CHECK(record.state.load() == RecordState::free);
        record.id = ~std::uint64_t{0};
        record.local.pid = ~std::uint32_t{0};
    }
    for (ServiceRecord& record : state.services()) {
        CHECK(record.name[0] == '\0');
        record.orders = ~std::uint32_t{0};
        record.log_write = -1;
    }
    for (ListenerRecord& record : state.listeners())
        record.key[0] = 'x';
    for (const SourceEntry& entry : state.sources())
        CHECK(entry.source.family == Family::none);
    CHECK(state.processes().back().id == ~std::uint64_t{0});
    CHECK(state.services().front().orders == ~std::uint32_t{0});
    CHECK(state.header().low == static_cast<std::uint32_t>(low_number));
    CHECK(state.header().booted > 0);
}

TEST_CASE("state: two states do not share a seed") {
    const State a = State::for_test(), b = State::for_test();
    const auto seed = [](const State& state) {
        return std::string(reinterpret_cast<const char*>(state.header().source_seed), 16);
    };
    CHECK(seed(a) != seed(b));
}

TEST_CASE("state: tables that were never touched cost next to nothing") {
    const auto state = State::create({});
    REQUIRE(state);

    struct stat file {};

    REQUIRE(::fstat(state->fd(), &file) == 0);
    CHECK(file.st_size > 10'000'000);
    CHECK(file.st_blocks * 512 < 64 * 1024);
    CHECK(::fcntl(state->fd(), F_GETFD) == FD_CLOEXEC);
}

TEST_CASE("state: what another process writes is there, also after it was killed") {
    const auto state = State::create({16, 4, 4, 16});
    REQUIRE(state);
    const pid_t pid = ::fork();
    if (pid == 0) {
        state->processes()[3].id = 77;
        state->processes()[3].state = RecordState::left;
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(WIFSIGNALED(status));
    CHECK(state->processes()[3].id == 77);
    CHECK(state->processes()[3].state.load() == RecordState::left);
}

TEST_CASE("state: there is no plan before the first commit, then always the last one") {
    auto state = State::create({16, 4, 4, 16});
    REQUIRE(state);
    CHECK(state->committed_plan().value().empty());
    CHECK(state->commit_plan("first").value() == 1);
    CHECK(state->committed_plan().value() == "first");
    const std::string large(300'000, 'x');
    CHECK(state->commit_plan(large).value() == 2);
    CHECK(state->committed_plan().value() == large);
    CHECK(state->commit_plan("short").value() == 3);
    CHECK(state->committed_plan().value() == "short");
}

TEST_CASE("state: a plan that was written but not committed changes nothing") {
    auto state = State::create({16, 4, 4, 16});
    REQUIRE(state);
    REQUIRE(state->commit_plan("good"));
    // A kill in the middle of the next commit leaves the other buffer in any condition.
    const std::size_t other = (state->header().plan_sequence + 1) & 1;
    REQUIRE(::pwrite(state->header().plan_fd[other], "half", 4, 0) == 4);
    state->header().plan_size[other] = 1000;
    CHECK(state->committed_plan().value() == "good");
}

TEST_CASE("state: a buffer that is shorter than it says is an error, not half a plan") {
    auto state = State::create({16, 4, 4, 16});
    REQUIRE(state);
    REQUIRE(state->commit_plan("good"));
    state->header().plan_size[1] = 1000;
    CHECK_FALSE(state->committed_plan().has_value());
}

TEST_CASE("state: moved, it has one owner and closes its descriptors once") {
    int fd = -1;
    {
        auto made = State::create({16, 4, 4, 16});
        REQUIRE(made);
        fd = made->fd();
        State moved = std::move(*made);
        CHECK(moved.fd() == fd);
        made = State::create({16, 4, 4, 16});
        CHECK(moved.fd() == fd);
        moved.processes()[1].id = 5;
        CHECK(moved.processes()[1].id == 5);
    }
    CHECK(::fcntl(fd, F_GETFD) == -1);
}
