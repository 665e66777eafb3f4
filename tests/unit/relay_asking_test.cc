// SPDX-License-Identifier: MIT
// superd-relay and conversations that superd decides: tcpmux (RFC 1078) and ident (RFC 1413).
#include "relay/preface.h"
#include "support/catch.h"
#include "support/relay_bench.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

struct Bench : test::RelayBench {
    Fd client, kept;  // the client's end, and superd's copy of the other

    explicit Bench(Builtin builtin, Nanoseconds idle = Nanoseconds{0}) {
        test::make_pair_of(SOCK_STREAM, client, kept);
        const int number = kept.get();
        const auto packet = encode_message(ToRelay{ServeMessage{name, builtin, idle}});
        REQUIRE(send_relay_message(channel.get(), *packet, {&number, 1}));
        turn();
    }

    void say(std::string_view text) {
        REQUIRE(::send(client.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
                static_cast<ssize_t>(text.size()));
        turn();
    }

    void answer(const std::string& text, AnswerThen then) {
        tell(AnswerMessage{name, text, then});
        turn();
    }

    [[nodiscard]] std::string left() const {
        char rest[4096];
        const ssize_t n = ::recv(kept.get(), rest, sizeof rest, MSG_DONTWAIT);
        return n > 0 ? std::string(rest, static_cast<std::size_t>(n)) : "";
    }

    ConnectionName name{17, 17};
};

constexpr const char* no_name = "-That is no name of a service\r\n";

}  // namespace

TEST_CASE("tcpmux: exactly the first line is taken, and the rest is the service's") {
    Bench bench(Builtin::tcpmux);
    bench.say("Mail");
    CHECK(bench.silent());  // a line ends with its end
    bench.say("Drop\r\nHELO first\r\nsecond");
    CHECK(bench.said<AskedMessage>() == AskedMessage{bench.name, "maildrop"});
    CHECK(bench.silent());  // asked once
    bench.answer("+Go\r\n", AnswerThen::hand_over);
    CHECK(bench.read(bench.client, 5) == "+Go\r\n");
    CHECK(bench.said<EndedMessage>() ==
            EndedMessage{bench.name, RelayEnd::handed_over, 0, 10, 5});
    CHECK(bench.left() == "HELO first\r\nsecond");
    // The connection goes on: nothing was shut down with the relay's copy.
    REQUIRE(::send(bench.kept.get(), "hello", 5, MSG_NOSIGNAL) == 5);
    CHECK(bench.read(bench.client, 5) == "hello");
}

TEST_CASE("tcpmux: a service that answers for itself is handed over without a word") {
    Bench bench(Builtin::tcpmux);
    bench.say("ftp\n");
    CHECK(bench.said<AskedMessage>().service == "ftp");
    bench.answer("", AnswerThen::hand_over);
    CHECK(bench.said<EndedMessage>() ==
            EndedMessage{bench.name, RelayEnd::handed_over, 0, 4, 0});
    CHECK(::recv(bench.client.get(), nullptr, 0, MSG_DONTWAIT | MSG_PEEK) < 0);
}

TEST_CASE("tcpmux: what is no name is refused in words, and the client sees their end") {
    const std::string long_line(tcpmux_line_limit + 50, 'x');
    for (const std::string& line : {std::string("\r\n"), std::string("two words\r\n"),
                 std::string("\x80\r\n"), std::string("a\0b\r\n", 5), long_line}) {
        Bench bench(Builtin::tcpmux);
        bench.say(line);
        INFO(line);
        CHECK(bench.read(bench.client, 100) == no_name);
        char byte = 0;
        CHECK(::recv(bench.client.get(), &byte, 1, MSG_DONTWAIT) == 0);  // an end, no reset
        // What it still says is thrown away until it has done.
        bench.say("and more\r\n");
        ::shutdown(bench.client.get(), SHUT_WR);
        const auto ended = bench.said<EndedMessage>();
        CHECK(ended.end == RelayEnd::finished);
        CHECK(ended.sent == std::string_view(no_name).size());
        CHECK(bench.relay->conversations() == 0);
    }
}

TEST_CASE("tcpmux: superd's refusal is said and the connection closed") {
    Bench bench(Builtin::tcpmux);
    bench.say("nosuch\r\n");
    CHECK(bench.said<AskedMessage>().service == "nosuch");
    bench.answer("-nosuch is not known\r\n", AnswerThen::close);
    CHECK(bench.read(bench.client, 100) == "-nosuch is not known\r\n");
    ::shutdown(bench.client.get(), SHUT_WR);
    CHECK(bench.said<EndedMessage>().end == RelayEnd::finished);
}

