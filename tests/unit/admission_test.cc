// SPDX-License-Identifier: MIT
#include "policy/admission.h"

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "policy/state_names.h"

#include "support/catch.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

const std::array<std::uint8_t, 16> seed{3, 1, 4, 1, 5, 9, 2, 6};
const Mono start{1h};

Bound bound(std::uint32_t value, std::uint32_t line) {
    return {value, {0, line, 1}};
}

RatePlan rate_plan(std::uint32_t count, Nanoseconds period, std::uint32_t burst,
        Nanoseconds pause, std::uint32_t line) {
    return {{count, period}, burst, pause, {0, line, 1}};
}

// A service with everything that a decision looks at.
struct Service {
    AdmissionPlan plan;
    AccessIndex access;
    std::vector<SourceEntry> memory = std::vector<SourceEntry>(64);
    SourceTable sources{memory, seed};
    double tokens = 0;
    std::int64_t tokens_at = 0, paused_until = 0;
    AdmissionBook book;
    AdmissionFacts facts;

    Service() {
        book.plan = &plan;
        book.access = &access;
        book.sources = &sources;
        book.rate = {&tokens, &tokens_at, &paused_until};
        from("192.0.2.1");
    }

    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    Service& from(const char* address) {
        facts.peer = {};
        facts.peer.family = Family::ip;
        facts.peer.ip = IpAddress::parse(address).value();
        return *this;
    }

    void deny(const char* block, std::uint32_t line) {
        AccessRule rule;
        rule.network = Network::parse(block).value();
        rule.text = block;
        rule.origin = {0, line, 1};
        plan.access.push_back(rule);
        access = AccessIndex(plan.access, {});
    }

    Decision ask(Mono now = start) { return decide(facts, book, now); }
};

const Refuse* refused(const Decision& decision) {
    return std::get_if<Refuse>(&decision);
}

const Wait* waits(const Decision& decision) {
    return std::get_if<Wait>(&decision);
}

const Admit* admitted(const Decision& decision) {
    return std::get_if<Admit>(&decision);
}

void check_refused(const Decision& decision, Refusal reason, std::uint32_t line) {
    REQUIRE(refused(decision));
    const Refuse& got = std::get<Refuse>(decision);
    CHECK(refusal_name(got.reason) == refusal_name(reason));
    CHECK(got.rule.line == line);
}

void check_waits(const Decision& decision, Refusal reason, Mono until) {
    REQUIRE(waits(decision));
    const Wait& got = std::get<Wait>(decision);
    CHECK(refusal_name(got.reason) == refusal_name(reason));
    CHECK(got.until == until);
}

}  // namespace

TEST_CASE("admission: without a limit everybody is let in and no source is remembered") {
    Service s;
    const Decision got = s.ask();
    REQUIRE(admitted(got));
    CHECK(std::get<Admit>(got).source == no_source);
    CHECK(admitted(decide_accepting(s.book, start)));
}

TEST_CASE("admission: the first objection in the order of the design decides") {
    // Everything objects at once; one after the other is taken away.
    Service s;
    s.plan.on_limit = OnLimit::refuse;
    s.deny("192.0.2.0/24", 10);
    s.plan.hours = {{0x01, 0, 60, {0, 11, 1}}};
    s.facts.local = {2, 600};
    s.plan.max_load = 4.0;
    s.plan.max_load_origin.line = 12;
    s.facts.load = 4.0;
    s.book.max_processes = bound(10, 13);
    s.book.processes = 10;
    s.plan.max_connections = bound(5, 14);
    s.book.connections = 5;
    s.plan.max_per_source = bound(1, 15);
    s.plan.rate_per_source = rate_plan(1, 1h, 1, 0s, 16);
    s.plan.rate = rate_plan(1, 1h, 1, 0s, 17);
    const auto place = s.sources.find_or_make(Source::of(s.facts.peer), 0, start);
    s.sources.at(*place).active = 1;
    s.sources.at(*place).tokens_at = start.time_since_epoch().count();
    s.tokens_at = start.time_since_epoch().count();
    s.book.stopping = true;

    check_refused(s.ask(), Refusal::stopping, 0);
    s.book.stopping = false;
    check_refused(s.ask(), Refusal::denied, 10);
    s.access = AccessIndex();
    check_refused(s.ask(), Refusal::hours, 11);
    s.facts.local = {0, 59};
    check_refused(s.ask(), Refusal::load, 12);
    s.facts.load = 3.99;
    check_refused(s.ask(), Refusal::max_processes, 13);
    s.book.processes = 9;
    check_refused(s.ask(), Refusal::max_connections, 14);
    s.book.connections = 4;
    check_refused(s.ask(), Refusal::max_per_source, 15);
    s.sources.at(*place).active = 0;
    check_refused(s.ask(), Refusal::rate_per_source, 16);
    s.plan.rate_per_source.reset();
    check_refused(s.ask(), Refusal::rate, 17);
    s.plan.rate.reset();
    CHECK(admitted(s.ask()));
}

