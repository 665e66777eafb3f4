// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include "log/ring.h"

#include "support/catch.h"

using namespace superd;

namespace {

LogLine line(const std::string& service, int pid, const std::string& text) {
    return {"2026-11-23T01:48:02.114Z", service, pid, text, false, 0};
}

std::vector<std::string> texts(
        const LogRing& ring, const std::vector<std::string>& services, std::size_t count) {
    std::vector<std::string> out;
    for (const LogLine* entry : ring.select(services, count))
        out.push_back(entry->text);
    return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("log ring: the newest lines of the services asked for, in order") {
    LogRing ring(10, 100000);
    ring.append(line("a", 1, "1"));
    ring.append(line("b", 2, "2"));
    ring.append(line("a", 0, "3"));
    ring.append(line("c", 3, "4"));
    CHECK(texts(ring, {}, 100) == Texts{"1", "2", "3", "4"});
    CHECK(texts(ring, {}, 2) == Texts{"3", "4"});
    CHECK(texts(ring, {"a"}, 100) == Texts{"1", "3"});
    CHECK(texts(ring, {"a", "b"}, 2) == Texts{"2", "3"});
    CHECK(texts(ring, {"none"}, 100).empty());
    CHECK(texts(ring, {}, 0).empty());
}

TEST_CASE(
        "log ring: a service keeps its last lines; what superd says pushes none of them out") {
    LogRing ring(3, 1000000);
    for (int i = 0; i < 5; ++i)
        ring.append(line("a", 1, "p" + std::to_string(i)));
    for (int i = 0; i < 50; ++i)
        ring.append(line("a", 0, "s" + std::to_string(i)));
    CHECK(texts(ring, {"a"}, 100) == Texts{"p2", "p3", "p4", "s47", "s48", "s49"});
}

TEST_CASE("log ring: a service with long lines has an eighth of the memory at most") {
    LogRing ring(1000, 80000);
    for (int i = 0; i < 100; ++i)
        ring.append(line("long", 1, std::string(1000, 'x')));
    CHECK(ring.bytes() <= 10000);
    CHECK(texts(ring, {"long"}, 100).size() >= 8);
}

TEST_CASE("log ring: many services together stay below the bound and keep their newest lines") {
    LogRing ring(100, 100000);
    for (int round = 0; round < 20; ++round) {
        for (int service = 0; service < 500; ++service)
            ring.append(line("s" + std::to_string(service), 1, std::to_string(round)));
        CHECK(ring.bytes() <= 100000);
    }
    CHECK(texts(ring, {"s499"}, 1) == Texts{"19"});
}
