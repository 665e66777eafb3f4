// SPDX-License-Identifier: MIT
// superd's side of superd-resolve, with a program that the test plays itself.
#include "engine/resolver.h"

#include <cstring>
#include <optional>

#include "support/asked_program.h"
#include "support/sockets.h"

namespace superd {
namespace {

Endpoint peer_at(const char* address) {
    return test::ip_endpoint(address, 51544);
}

struct Bench : test::AskedProgram {
    explicit Bench(const Resolver::Limits& limits = {}) : AskedProgram(limits) {}

    void find(const char* address, Nanoseconds timeout = std::chrono::hours(1)) {
        resolver.find_name(peer_at(address), timeout, [this](const Resolver::Name& name) {
            names.push_back(name.status == NameStatus::confirmed ? name.name : "-");
        });
    }

    bool heard(std::size_t count) {
        return turn_until([&] { return names.size() >= count; });
    }

    std::vector<std::string> names;
};

}  // namespace

TEST_CASE("resolver: the program is started by the first question, and the answer remembered") {
    Bench bench;
    CHECK(bench.started == 0);
    bench.find("192.0.2.7");
    CHECK(bench.started == 1);
    const Query query = bench.next();
    CHECK(std::get<NameQuery>(query).address == IpAddress::parse("192.0.2.7"));
    CHECK(bench.resolver.remembered(peer_at("192.0.2.7")) == nullptr);
    bench.say(NameAnswer{id_of(query), NameStatus::confirmed, "db.example.org"});
    REQUIRE(bench.heard(1));
    REQUIRE(bench.resolver.remembered(peer_at("192.0.2.7")) != nullptr);
    bench.find("192.0.2.7");  // answered before the call returns
    CHECK(bench.names == std::vector<std::string>{"db.example.org", "db.example.org"});
    CHECK(bench.started == 1);
    CHECK(bench.resolver.waiting() == 0);
}

TEST_CASE("resolver: those who ask for one address at one time share a look-up") {
    Bench bench;
    bench.find("192.0.2.7");
    bench.find("192.0.2.7");
    bench.find("192.0.2.8");
    const Query first = bench.next();
    const Query second = bench.next();
    CHECK(std::get<NameQuery>(second).address == IpAddress::parse("192.0.2.8"));
    bench.say(NameAnswer{id_of(first), NameStatus::confirmed, "a.org"});
    REQUIRE(bench.heard(2));
    CHECK(bench.names == std::vector<std::string>{"a.org", "a.org"});
}

TEST_CASE("resolver: answers that come at once are heard in turns, and all of them") {
    Bench bench;
    std::vector<Query> asked;
    for (int i = 1; i <= 40; ++i) {
        bench.find(("192.0.2." + std::to_string(i)).c_str());
        asked.push_back(bench.next());
    }
    for (const Query& query : asked)
        bench.say(NameAnswer{id_of(query), NameStatus::confirmed, "a.org"});
    bench.loop.turn(false);
    CHECK(bench.names.size() == 32);
    REQUIRE(bench.heard(40));
}

TEST_CASE("resolver: when time is over the answer is that nothing is known") {
    Bench bench;
    bench.find("192.0.2.7", std::chrono::milliseconds(30));
    const Query query = bench.next();
    REQUIRE(bench.heard(1));
    CHECK(bench.names.front() == "-");
    // What comes too late is an answer to nothing.
    bench.say(NameAnswer{id_of(query), NameStatus::confirmed, "late.org"});
    bench.find("192.0.2.8");
    bench.say(NameAnswer{id_of(bench.next()), NameStatus::confirmed, "b.org"});
    REQUIRE(bench.heard(2));
    CHECK(bench.names.back() == "b.org");
}

TEST_CASE("resolver: a program that dies is followed by another one, which is asked the same") {
    Bench bench;
    bench.find("192.0.2.7");
    (void)bench.next();
    bench.program.reset();
    const Query again = bench.next();
    CHECK(bench.started == 2);
    bench.say(NameAnswer{id_of(again), NameStatus::confirmed, "a.org"});
    REQUIRE(bench.heard(1));
    CHECK(bench.names.front() == "a.org");
}

TEST_CASE("resolver: a question that two programs died over is given up") {
    Bench bench;
    bench.find("192.0.2.7");
    (void)bench.next();
    bench.program.reset();
    (void)bench.next();
    bench.program.reset();
    REQUIRE(bench.heard(1));
    CHECK(bench.names.front() == "-");
}

TEST_CASE("resolver: a program that breaks its promises is not listened to any more") {
    Bench bench;
    bench.find("192.0.2.7");
    (void)bench.next();
    REQUIRE(send_resolve_packet(bench.program.get(), "nonsense"));
    // Its successor is asked the same.
    REQUIRE(bench.turn_until([&] { return bench.started == 2; }));
    bench.say(NameAnswer{id_of(bench.next()), NameStatus::confirmed, "a.org"});
    REQUIRE(bench.heard(1));
    CHECK(bench.names.front() == "a.org");
}

TEST_CASE("resolver: an answer of another kind than the question's is none") {
    Bench bench;
    bench.find("192.0.2.7", std::chrono::milliseconds(200));
    const Query query = bench.next();
    bench.say(AddressAnswer{id_of(query), false, {}});
    REQUIRE(bench.heard(1));
    CHECK(bench.names.front() == "-");
}

TEST_CASE("resolver: what cannot be started is tried again, and the questions end in time") {
    Bench bench;
    bench.refuse_start = true;
    bench.find("192.0.2.7", std::chrono::milliseconds(50));
    REQUIRE(bench.heard(1));
    bench.refuse_start = false;
    bench.find("192.0.2.8");
    bench.say(NameAnswer{id_of(bench.next()), NameStatus::none, ""});
    REQUIRE(bench.heard(2));
    CHECK(bench.started >= 2);
}

TEST_CASE("resolver: more than may wait are told at once that nothing is known") {
    Resolver::Limits limits;
    limits.waiting = 2;
    Bench bench(limits);
    bench.find("192.0.2.1");
    bench.find("192.0.2.2");
    CHECK(bench.names.empty());
    bench.find("192.0.2.3");
    CHECK(bench.names == std::vector<std::string>{"-"});
    std::optional<IdentReply> reply;
    bench.resolver.find_user(peer_at("192.0.2.9"), peer_at("192.0.2.3"),
            std::chrono::seconds(1), [&](const IdentReply& said) { reply = said; });
    CHECK(reply == IdentReply{});
}

TEST_CASE("resolver: the oldest names are forgotten, and all of them after a time") {
    Resolver::Limits limits;
    limits.remembered = 2;
    limits.keep = std::chrono::milliseconds(100);
    Bench bench(limits);
    for (const char* address : {"192.0.2.1", "192.0.2.2", "192.0.2.3"}) {
        bench.find(address);
        bench.say(NameAnswer{id_of(bench.next()), NameStatus::confirmed, "a.org"});
        REQUIRE(bench.turn_until([&] { return bench.resolver.waiting() == 0; }));
    }
    CHECK(bench.resolver.remembered(peer_at("192.0.2.1")) == nullptr);
    CHECK(bench.turn_until(
            [&] { return bench.resolver.remembered(peer_at("192.0.2.3")) == nullptr; }));
}

TEST_CASE("resolver: users and addresses are asked for with their own questions") {
    Bench bench;
    std::optional<IdentReply> reply;
    bench.resolver.find_user(peer_at("192.0.2.1"), peer_at("192.0.2.7"), std::chrono::hours(1),
            [&](const IdentReply& said) { reply = said; });
    const Query user = bench.next();
    CHECK(std::get<IdentQuery>(user).peer == IpAddress::parse("192.0.2.7"));
    CHECK(std::get<IdentQuery>(user).peer_port == 51544);
    bench.say(IdentAnswer{id_of(user), {IdentStatus::user, "alice"}});
    REQUIRE(bench.turn_until([&] { return reply.has_value(); }));
    CHECK(reply->text == "alice");

    std::optional<std::vector<IpAddress>> addresses;
    bench.resolver.find_addresses("db1.internal", std::chrono::hours(1),
            [&](bool failed, const std::vector<IpAddress>& found) {
                CHECK_FALSE(failed);
                addresses = found;
            });
    const Query name = bench.next();
    CHECK(std::get<AddressQuery>(name).name == "db1.internal");
    const IpAddress one = IpAddress::parse("2001:db8::1").value();
    bench.say(AddressAnswer{id_of(name), false, {one}});
    REQUIRE(bench.turn_until([&] { return addresses.has_value(); }));
    CHECK(addresses == std::vector<IpAddress>{one});
}

}  // namespace superd