TEST_CASE("admission: with on_limit = queue what is full waits, before accept and after it") {
    Service s;
    s.plan.max_connections = bound(2, 1);
    s.book.connections = 2;
    check_waits(decide_accepting(s.book, start), Refusal::max_connections, Mono::max());
    check_waits(s.ask(), Refusal::max_connections, Mono::max());
    s.book.connections = 1;
    CHECK(admitted(decide_accepting(s.book, start)));
    s.book.max_processes = bound(7, 1);
    s.book.processes = 7;
    check_waits(decide_accepting(s.book, start), Refusal::max_processes, Mono::max());
}

TEST_CASE("admission: with on_limit = refuse they are taken from the queue, to be told") {
    Service s;
    s.plan.on_limit = OnLimit::refuse;
    s.plan.max_connections = bound(2, 9);
    s.book.connections = 2;
    CHECK(admitted(decide_accepting(s.book, start)));
    check_refused(s.ask(), Refusal::max_connections, 9);
}

TEST_CASE(
        "admission: a source at its limit is refused even where the service queues, others are "
        "not") {
    Service s;
    s.plan.max_per_source = bound(2, 4);
    for (int i = 0; i < 2; ++i) {
        const Decision got = s.ask();
        REQUIRE(admitted(got));
        ++s.sources.at(std::get<Admit>(got).source).active;
    }
    check_refused(s.ask(), Refusal::max_per_source, 4);
    CHECK(admitted(decide_accepting(s.book, start)));
    CHECK(admitted(s.from("192.0.2.2").ask()));
}

TEST_CASE("admission: an IPv6 source is its /64") {
    Service s;
    s.plan.max_per_source = bound(1, 4);
    const Decision got = s.from("2001:db8::1").ask();
    REQUIRE(admitted(got));
    ++s.sources.at(std::get<Admit>(got).source).active;
    check_refused(s.from("2001:db8::ffff:1").ask(), Refusal::max_per_source, 4);
    CHECK(admitted(s.from("2001:db8:0:1::1").ask()));
}

TEST_CASE("admission: a source over its rate waits out its pause, the others notice nothing") {
    Service s;
    s.plan.rate_per_source = rate_plan(6, 1min, 6, 5min, 8);
    for (int i = 0; i < 6; ++i)
        CHECK(admitted(s.ask()));
    check_refused(s.ask(start + 1s), Refusal::rate_per_source, 8);
    check_refused(s.ask(start + 5min), Refusal::rate_per_source, 8);
    CHECK(admitted(s.from("192.0.2.9").ask(start + 5min)));
    CHECK(admitted(s.from("192.0.2.1").ask(start + 1s + 5min)));
}

TEST_CASE("admission: who is denied takes no token and no place") {
    Service s;
    s.plan.rate = rate_plan(1, 1h, 1, 0s, 1);
    s.plan.max_per_source = bound(5, 1);
    s.deny("192.0.2.0/24", 3);
    for (int i = 0; i < 10; ++i)
        check_refused(s.ask(), Refusal::denied, 3);
    CHECK_FALSE(s.sources.find(Source::of(s.facts.peer), 0));
    CHECK(admitted(s.from("198.51.100.1").ask()));
}

