// SPDX-License-Identifier: MIT
// The talk before TLS, and the greeting that the client must not see twice.
#include <string>

#include "relay/starttls.h"

#include "support/catch.h"

using namespace superd;
using Then = StarttlsTalk::Then;

namespace {

struct Row {
    Starttls kind;
    const char* said;    // before it asks
    const char* refused; // what that is answered with begins so
    const char* asks;
    const char* granted;
};

const Row rows[] = {{Starttls::smtp, "MAIL FROM:<>\r\n", "530 5.7.0", "starttls\r\n", "220 "},
        {Starttls::smtp, "EHLO x\r\n", "250-superd\r\n250 STARTTLS\r\n", "STARTTLS\n", "220 "},
        {Starttls::lmtp, "LHLO x\r\n", "250-", "STARTTLS\r\n", "220 "},
        {Starttls::lmtp, "EHLO x\r\n", "530 ", "STARTTLS\r\n", "220 "},
        {Starttls::imap, "a LOGIN u p\r\n", "a NO [PRIVACYREQUIRED]", "b STARTTLS\r\n", "b OK"},
        {Starttls::pop3, "USER u\r\n", "-ERR", "STLS\r\n", "+OK"},
        {Starttls::ftp, "USER u\r\n", "534", "AUTH TLS\r\n", "234"},
        {Starttls::nntp, "GROUP g\r\n", "483", "STARTTLS\r\n", "382"}};

const std::string ldap_starttls =
        std::string("\x30\x1d\x02\x01\x05\x77\x18\x80\x16") + "1.3.6.1.4.1.1466.20037";

}  // namespace

TEST_CASE("starttls: each protocol refuses what comes before, and begins when it is asked") {
    for (const Row& row : rows) {
        INFO(row.said << row.asks);
        StarttlsTalk talk(row.kind);
        CHECK_FALSE(talk.greeting().empty());
        const auto refused = talk.hear(row.said);
        CHECK(refused.reply.starts_with(row.refused));
        CHECK(refused.then == Then::more);
        const std::string asks = row.asks;
        for (std::size_t i = 0; i + 1 < asks.size(); ++i)
            CHECK(talk.hear(asks.substr(i, 1)).reply.empty());
        const auto granted = talk.hear(asks.substr(asks.size() - 1));
        CHECK(granted.reply.starts_with(row.granted));
        CHECK(granted.then == Then::shake);
    }
}

TEST_CASE("starttls: what is pipelined behind the word is not answered") {
    StarttlsTalk talk(Starttls::smtp);
    const auto answer = talk.hear("STARTTLS\r\nMAIL FROM:<x>\r\nQUIT\r\n");
    CHECK(answer.reply == "220 2.0.0 Ready to start TLS\r\n");
    CHECK(answer.then == Then::shake);
}

TEST_CASE("starttls: an LDAP client asks by an extended request, and no other is served") {
    StarttlsTalk talk(Starttls::ldap);
    CHECK(talk.greeting().empty());
    CHECK(talk.hear(ldap_starttls.substr(0, 9)).then == Then::more);
    const auto granted = talk.hear(ldap_starttls.substr(9));
    CHECK(granted.then == Then::shake);
    CHECK(granted.reply ==
            std::string("\x30\x0c\x02\x01\x05\x78\x07\x0a\x01\x00\x04\x00\x04\x00", 14));
    StarttlsTalk binds(Starttls::ldap);
    const auto refused = binds.hear(std::string(
            "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", 14));
    CHECK(refused.then == Then::close);
    CHECK(refused.reply[9] == 13);
    for (const char* nonsense : {"GET / HTTP/1.0\r\n", "\x30\x85xxxxx", "\x30\x80xx"})
        CHECK(StarttlsTalk(Starttls::ldap).hear(nonsense).then == Then::misbehaves);
}

