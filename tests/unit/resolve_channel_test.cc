// SPDX-License-Identifier: MIT
// The packets of superd-resolve: both directions, and what is none of them.
#include "sys/resolve_channel.h"

#include <cerrno>

#include <sys/socket.h>

#include "base/fd.h"

#include "support/catch.h"

namespace superd {
namespace {

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

const std::vector<Query> queries{NameQuery{1, 2000, ip("198.51.100.7"), 0},
        NameQuery{~std::uint64_t{0}, 0, ip("fe80::1"), 3},
        IdentQuery{2, 10'000, ip("192.0.2.1"), ip("198.51.100.7"), 0, 22, 51544},
        AddressQuery{3, 3000, "db1.internal"},
        HttpQuery{4, 5000, ip("127.0.0.1"), 8080, "127.0.0.1:8080", "/health?x=1"}};

const std::vector<Answer> answers{NameAnswer{1, NameStatus::confirmed, "db.example.org"},
        NameAnswer{1, NameStatus::unconfirmed, "forged.example.org"},
        NameAnswer{1, NameStatus::none, ""}, NameAnswer{1, NameStatus::failed, ""},
        IdentAnswer{2, {IdentStatus::user, "al\x01ice", "UNIX"}},
        IdentAnswer{2, {IdentStatus::error, "NO-USER"}}, IdentAnswer{2, {}},
        AddressAnswer{3, false, {ip("192.0.2.1"), ip("2001:db8::1")}},
        AddressAnswer{3, true, {}}, AddressAnswer{3, false, {}}, HttpAnswer{4, 503, 0},
        HttpAnswer{4, 0, ECONNREFUSED}};

}  // namespace

TEST_CASE("resolve channel: every message comes back as it was") {
    for (const Query& query : queries) {
        const auto packet = encode_query(query);
        REQUIRE(packet);
        CHECK(decode_query(*packet) == query);
        CHECK_FALSE(decode_answer(*packet));
    }
    for (const Answer& answer : answers) {
        const auto packet = encode_answer(answer);
        REQUIRE(packet);
        CHECK(decode_answer(*packet) == answer);
        CHECK_FALSE(decode_query(*packet));
    }
}

TEST_CASE("resolve channel: a packet that is cut short or goes on is none") {
    for (const Answer& answer : answers) {
        const std::string packet = encode_answer(answer).value();
        for (std::size_t size = 0; size < packet.size(); ++size)
            CHECK_FALSE(decode_answer(packet.substr(0, size)));
        CHECK_FALSE(decode_answer(packet + '\0'));
    }
    for (const Query& query : queries) {
        const std::string packet = encode_query(query).value();
        for (std::size_t size = 0; size < packet.size(); ++size)
            CHECK_FALSE(decode_query(packet.substr(0, size)));
        CHECK_FALSE(decode_query(packet + '\0'));
    }
}

TEST_CASE("resolve channel: an answer that breaks a promise is refused") {
    CHECK_FALSE(encode_answer(NameAnswer{1, NameStatus::confirmed, ""}));
    CHECK_FALSE(encode_answer(NameAnswer{1, NameStatus::confirmed, "a b"}));
    CHECK_FALSE(encode_answer(NameAnswer{1, NameStatus::confirmed, "Upper.org"}));
    CHECK_FALSE(encode_answer(NameAnswer{1, NameStatus::none, "name"}));
    CHECK_FALSE(encode_answer(IdentAnswer{1, {IdentStatus::failed, "x"}}));
    CHECK_FALSE(encode_answer(IdentAnswer{1, {IdentStatus::user, std::string(129, 'x')}}));
    CHECK_FALSE(encode_answer(IdentAnswer{1, {IdentStatus::error, "NO-USER", "UNIX"}}));
    CHECK_FALSE(encode_answer(IdentAnswer{1, {IdentStatus::user, "x", std::string(65, 's')}}));
    CHECK_FALSE(encode_answer(AddressAnswer{1, false, {ip("::1"), ip("::1")}}));
    CHECK_FALSE(encode_answer(AddressAnswer{1, true, {ip("::1")}}));
    CHECK_FALSE(encode_query(AddressQuery{1, 1, "192.0.2.1"}));
    CHECK_FALSE(encode_query(HttpQuery{1, 1, ip("::1"), 80, "a b", "/"}));
    CHECK_FALSE(encode_query(HttpQuery{1, 1, ip("::1"), 80, "a", "/\r\nX: y"}));
    CHECK_FALSE(encode_answer(HttpAnswer{1, 100, 0}));
    CHECK_FALSE(encode_answer(HttpAnswer{1, 0, 0}));
    CHECK_FALSE(encode_answer(HttpAnswer{1, 200, EPROTO}));

    // The same, said by somebody who does not use encode_answer().
    std::string packet = encode_answer(answers[0]).value();
    packet.back() = ' ';
    CHECK_FALSE(decode_answer(packet));
    packet = encode_answer(answers[0]).value();
    packet[9] = 4;  // no such status
    CHECK_FALSE(decode_answer(packet));
}

TEST_CASE("resolve channel: packets keep their bounds, and the end is told") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    Fd near(ends[0]), far(ends[1]);
    CHECK(receive_resolve_packet(near.get()).error().code == EAGAIN);
    REQUIRE(send_resolve_packet(far.get(), "one"));
    REQUIRE(send_resolve_packet(far.get(), std::string(resolve_packet_limit + 1, 'x')));
    REQUIRE(send_resolve_packet(far.get(), "two"));
    CHECK(receive_resolve_packet(near.get()).value() == "one");
    CHECK(receive_resolve_packet(near.get()).error().code == EBADMSG);
    CHECK(receive_resolve_packet(near.get()).value() == "two");
    far.reset();
    CHECK(receive_resolve_packet(near.get()).error().code == EPIPE);
}

}  // namespace superd
