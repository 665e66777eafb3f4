// SPDX-License-Identifier: MIT
#include <cerrno>

#include <sys/mman.h>
#include <unistd.h>

#include "log/board.h"

#include "support/catch.h"

using namespace superd;

TEST_CASE("log board: what one counts the other sees, each service in its place") {
    const auto file = make_log_board(4);
    REQUIRE(file);
    const auto ours = LogBoard::map(file->get()), theirs = LogBoard::map(file->get());
    REQUIRE(ours);
    REQUIRE(theirs);
    for (std::uint32_t place = 0; place < 4; ++place)
        REQUIRE(ours->at(place) != nullptr);
    CHECK(ours->at(4) == nullptr);
    CHECK(ours->at(~0U) == nullptr);
    theirs->at(3)->lines += 7;
    theirs->at(3)->lost += 2;
    theirs->own()->lost += 1;
    CHECK(ours->at(3)->lines == 7);
    CHECK(ours->at(3)->lost == 2);
    CHECK(ours->at(2)->lines == 0);
    CHECK(ours->own()->lost == 1);
    ours->clear(3);
    CHECK(theirs->at(3)->lines == 0);
    CHECK(theirs->at(3)->lost == 0);
}

TEST_CASE("log board: neither side can cut the memory under the other") {
    const auto file = make_log_board(1);
    REQUIRE(file);
    CHECK(::ftruncate(file->get(), 0) != 0);
    CHECK(::ftruncate(file->get(), 1 << 20) != 0);
}

TEST_CASE("log board: another file is none") {
    const Fd unsealed(::memfd_create("x", MFD_CLOEXEC));
    REQUIRE(::ftruncate(unsealed.get(), 4096) == 0);
    const auto wrong = LogBoard::map(unsealed.get());
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code == EINVAL);
    CHECK_FALSE(LogBoard::map(-1));
    const LogBoard none;
    CHECK(none.at(0) == nullptr);
    CHECK(none.own() == nullptr);
    none.clear(0);
}
