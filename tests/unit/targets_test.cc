// SPDX-License-Identifier: MIT
// Which target of a redirect is tried next.
#include "policy/targets.h"

#include "support/catch.h"

namespace superd {
namespace {

using namespace std::chrono_literals;

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

TargetPlan at(const char* address, std::uint32_t port = 80) {
    TargetPlan plan;
    plan.text = std::string("tcp:") + address + ":" + std::to_string(port);
    plan.ip = ip(address);
    plan.port = port;
    return plan;
}

TargetPlan named(const std::string& host, std::uint8_t family = 0) {
    TargetPlan plan;
    plan.text = "tcp:" + host + ":80";
    plan.host = host;
    plan.ip_family = family;
    plan.port = 80;
    return plan;
}

std::vector<std::string> addresses(const Targets& targets) {
    std::vector<std::string> list;
    for (const Target& target : targets.all())
        list.push_back(target.plan.ip.text());
    return list;
}

using Texts = std::vector<std::string>;

const Mono start{Mono::duration(1h)};

// The address of the one that is chosen, "" for none.
std::string chosen(Targets& targets, Mono now, std::vector<std::uint8_t> tried = {}) {
    const Target* target = targets.choose(tried, now);
    return target == nullptr ? "" : target->plan.ip.text();
}

}  // namespace

TEST_CASE("targets: in order, each connection one after the other") {
    Targets targets;
    targets.take_plan({at("192.0.2.1"), at("192.0.2.2")});
    CHECK(chosen(targets, start) == "192.0.2.1");
    CHECK(chosen(targets, start) == "192.0.2.1");
    const std::uint8_t first = targets.all()[0].number, second = targets.all()[1].number;
    CHECK(first != second);
    CHECK(chosen(targets, start, {first}) == "192.0.2.2");
    CHECK(chosen(targets, start, {first, second}).empty());
}

TEST_CASE("targets: one that failed is left out for a while, then tried by one connection") {
    Targets targets;
    targets.take_plan({at("192.0.2.1"), at("192.0.2.2")});
    const std::uint8_t first = targets.all()[0].number;
    const Nanoseconds pause = targets.on_failure(first, start);
    CHECK(pause == 1600ms);
    CHECK(chosen(targets, start + 1s) == "192.0.2.2");
    CHECK(chosen(targets, start + 2s) == "192.0.2.1");
    CHECK(chosen(targets, start + 2s) == "192.0.2.2");  // until that one is through
    CHECK(targets.find(first)->failures == 1);
    targets.on_success(first);
    CHECK(chosen(targets, start + 2s) == "192.0.2.1");
    CHECK(chosen(targets, start + 2s) == "192.0.2.1");
}

TEST_CASE("targets: the pause grows with each failure in a row, up to a minute") {
    Targets targets;
    targets.take_plan({at("192.0.2.1"), at("192.0.2.2")});
    const std::uint8_t first = targets.all()[0].number;
    Mono now = start;
    Nanoseconds last{0};
    for (int i = 0; i < 12; ++i) {
        const Nanoseconds pause = targets.on_failure(first, now);
        CHECK((pause == 2 * last || i == 0 || pause == 60s));
        // Others that were under way fail, too: that is the same failure.
        CHECK(targets.on_failure(first, now + 1ms) == pause);
        last = pause;
        now += pause + 1s;
    }
    CHECK(last == 60s);
}

TEST_CASE("targets: when all are left out they are tried all the same, in order") {
    Targets targets;
    targets.take_plan({at("192.0.2.1"), at("192.0.2.2")});
    const std::uint8_t first = targets.all()[0].number, second = targets.all()[1].number;
    targets.on_failure(first, start);
    targets.on_failure(second, start);
    CHECK(chosen(targets, start) == "192.0.2.1");
    CHECK(chosen(targets, start, {first}) == "192.0.2.2");
    CHECK(chosen(targets, start, {first, second}).empty());
}

TEST_CASE("targets: a name stands for all its addresses of the family that was written") {
    Targets targets;
    targets.take_plan({named("db"), at("192.0.2.9"), named("db", 6), named("none")});
    CHECK(targets.names() == Texts{"db", "none"});
    CHECK(addresses(targets) == Texts{"192.0.2.9"});
    const std::uint8_t literal = targets.all()[0].number;
    const std::vector<IpAddress> found{ip("192.0.2.1"), ip("2001:db8::1"), ip("192.0.2.2")};
    CHECK(targets.take_addresses("db", found));
    CHECK_FALSE(targets.take_addresses("db", found));
    CHECK(addresses(targets) ==
            Texts{"192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.9", "2001:db8::1"});
    CHECK(targets.all()[3].number == literal);
}

TEST_CASE("targets: a target that stays keeps its number and its failures") {
    Targets targets;
    targets.take_plan({named("db")});
    CHECK(targets.empty());
    targets.take_addresses("db", std::vector{ip("192.0.2.1"), ip("192.0.2.2")});
    const std::uint8_t first = targets.all()[0].number, second = targets.all()[1].number;
    targets.on_failure(second, start);
    targets.take_addresses("db", std::vector{ip("192.0.2.2"), ip("192.0.2.3")});
    CHECK(addresses(targets) == Texts{"192.0.2.2", "192.0.2.3"});
    CHECK(targets.all()[0].number == second);
    CHECK(targets.all()[0].failures == 1);
    CHECK(targets.find(first) == nullptr);
    targets.take_plan({named("db"), at("192.0.2.8")});
    CHECK(addresses(targets) == Texts{"192.0.2.2", "192.0.2.3", "192.0.2.8"});
    CHECK(targets.all()[0].failures == 1);
    // Numbers come round, and are nobody else's meanwhile.
    for (int i = 1; i < 1000; ++i) {
        const IpAddress next = IpAddress::v4(0x0a000000U + static_cast<std::uint32_t>(i));
        targets.take_addresses("db", std::vector{ip("192.0.2.2"), next});
        REQUIRE(targets.all()[0].number == second);
        REQUIRE(targets.all()[1].number != second);
        REQUIRE(targets.all()[1].number != 0);
    }
    targets.take_plan({});
    CHECK(targets.empty());
    CHECK(targets.names().empty());
}

}  // namespace superd
