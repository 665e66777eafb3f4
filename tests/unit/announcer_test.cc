// SPDX-License-Identifier: MIT
// superd's side of superd-announce, with a program that the test plays itself.
#include "engine/announcer.h"

#include <vector>

#include <fcntl.h>
#include <sys/socket.h>

#include "support/catch.h"
#include "support/turning.h"

namespace superd {

namespace {

Announcement rpc_at(std::uint32_t id, std::uint16_t port) {
    Announcement announcement{.id = id, .what = RpcAnnouncement{100001, 1, 1}};
    if (port != 0) announcement.ports.push_back({false, IpAddress::v4(0), port});
    return announcement;
}

struct Bench {
    template <class Condition>
    bool turn_until(Condition condition) {
        return test::turn_until(loop, condition);
    }

    // The next list that reached the program.
    AnnouncementList next() {
        std::optional<AnnouncementList> list;
        REQUIRE(turn_until([&] {
            const auto packet =
                    program ? receive_announce_packet(program.get(), announce_packet_limit)
                            : Result<std::string>("");
            if (packet) list = decode_announcements(*packet);
            return list.has_value();
        }));
        return std::move(*list);
    }

    // Nothing reaches it in these turns.
    bool is_quiet() {
        for (int i = 0; i < 20; ++i)
            turn_until([n = 0]() mutable { return ++n > 2; });
        return !receive_announce_packet(program.get(), announce_packet_limit);
    }

    void say(const AnnounceNews& said) const {
        REQUIRE(send_announce_packet(program.get(), encode_announce_news(said).value()));
    }