TEST_CASE("starttls: an XMPP client is answered for its host") {
    StarttlsTalk talk(Starttls::xmpp);
    const auto stream = talk.hear("<?xml version='1.0'?><stream:stream to='example.org' "
                                  "xmlns='jabber:client'>");
    CHECK(stream.reply.find("from='example.org'") != std::string::npos);
    CHECK(stream.reply.find("<required/>") != std::string::npos);
    CHECK(talk.hear("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'").then == Then::more);
    CHECK(talk.hear("/>").then == Then::shake);
    StarttlsTalk liar(Starttls::xmpp);
    CHECK(liar.hear("<stream:stream to='a\"/><x '>").reply.find("from") == std::string::npos);
    CHECK(liar.hear("<auth mechanism='PLAIN'>").then == Then::close);
}

TEST_CASE("starttls: PostgreSQL's request is eight bytes, and a start in the clear is refused") {
    StarttlsTalk talk(Starttls::postgres);
    const auto gss = talk.hear(std::string("\0\0\0\x08\x04\xd2\x16\x30", 8));
    CHECK(gss.reply == "N");
    CHECK(gss.then == Then::more);
    const auto tls = talk.hear(std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8));
    CHECK(tls.reply == "S");
    CHECK(tls.then == Then::shake);
    const auto plain =
            StarttlsTalk(Starttls::postgres).hear(std::string("\0\0\0\x29\0\x03\0\0user", 12));
    CHECK(plain.then == Then::close);
    REQUIRE(plain.reply.size() > 5);
    CHECK(plain.reply[0] == 'E');
    CHECK(static_cast<std::size_t>(plain.reply[4]) == plain.reply.size() - 1);
    CHECK(plain.reply.ends_with(std::string("only\0\0", 6)));
}

TEST_CASE("starttls: a line without end, talk without end and control characters end it") {
    CHECK(StarttlsTalk(Starttls::smtp).hear(std::string(3000, 'x')).then == Then::misbehaves);
    StarttlsTalk talk(Starttls::smtp);
    auto then = Then::more;
    for (int i = 0; i < 4000 && then == Then::more; ++i)
        then = talk.hear("NOOP\r\n").then;
    CHECK(then == Then::misbehaves);
    CHECK(StarttlsTalk(Starttls::imap).hear("a\x01 STARTTLS\r\n").then == Then::misbehaves);
    CHECK(StarttlsTalk(Starttls::pop3).hear("QUIT\r\n").then == Then::close);
}

TEST_CASE("starttls: the server's greeting is kept from the client, bad news is not") {
    const auto all = [](Starttls kind, const std::string& said) {
        GreetingFilter filter(kind);
        std::string out;
        for (const char c : said)
            out += filter.waits() ? filter.hear({&c, 1}) : std::string(1, c);
        return out + filter.rest();
    };
    CHECK(all(Starttls::smtp, "220 h ESMTP\r\n250 ok\r\n") == "250 ok\r\n");
    CHECK(all(Starttls::smtp, "220-h\r\n220-more\r\n220 end\r\n250 ok\r\n") == "250 ok\r\n");
    CHECK(all(Starttls::smtp, "421 busy\r\n") == "421 busy\r\n");
    CHECK(all(Starttls::imap, "* OK hello\r\na OK\r\n") == "a OK\r\n");
    CHECK(all(Starttls::imap, "* BYE no\r\n") == "* BYE no\r\n");
    CHECK(all(Starttls::pop3, "+OK hello\r\n+OK\r\n") == "+OK\r\n");
    CHECK(all(Starttls::pop3, "-ERR\r\n") == "-ERR\r\n");
    CHECK(all(Starttls::nntp, "201 hello\r\n340\r\n") == "340\r\n");
    CHECK(all(Starttls::smtp, "22") == "22");
    CHECK(all(Starttls::smtp, std::string(3000, '2')) == std::string(3000, '2'));
    CHECK_FALSE(GreetingFilter(Starttls::ldap).waits());
    CHECK_FALSE(GreetingFilter(Starttls::none).waits());
}