TEST_CASE("admission: a paused listener comes back after its window") {
    Service s;
    s.plan.rate = rate_plan(50, 1s, 2, 10s, 5);
    for (int i = 0; i < 2; ++i) {
        CHECK(admitted(decide_accepting(s.book, start)));
        CHECK(admitted(s.ask()));
    }
    check_waits(decide_accepting(s.book, start + 1ms), Refusal::rate, start + 1ms + 10s);
    check_waits(decide_accepting(s.book, start + 9s), Refusal::rate, start + 1ms + 10s);
    CHECK(admitted(decide_accepting(s.book, start + 1ms + 10s)));
    CHECK(admitted(s.ask(start + 1ms + 10s)));
}

TEST_CASE(
        "admission: a rate without a pause waits for the next token, or refuses where on_limit "
        "says so") {
    Service s;
    s.plan.rate = rate_plan(10, 1s, 1, 0s, 5);
    CHECK(admitted(s.ask()));
    check_waits(decide_accepting(s.book, start), Refusal::rate, start + 100ms);
    s.plan.on_limit = OnLimit::refuse;
    CHECK(admitted(decide_accepting(s.book, start)));
    check_refused(s.ask(), Refusal::rate, 5);
    // A written pause stops accepting all the same.
    s.plan.rate->pause = 2s;
    check_waits(decide_accepting(s.book, start), Refusal::rate, start + 2s);
}

TEST_CASE("admission: after an allowed accept decide never says wait") {
    Service s;
    s.plan.rate = rate_plan(10, 1s, 3, 1s, 5);
    s.plan.max_connections = bound(4, 1);
    s.plan.max_per_source = bound(2, 1);
    Mono now = start;
    for (int i = 0; i < 2000; ++i, now += 37ms) {
        s.from(i % 3 == 0 ? "192.0.2.1" : "192.0.2.2");
        s.book.connections = static_cast<std::uint32_t>(i) % 5;
        if (!admitted(decide_accepting(s.book, now))) continue;
        const Decision got = s.ask(now);
        REQUIRE_FALSE(waits(got));
        if (admitted(got))
            s.sources.at(std::get<Admit>(got).source).active =
                    static_cast<std::uint32_t>(i) % 3;
    }
}

TEST_CASE("admission: a table full of busy sources refuses the next one") {
    Service s;
    s.plan.max_per_source = bound(5, 6);
    for (SourceEntry& entry : s.memory) {
        entry.source = Source::of(s.facts.peer);
        entry.source.bytes[3] = 1;  // somebody else
        entry.active = 1;
    }
    check_refused(s.ask(), Refusal::max_per_source, 6);
}

TEST_CASE("admission: a bound of nought lets nobody in") {
    Service s;
    s.plan.max_per_source = bound(0, 6);
    check_refused(s.ask(), Refusal::max_per_source, 6);
}

TEST_CASE("admission: while stopping nothing is accepted") {
    Service s;
    s.book.stopping = true;
    check_waits(decide_accepting(s.book, start), Refusal::stopping, Mono::max());
}

TEST_CASE("admission: the start of a worker waits for hours, load, processes and its rate") {
    Service s;
    CHECK(admitted(decide_start(s.facts, s.book, start)));
    s.plan.hours = {{0x01, 600, 660, {}}};
    s.facts.local = {0, 540};
    check_waits(decide_start(s.facts, s.book, start), Refusal::hours, start + 1h);
    s.facts.local = {0, 600};
    s.plan.max_load = 1.0;
    s.facts.load = 2.0;
    check_waits(decide_start(s.facts, s.book, start), Refusal::load, start + 5s);
    s.facts.load = 0.5;
    s.book.max_processes = bound(1, 1);
    s.book.processes = 1;
    check_waits(decide_start(s.facts, s.book, start), Refusal::max_processes, Mono::max());
    s.book.processes = 0;
    s.plan.rate = rate_plan(1, 1s, 1, 30s, 1);
    CHECK(admitted(decide_start(s.facts, s.book, start)));
    check_waits(decide_start(s.facts, s.book, start), Refusal::rate, start + 30s);
    check_waits(decide_start(s.facts, s.book, start + 1s), Refusal::rate, start + 30s);
    CHECK(admitted(decide_start(s.facts, s.book, start + 30s)));
    s.book.stopping = true;
    check_refused(decide_start(s.facts, s.book, start), Refusal::stopping, 0);
}