    Loop loop;
    Fd program;
    int started = 0;
    bool refuse_start = false;
    std::vector<std::uint32_t> news;
    Announcer announcer{loop,
            [this](int theirs, int) {
                ++started;
                if (refuse_start) return false;
                program.reset(::fcntl(theirs, F_DUPFD_CLOEXEC, 0));
                return true;
            },
            [this](std::uint32_t id) {
                news.push_back(id);
            }};
};

}  // namespace

TEST_CASE(
        "announcer: all changes of a turn are one list, and the program starts with the first",
        "[announce]") {
    Bench bench;
    bench.announcer.set(rpc_at(1, 22));
    bench.announcer.set(rpc_at(2, 23));
    bench.announcer.set(rpc_at(2, 24));
    CHECK(bench.started == 0);
    const AnnouncementList list = bench.next();
    CHECK(bench.started == 1);
    CHECK(list.wanted == std::vector{rpc_at(1, 22), rpc_at(2, 24)});
    bench.announcer.set(rpc_at(1, 22));  // as it was
    CHECK(bench.is_quiet());
}

TEST_CASE("announcer: nothing to announce starts nothing", "[announce]") {
    Bench bench;
    bench.announcer.set(rpc_at(1, 0));
    bench.announcer.drop(2);
    bench.turn_until([n = 0]() mutable { return ++n > 5; });
    CHECK(bench.started == 0);
    REQUIRE(bench.announcer.find(1) != nullptr);
    CHECK(bench.announcer.find(2) == nullptr);
    bench.announcer.withdraw();
    CHECK(bench.announcer.withdrawn());
}

TEST_CASE("announcer: reports count for the list they are about, and news are told once",
        "[announce]") {
    Bench bench;
    bench.announcer.set(rpc_at(1, 22));
    const std::uint32_t number = bench.next().number;
    bench.say(AnnounceReport{number - 1, 1, AnnounceState::refused, 0, "of before"});
    bench.say(AnnounceReport{number, 7, AnnounceState::refused, 0, "of nobody"});
    bench.say(AnnounceReport{number, 1, AnnounceState::waiting, 2, ""});
    REQUIRE(bench.turn_until([&] { return !bench.news.empty(); }));
    const AnnounceReport* report = bench.announcer.report_of(1);
    REQUIRE(report != nullptr);
    CHECK(report->error == 2);
    bench.say(AnnounceReport{number, 1, AnnounceState::waiting, 2, ""});
    bench.say(AnnounceReport{number, 1, AnnounceState::announced, 0, ""});
    REQUIRE(bench.turn_until([&] { return bench.news.size() >= 2; }));
    CHECK(bench.news == std::vector<std::uint32_t>{1, 1});
    bench.announcer.set(rpc_at(1, 23));
    CHECK(bench.announcer.report_of(1) == nullptr);
}

TEST_CASE("announcer: what is dropped is asked for without ports until it is settled",
        "[announce]") {
    Bench bench;
    bench.announcer.set(rpc_at(1, 22));
    bench.announcer.set(rpc_at(2, 23));
    static_cast<void>(bench.next());
    bench.announcer.drop(2);
    CHECK(bench.announcer.find(2) == nullptr);
    const AnnouncementList without = bench.next();
    CHECK(without.wanted == std::vector{rpc_at(1, 22), rpc_at(2, 0)});
    bench.say(AnnounceSettled{without.number});
    CHECK(bench.is_quiet());
    bench.announcer.set(rpc_at(1, 24));
    CHECK(bench.next().wanted == std::vector{rpc_at(1, 24)});
}

TEST_CASE(
        "announcer: with nothing left the channel closes, and something starts another program",
        "[announce]") {
    Bench bench;
    bench.announcer.set(rpc_at(1, 22));
    static_cast<void>(bench.next());
    bench.announcer.on_started();
    bench.announcer.drop(1);
    bench.say(AnnounceSettled{bench.next().number});
    REQUIRE(bench.turn_until([&] {
        const auto packet = receive_announce_packet(bench.program.get(), announce_packet_limit);
        return !packet && packet.error().code == EPIPE;
    }));
    // The old one may still be taking back what it had announced.
    bench.announcer.set(rpc_at(1, 23));
    bench.turn_until([n = 0]() mutable { return ++n > 5; });
    CHECK(bench.started == 1);
    bench.announcer.on_ended();
    CHECK(bench.next().wanted == std::vector{rpc_at(1, 23)});
    CHECK(bench.started == 2);
}

TEST_CASE("announcer: a program that dies has a successor, told of what was dropped meanwhile",
        "[announce]") {
    Bench bench;
    bench.announcer.set(rpc_at(1, 22));
    bench.announcer.set(rpc_at(2, 23));
    const std::uint32_t number = bench.next().number;
    bench.say(AnnounceReport{number, 1, AnnounceState::announced, 0, ""});
    REQUIRE(bench.turn_until([&] { return bench.announcer.report_of(1) != nullptr; }));
    bench.program.reset();
    bench.announcer.on_ended();
    CHECK(bench.announcer.report_of(1) == nullptr);
    bench.announcer.drop(2);
    CHECK(bench.next().wanted == std::vector{rpc_at(1, 22), rpc_at(2, 0)});
}

TEST_CASE("announcer: a program that cannot be started is tried again", "[announce]") {
    Bench bench;
    bench.refuse_start = true;
    bench.announcer.set(rpc_at(1, 22));
    REQUIRE(bench.turn_until([&] { return bench.started == 2; }));
    bench.refuse_start = false;
    CHECK(bench.next().wanted.size() == 1);
}

TEST_CASE("announcer: a program that talks nonsense is not listened to", "[announce]") {
    Bench bench;
    bench.announcer.set(rpc_at(1, 22));
    static_cast<void>(bench.next());
    bench.announcer.on_started();
    REQUIRE(send_announce_packet(bench.program.get(), "nonsense"));
    REQUIRE(bench.turn_until([&] {
        const auto packet = receive_announce_packet(bench.program.get(), announce_packet_limit);
        return !packet && packet.error().code == EPIPE;
    }));
    CHECK(bench.news.empty());
}

TEST_CASE("announcer: what the program says at once is heard in turns, and all of it",
        "[announce]") {
    Bench bench;
    for (std::uint32_t id = 1; id <= 40; ++id)
        bench.announcer.set(rpc_at(id, 22));
    const std::uint32_t number = bench.next().number;
    for (std::uint32_t id = 1; id <= 40; ++id)
        bench.say(AnnounceReport{number, id, AnnounceState::announced, 0, ""});
    bench.loop.turn(false);
    CHECK(bench.news.size() == 32);
    REQUIRE(bench.turn_until([&] { return bench.news.size() == 40; }));
}

TEST_CASE("announcer: a superd that takes over sends its list to the program of before",
        "[announce]") {
    Bench bench;
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    bench.program.reset(ends[1]);
    bench.announcer.adopt(Fd(ends[0]));
    bench.announcer.set(rpc_at(1, 22));
    CHECK(bench.next().wanted == std::vector{rpc_at(1, 22)});
    CHECK(bench.started == 0);
}

TEST_CASE("announcer: a stop waits until everything is withdrawn, but not for ever",
        "[announce]") {
    Bench bench;
    bench.announcer.set(rpc_at(1, 22));
    static_cast<void>(bench.next());
    bench.announcer.withdraw();
    CHECK_FALSE(bench.announcer.withdrawn());
    const AnnouncementList last = bench.next();
    CHECK(last.wanted == std::vector{rpc_at(1, 0)});
    const bool in_time = GENERATE(true, false);
    if (in_time) bench.say(AnnounceSettled{last.number});
    const Mono asked = bench.loop.now();
    REQUIRE(bench.turn_until([&] { return bench.announcer.withdrawn(); }));
    CHECK((bench.loop.now() - asked < std::chrono::seconds(1)) == in_time);
}

}  // namespace superd
