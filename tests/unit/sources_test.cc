// SPDX-License-Identifier: MIT
#include "policy/sources.h"

#include <array>
#include <map>
#include <random>
#include <vector>

#include "policy/siphash.h"

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

const Mono now{1h};
const std::array<std::uint8_t, 16> seed{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

Source source_of(std::uint32_t v4) {
    Endpoint peer;
    peer.family = Family::ip;
    peer.ip = IpAddress::v4(v4);
    return Source::of(peer);
}

struct Table {
    explicit Table(std::size_t size) : memory(size), table(memory, seed) {}

    std::vector<SourceEntry> memory;
    SourceTable table;
};

}  // namespace

TEST_CASE("siphash: the reference vectors of its authors") {
    SipKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
    std::array<std::uint8_t, 15> bytes{};
    for (std::uint8_t i = 0; i < bytes.size(); ++i)
        bytes[i] = i;
    CHECK(siphash(key, std::span(bytes).first(0)) == 0x726fdb47dd0e0e31);
    CHECK(siphash(key, std::span(bytes).first(1)) == 0x74f839c593dc67fd);
    CHECK(siphash(key, std::span(bytes).first(8)) == 0x93f5f5799a932462);
    CHECK(siphash(key, bytes) == 0xa129ca6149be45e5);
}

TEST_CASE("sources: one entry for each source and service") {
    Table t(64);
    const auto a = t.table.find_or_make(source_of(1), 1, now);
    const auto b = t.table.find_or_make(source_of(1), 2, now);
    const auto c = t.table.find_or_make(source_of(2), 1, now);
    REQUIRE(a);
    REQUIRE(b);
    REQUIRE(c);
    CHECK(*a != *b);
    CHECK(*a != *c);
    CHECK(t.table.find_or_make(source_of(1), 1, now) == a);
    CHECK(t.table.find(source_of(1), 2) == b);
    CHECK_FALSE(t.table.find(source_of(3), 1));
}

TEST_CASE("sources: nobody is no source") {
    Table t(16);
    CHECK_FALSE(t.table.find_or_make(Source{}, 1, now));
}

TEST_CASE(
        "sources: a place that holds a connection or a penalty is never taken, an idle one "
        "is") {
    Table t(16);  // as large as the neighbourhood
    for (std::uint32_t i = 0; i < 16; ++i) {
        const auto place = t.table.find_or_make(source_of(i), 1, now);
        REQUIRE(place);
        if (i % 2 == 0)
            t.table.at(*place).active = 1;
        else
            t.table.at(*place).penalised_until = (now + 1min).time_since_epoch().count();
    }
    CHECK_FALSE(t.table.find_or_make(source_of(100), 1, now));
    // A penalty that is over protects no more, and the entry comes back clean.
    const auto place = t.table.find_or_make(source_of(100), 1, now + 2min);
    REQUIRE(place);
    CHECK(t.table.at(*place).penalised_until == 0);
    CHECK(t.table.at(*place).active == 0);
    for (std::uint32_t i = 0; i < 16; i += 2)
        CHECK(t.table.find(source_of(i), 1));
}

TEST_CASE("sources: of the idle ones the one used longest ago gives way") {
    Table t(16);
    for (std::uint32_t i = 0; i < 16; ++i)
        t.table.at(*t.table.find_or_make(source_of(i), 1, now)).tokens_at = 1000 - i;
    REQUIRE(t.table.find_or_make(source_of(100), 1, now));
    CHECK_FALSE(t.table.find(source_of(15), 1));
    for (std::uint32_t i = 0; i < 15; ++i)
        CHECK(t.table.find(source_of(i), 1));
}

TEST_CASE("sources: forgetting a service leaves the others, a new superd counts anew") {
    Table t(256);
    for (std::uint32_t i = 0; i < 20; ++i) {
        t.table.at(*t.table.find_or_make(source_of(i), 1, now)).active = 3;
        t.table.at(*t.table.find_or_make(source_of(i), 2, now)).active = 4;
        t.table.at(*t.table.find(source_of(i), 2)).tokens_at = 7;
    }
    t.table.forget_service(1);
    t.table.reset_active();
    for (std::uint32_t i = 0; i < 20; ++i) {
        CHECK_FALSE(t.table.find(source_of(i), 1));
        const auto kept = t.table.find(source_of(i), 2);
        REQUIRE(kept);
        CHECK(t.table.at(*kept).active == 0);
        CHECK(t.table.at(*kept).tokens_at == 7);
    }
}

TEST_CASE("sources: counts agree with a plain map while there is room") {
    Table t(4096);
    std::map<std::uint32_t, std::uint32_t> model;
    std::mt19937 random(7);
    for (int step = 0; step < 20000; ++step) {
        const auto address = static_cast<std::uint32_t>(random() % 800);
        const auto place = t.table.find_or_make(source_of(address), 9, now);
        REQUIRE(place);
        SourceEntry& entry = t.table.at(*place);
        REQUIRE(entry.active == model[address]);
        if (entry.active > 0 && random() % 2 == 0) {
            --entry.active;
            --model[address];
        } else {
            ++entry.active;
            ++model[address];
        }
    }
}

TEST_CASE("sources: another seed puts them elsewhere") {
    std::vector<SourceEntry> one(4096), two(4096);
    auto other = seed;
    other[0] = 99;
    SourceTable a(one, seed), b(two, other);
    int same = 0;
    for (std::uint32_t i = 0; i < 100; ++i)
        same += a.find_or_make(source_of(i), 1, now) == b.find_or_make(source_of(i), 1, now);
    CHECK(same < 10);
}