TEST_CASE("tcpmux: a client that goes without a line, or in the middle of one, ends") {
    for (const char* text : {"", "half a na"}) {
        Bench bench(Builtin::tcpmux);
        if (*text != '\0') bench.say(text);
        ::shutdown(bench.client.get(), SHUT_WR);
        INFO(text);
        CHECK(bench.said<EndedMessage>().end == RelayEnd::finished);
        CHECK(bench.relay->conversations() == 0);
    }
}

TEST_CASE("tcpmux: who says nothing in time is let go, before a line and behind one") {
    Bench silent(Builtin::tcpmux, 10s);
    silent.clock.advance(11s);
    CHECK(silent.said<EndedMessage>().end == RelayEnd::idle);
    Bench bench(Builtin::tcpmux, 10s);
    bench.clock.advance(9s);
    bench.say("ftp\r\n");  // counts anew from here
    CHECK(bench.said<AskedMessage>().service == "ftp");
    bench.clock.advance(9s);
    CHECK(bench.silent());
    bench.clock.advance(2s);
    CHECK(bench.said<EndedMessage>().end == RelayEnd::idle);
    bench.answer("+Go\r\n", AnswerThen::hand_over);  // too late: it meets nobody
    CHECK(bench.silent());
}

TEST_CASE("tcpmux: an answer for another connection is not this one's") {
    Bench bench(Builtin::tcpmux);
    bench.say("ftp\r\n");
    CHECK(bench.said<AskedMessage>().service == "ftp");
    bench.tell(AnswerMessage{{17, 18}, "+Go\r\n", AnswerThen::hand_over});
    bench.tell(AnswerMessage{{18, 17}, "+Go\r\n", AnswerThen::hand_over});
    CHECK(bench.silent());
    CHECK(bench.relay->conversations() == 1);
}

TEST_CASE("ident: a client may ask again and again, each question waits for its answer") {
    Bench bench(Builtin::ident);
    bench.say("6193, 23\r\n6194 , 23\r\n");
    CHECK(bench.said<IdentMessage>() == IdentMessage{bench.name, 6193, 23});
    CHECK(bench.silent());  // the second waits
    bench.answer(ident_answer({6193, 23}, "alice"), AnswerThen::go_on);
    CHECK(bench.read(bench.client, 35) == "6193 , 23 : USERID : UNIX : alice\r\n");
    CHECK(bench.said<IdentMessage>() == IdentMessage{bench.name, 6194, 23});
    bench.answer(ident_error(IdentQuestion{6194, 23}, "NO-USER"), AnswerThen::go_on);
    ::shutdown(bench.client.get(), SHUT_WR);
    const auto ended = bench.said<EndedMessage>();
    CHECK(ended.end == RelayEnd::finished);
    CHECK(ended.received == 21);
}

TEST_CASE("ident: what is no pair of ports is an error that superd never hears of") {
    for (const char* line : {"0, 23\r\n", "6193, 0\r\n", "65536, 23\r\n", "6193\r\n",
                 "a, b\r\n", "6193, 23, 25\r\n", "-1, 23\r\n", "\r\n"}) {
        Bench bench(Builtin::ident);
        bench.say(line);
        INFO(line);
        CHECK(bench.read(bench.client, 30) == "0 , 0 : ERROR : INVALID-PORT\r\n");
        bench.say("1, 2\r\n");  // and it may go on
        CHECK(bench.said<IdentMessage>() == IdentMessage{bench.name, 1, 2});
    }
}

TEST_CASE("ident: a line without an end is answered once, and read no further") {
    Bench bench(Builtin::ident);
    bench.say(std::string(ident_line_limit + 1, '1'));
    CHECK(bench.read(bench.client, 100) == "0 , 0 : ERROR : UNKNOWN-ERROR\r\n");
    bench.say("1, 2\r\n");
    CHECK(bench.silent());
    ::shutdown(bench.client.get(), SHUT_WR);
    CHECK(bench.said<EndedMessage>().end == RelayEnd::finished);
}

TEST_CASE("ident: a client that asks without reading is held back, and gets all its answers") {
    constexpr std::string_view error = "0 , 0 : ERROR : INVALID-PORT\r\n";
    Bench bench(Builtin::ident);
    std::size_t asked = 0;
    while (::send(bench.client.get(), "x\r\n", 3, MSG_DONTWAIT | MSG_NOSIGNAL) == 3) {
        ++asked;
        bench.turn(1);
    }
    REQUIRE(asked > 100);  // the relay reads no further than it is read
    std::string answers;
    while (answers.size() < asked * error.size()) {
        const std::string part =
                bench.read(bench.client, asked * error.size() - answers.size());
        REQUIRE_FALSE(part.empty());
        answers += part;
    }
    CHECK(answers.ends_with(error));
    CHECK(bench.silent());
}