TEST_CASE("explain: it decides the same, takes nothing, and says why") {
    Service s;
    s.plan.max_per_source = bound(2, 15);
    s.plan.rate_per_source = rate_plan(6, 1min, 1, 5min, 16);
    s.plan.rate = rate_plan(50, 1s, 100, 10s, 17);
    const AdmissionExplanation free = explain(s.facts, s.book, start);
    CHECK(admitted(free.decision));
    CHECK(free.text == "192.0.2.1 is matched by no rule, and there is no allow list");
    CHECK_FALSE(s.sources.find(Source::of(s.facts.peer), 0));
    CHECK(s.tokens_at == 0);

    const Decision got = s.ask();
    REQUIRE(admitted(got));
    const SourceEntry before = s.sources.at(std::get<Admit>(got).source);
    const AdmissionExplanation fast = explain(s.facts, s.book, start);
    check_refused(fast.decision, Refusal::rate_per_source, 16);
    CHECK(fast.rule.line == 16);
    CHECK(fast.text == "192.0.2.1 has used up its 6/min; the next is let in after 5m");
    CHECK(s.sources.at(std::get<Admit>(got).source).penalised_until == before.penalised_until);

    s.sources.at(std::get<Admit>(got).source).active = 2;
    CHECK(explain(s.facts, s.book, start).text == "192.0.2.1 holds 2 of at most 2 connections");
    s.plan.max_connections = bound(200, 14);
    s.book.connections = 200;
    CHECK(explain(s.facts, s.book, start).text ==
            "200 of at most 200 connections are held; until then it waits in the queue");
    s.plan.hours = {{0x1f, 420, 1140, {0, 11, 1}}};
    s.facts.local = {5, 754};
    CHECK(explain(s.facts, s.book, start).text ==
            "Sat 12:34 is outside of hours, which open next at Mon 07:00");
    s.deny("192.0.2.0/24", 10);
    const AdmissionExplanation denied = explain(s.facts, s.book, start);
    CHECK(denied.text == "192.0.2.1 is denied by \"192.0.2.0/24\"");
    CHECK(denied.rule.line == 10);
}

TEST_CASE("names: every reason and every state has a word of its own") {
    std::map<std::string_view, int> seen;
    for (std::size_t i = 0; i < refusal_count; ++i)
        ++seen[refusal_name(static_cast<Refusal>(i))];
    CHECK(seen.size() == refusal_count);
    CHECK_FALSE(seen.contains("?"));
    CHECK_FALSE(seen.contains(""));
    CHECK(refusal_name(Refusal::stopping) == "stopping");
    CHECK(refusal_name(Refusal::not_allowed) == "not_allowed");
    seen.clear();
    for (int i = 0; i < static_cast<int>(ServiceState::count); ++i)
        ++seen[state_name(static_cast<ServiceState>(i))];
    CHECK(seen.size() == static_cast<std::size_t>(ServiceState::count));
    CHECK_FALSE(seen.contains("?"));
    CHECK_FALSE(seen.contains(""));
    CHECK(state_name(ServiceState::failed) == "failed");
    CHECK(state_name(ServiceState::disabled) == "disabled");
}

TEST_CASE("admission: who is denied everywhere is refused before allow is looked at") {
    Service service;
    Denials denials;
    Endpoint peer = service.facts.peer;
    denials.add({Source::of(peer), 0, 100, "superctl", "probing ports"});
    service.book.denials = &denials;
    service.facts.wall = Wall(99s);
    const Decision decision = service.ask();
    REQUIRE(std::holds_alternative<Refuse>(decision));
    const Refuse& refusal = std::get<Refuse>(decision);
    CHECK(refusal.reason == Refusal::denied);
    REQUIRE(refusal.denial != nullptr);
    CHECK(refusal.denial->reason == "probing ports");
    const AdmissionExplanation why = explain(service.facts, service.book, start);
    CHECK(why.text ==
            "192.0.2.1 is denied by superctl: probing ports, until 1970-01-01T00:01:40Z");
    CHECK(decide_named(service.facts, service.book)->denial != nullptr);
    service.facts.wall = Wall(100s);
    CHECK(refused(service.ask()) == nullptr);
    service.from("192.0.2.2");
    service.facts.wall = Wall(99s);
    CHECK(refused(service.ask()) == nullptr);
}

TEST_CASE("admission: a name that decides is asked for when nothing else objects") {
    Service service;
    AccessRule rule;
    rule.allow = true;
    rule.kind = MatchKind::host;
    rule.host = rule.text = "db.example.org";
    rule.origin = {0, 7, 1};
    service.plan.access.push_back(rule);
    service.access = AccessIndex(service.plan.access, {});
    service.plan.max_connections = bound(1, 8);
    service.plan.on_limit = OnLimit::refuse;
    const Decision decision = service.ask();
    REQUIRE(std::holds_alternative<Admit>(decision));
    CHECK(std::get<Admit>(decision).needs_name);
    CHECK(decide_named(service.facts, service.book)->reason == Refusal::not_allowed);
    service.facts.name = {NameKnown::confirmed, "db.example.org"};
    CHECK_FALSE(decide_named(service.facts, service.book));
    CHECK_FALSE(std::get<Admit>(service.ask()).needs_name);
    CHECK(explain(service.facts, service.book, start).text ==
            "192.0.2.1 (db.example.org) is allowed by \"db.example.org\"");
    service.facts.name = {};
    service.book.connections = 1;
    CHECK(refused(service.ask())->reason == Refusal::max_connections);
}

TEST_CASE("admission: of a proxy nothing is asked that depends on its address but denials") {
    Service service;
    service.deny("192.0.2.0/24", 3);
    service.plan.max_per_source = bound(1, 4);
    service.plan.rate_per_source = rate_plan(1, 1h, 1, 0s, 5);
    service.facts.stage = AdmissionStage::of_proxy;
    for (int i = 0; i < 3; ++i) {
        const Decision decision = service.ask();
        const auto* admit = std::get_if<Admit>(&decision);
        REQUIRE(admit != nullptr);
        CHECK(admit->source == no_source);
    }
    service.plan.max_connections = bound(2, 6);
    service.plan.on_limit = OnLimit::refuse;
    service.book.connections = 2;
    const Decision full = service.ask();
    REQUIRE(std::holds_alternative<Refuse>(full));
    CHECK(std::get<Refuse>(full).reason == Refusal::max_connections);
}

TEST_CASE("admission: of the client behind a proxy all the rest is asked, and no token twice") {
    Service service;
    service.plan.max_connections = bound(1, 6);
    service.book.connections = 1;  // itself
    service.plan.rate = rate_plan(1, 1h, 1, 0s, 7);
    service.facts.stage = AdmissionStage::of_proxy;
    service.book.connections = 0;
    CHECK(std::holds_alternative<Admit>(service.ask()));
    service.book.connections = 1;
    service.facts.stage = AdmissionStage::behind_proxy;
    service.from("198.51.100.7");
    CHECK(std::holds_alternative<Admit>(service.ask()));
    service.deny("198.51.100.0/24", 3);
    const Decision denied = service.ask();
    REQUIRE(std::holds_alternative<Refuse>(denied));
    CHECK(std::get<Refuse>(denied).reason == Refusal::denied);
    service.from("203.0.113.1");
    service.book.max_processes = bound(4, 8);
    service.book.processes = 4;
    const Decision full = service.ask();
    REQUIRE(std::holds_alternative<Refuse>(full));
    CHECK(std::get<Refuse>(full).reason == Refusal::max_processes);
}
