// SPDX-License-Identifier: MIT
#include <string>
#include <string_view>
#include <vector>

#include "relay/crc32c.h"
#include "relay/proxy_header.h"
#include "support/catch.h"
#include "support/sockets.h"

using namespace superd;
using namespace std::string_literals;

namespace {

const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);

const Endpoint client = test::ip_endpoint("198.51.100.7", 51544),
               home = test::ip_endpoint("192.0.2.1", 443);

std::string number_16(std::size_t number) {
    return {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
}

std::string tlv(int type, const std::string& value) {
    return static_cast<char>(type) + number_16(value.size()) + value;
}

// command and family, then what follows the length.
std::string header(const std::string& kind, const std::string& rest) {
    return signature + kind + number_16(rest.size()) + rest;
}

const std::string addresses = "\xc6\x33\x64\x07\xc0\0\x02\x01\xc9\x58\x01\xbb"s;

std::string with_tlvs(const std::string& tlvs) {
    return header("\x21\x11", addresses + tlvs);
}

ProxyFault fault_of(const std::string& bytes, std::uint8_t versions = proxy_any) {
    const ProxySeen seen = read_proxy_header(bytes, versions);
    return seen.state == ProxySeen::State::refused ? seen.fault : ProxyFault::none;
}

bool is_incomplete(const std::string& bytes) {
    return read_proxy_header(bytes, proxy_any).state == ProxySeen::State::incomplete;
}

ProxyFacts full_facts() {
    ProxyTls tls{.client = ProxyTls::used | ProxyTls::certificate,
            .version = "TLSv1.3",
            .name = "Anna Müller",
            .cipher = "TLS_AES_128_GCM_SHA256",
            .signature = "SHA256",
            .key = "EC256"};
    return {.version = 2,
            .client = client,
            .destination = home,
            .alpn = "h2",
            .authority = "mail.example.org",
            .unique_id = "\0\x01\xff"s,
            .checked = true,
            .tls = tls};
}

}  // namespace

TEST_CASE("PROXY reader: CRC-32C is the one of RFC 3720") {
    CHECK(crc32c("") == 0);
    CHECK(crc32c("123456789") == 0xe3069283U);
    CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aaU);
}

TEST_CASE("PROXY reader: lines of version 1 as the specification has them") {
    const std::string line = "PROXY TCP4 198.51.100.7 192.0.2.1 51544 443\r\n";
    const ProxySeen seen = read_proxy_header(line + "PROXY hello", proxy_v1);
    REQUIRE(seen.state == ProxySeen::State::complete);
    CHECK(seen.size == line.size());
    CHECK(seen.facts == ProxyFacts{.version = 1, .client = client, .destination = home});

    const std::string six = "PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n";
    const ProxySeen of_six = read_proxy_header(six, proxy_any);
    REQUIRE(of_six.state == ProxySeen::State::complete);
    CHECK(of_six.facts.client == test::ip_endpoint("2001:db8::7", 0));
    CHECK(of_six.facts.destination == test::ip_endpoint("2001:db8::1", 65535));

    for (const std::string unknown : {"PROXY UNKNOWN\r\n",
                 "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"}) {
        const ProxySeen of_unknown = read_proxy_header(unknown, proxy_v1);
        REQUIRE(of_unknown.state == ProxySeen::State::complete);
        CHECK(of_unknown.size == unknown.size());
        CHECK(of_unknown.size <= proxy_line_limit);
        CHECK(of_unknown.facts.client.family == Family::none);
        CHECK_FALSE(of_unknown.facts.local);
    }
}

TEST_CASE("PROXY reader: what is no line of version 1 is refused") {
    for (const char* const line : {"PROXY TCP4 198.51.100.7 192.0.2.1 51544 443\n",
                 "PROXY TCP4 198.51.100.7 192.0.2.1 51544 443\rX",
                 "PROXY TCP4  198.51.100.7 192.0.2.1 51544 443\r\n",
                 "PROXY TCP4 198.51.100.7 192.0.2.1 51544 443 \r\n",
                 "PROXY TCP4 198.51.100.7 192.0.2.1 051544 443\r\n",
                 "PROXY TCP4 198.51.100.7 192.0.2.1 +1 443\r\n",
                 "PROXY TCP4 198.51.100.7 192.0.2.1 65536 443\r\n",
                 "PROXY TCP4 198.51.100.07 192.0.2.1 51544 443\r\n",
                 "PROXY TCP4 198.51.100.7 192.0.2.1 51544\r\n",
                 "PROXY TCP4 2001:db8::7 2001:db8::1 51544 443\r\n",
                 "PROXY TCP6 198.51.100.7 192.0.2.1 51544 443\r\n",
                 "PROXY TCP5 198.51.100.7 192.0.2.1 51544 443\r\n",
                 "PROXY tcp4 198.51.100.7 192.0.2.1 51544 443\r\n", "PROXY UNKNOWNED\r\n",
                 "PROXY \r\n"})
        CHECK(fault_of(line) == ProxyFault::malformed);
    CHECK(fault_of("PROXY UNKNOWN " + std::string(200, 'x')) == ProxyFault::too_long);
    CHECK(fault_of("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n") == ProxyFault::too_long);
    CHECK(fault_of("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n") == ProxyFault::none);
}

TEST_CASE("PROXY reader: something else is refused at its first byte that is none") {
    CHECK(fault_of("G") == ProxyFault::no_header);
    CHECK(fault_of("PROXX") == ProxyFault::no_header);
    CHECK(fault_of("\r\n\r\n\r") == ProxyFault::no_header);
    CHECK(fault_of("\x16\x03\x01") == ProxyFault::no_header);
    CHECK(fault_of("P", proxy_v2) == ProxyFault::version);
    CHECK(fault_of("\r", proxy_v1) == ProxyFault::version);
    CHECK(fault_of(signature + "\x31") == ProxyFault::version);
    CHECK(fault_of(signature + "\x22") == ProxyFault::command);
    CHECK(fault_of(signature + "\x21\x41") == ProxyFault::family);
    CHECK(fault_of(signature + "\x21\x13") == ProxyFault::family);
    CHECK(fault_of(signature + "\x21\x12") == ProxyFault::datagram);
    CHECK(fault_of(signature + "\x21\x22") == ProxyFault::datagram);
}

TEST_CASE("PROXY reader: headers of version 2 as the specification has them") {
    const std::string plain = with_tlvs("");
    const ProxySeen four = read_proxy_header(plain + "after", proxy_v2);
    REQUIRE(four.state == ProxySeen::State::complete);
    CHECK(four.size == plain.size());
    CHECK(four.facts == ProxyFacts{.version = 2, .client = client, .destination = home});

    const Endpoint six = test::ip_endpoint("2001:db8::7", 51544),
                   home6 = test::ip_endpoint("2001:db8::1", 443);
    const ProxySeen of_six =
            read_proxy_header(make_proxy_header(SendProxy::v2, six, home6), proxy_v2);
    REQUIRE(of_six.state == ProxySeen::State::complete);
    CHECK(of_six.facts.client == six);
    CHECK(of_six.facts.destination == home6);

    // What a LOCAL header has behind its length means nothing, whatever it is.
    const ProxySeen local = read_proxy_header(header("\x20\x7f", "nonsense"), proxy_v2);
    REQUIRE(local.state == ProxySeen::State::complete);
    CHECK(local.facts.local);
    CHECK(local.size == 24);

    for (const std::string& kind : {"\x21\0"s, "\x21\x31"s}) {
        const std::string path(kind[1] == 0 ? 0 : 216, '/');
        const ProxySeen unknown =
                read_proxy_header(header(kind, path + tlv(2, "mail.example.org")), proxy_v2);
        REQUIRE(unknown.state == ProxySeen::State::complete);
        CHECK(unknown.facts.client.family == Family::none);
        CHECK(unknown.facts.authority == "mail.example.org");
    }
}

TEST_CASE("PROXY reader: what is written reads back, TLVs and checksum included") {
    const ProxyFacts facts = full_facts();
    const std::string bytes = make_proxy_header(facts);
    const ProxySeen seen = read_proxy_header(bytes, proxy_v2);
    REQUIRE(seen.state == ProxySeen::State::complete);
    CHECK(seen.facts == facts);
    REQUIRE(seen.facts.tls);
    CHECK(seen.facts.tls->is_verified());

    ProxyFacts local{.version = 2, .local = true};
    CHECK(read_proxy_header(make_proxy_header(local), proxy_v2).facts == local);

    ProxyTls unverified{.client = ProxyTls::used | ProxyTls::certificate, .verify = 18};
    CHECK_FALSE(unverified.is_verified());
    unverified = {.client = ProxyTls::used};
    CHECK_FALSE(unverified.is_verified());
}

TEST_CASE("PROXY reader: a header that comes byte by byte is complete with its last one") {
    for (const std::string& whole : {"PROXY TCP4 198.51.100.7 192.0.2.1 51544 443\r\n"s,
                 "PROXY UNKNOWN\r\n"s, with_tlvs(""), make_proxy_header(full_facts())}) {
        for (std::size_t size = 0; size < whole.size(); ++size)
            CHECK(is_incomplete(whole.substr(0, size)));
        CHECK(read_proxy_header(whole, proxy_any).size == whole.size());
    }
}

TEST_CASE("PROXY reader: a wrong checksum is refused, wherever a bit has turned") {
    ProxyFacts facts = full_facts();
    const std::string good = make_proxy_header(facts);
    for (std::size_t at = 16; at < 28; ++at) {  // the addresses: nothing else could notice
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 1);
        CHECK(fault_of(bad) == ProxyFault::checksum);
    }
    CHECK(fault_of(with_tlvs(tlv(3, "abc"))) == ProxyFault::broken_tlv);
    CHECK(fault_of(with_tlvs(tlv(3, "abcd"))) == ProxyFault::checksum);
}

TEST_CASE("PROXY reader: lengths that lie are refused") {
    CHECK(fault_of(header("\x21\x11", addresses.substr(1))) == ProxyFault::too_short);
    CHECK(fault_of(header("\x21\x21", addresses)) == ProxyFault::too_short);
    CHECK(fault_of(header("\x21\x31", std::string(215, 'x'))) == ProxyFault::too_short);
    // At once, not when all of it has come.
    CHECK(fault_of(signature + "\x21\x11\x40\0"s) == ProxyFault::oversized);
    CHECK(fault_of(signature + "\x20\0\xff\xff"s) == ProxyFault::oversized);
    CHECK(is_incomplete(signature + "\x21\x11\x3f\xf0"s));
    CHECK(fault_of(with_tlvs("\x04")) == ProxyFault::broken_tlv);
    CHECK(fault_of(with_tlvs("\x04\0"s)) == ProxyFault::broken_tlv);
    CHECK(fault_of(with_tlvs("\x04\0\x01"s)) == ProxyFault::broken_tlv);
    CHECK(fault_of(with_tlvs(tlv(0x20, "abcd"))) == ProxyFault::broken_tlv);
    CHECK(fault_of(with_tlvs(tlv(0x20, "\x01\0\0\0\0\x21\0\x09TLS"s))) ==
            ProxyFault::broken_tlv);
}

TEST_CASE("PROXY reader: TLVs are bounded, printable and stand once") {
    CHECK(fault_of(with_tlvs(tlv(2, std::string(255, 'a')))) == ProxyFault::none);
    CHECK(fault_of(with_tlvs(tlv(2, std::string(256, 'a')))) == ProxyFault::tlv_content);
    CHECK(fault_of(with_tlvs(tlv(2, "mail\nSSL_PROTOCOL=x"))) == ProxyFault::tlv_content);
    CHECK(fault_of(with_tlvs(tlv(2, "mail\0x"s))) == ProxyFault::tlv_content);
    CHECK(fault_of(with_tlvs(tlv(5, std::string(128, '\0')))) == ProxyFault::none);
    CHECK(fault_of(with_tlvs(tlv(5, std::string(129, '\0')))) == ProxyFault::tlv_content);
    CHECK(fault_of(with_tlvs(tlv(0x30, "net\x7f"))) == ProxyFault::tlv_content);
    CHECK(fault_of(with_tlvs(tlv(0x30, "blue"))) == ProxyFault::none);
    CHECK(fault_of(with_tlvs(tlv(2, "a") + tlv(2, "a"))) == ProxyFault::repeated_tlv);
    const std::string tls = "\x01\0\0\0\0"s + tlv(0x21, "TLSv1.3");
    CHECK(fault_of(with_tlvs(tlv(0x20, tls + tlv(0x21, "TLSv1.3")))) ==
            ProxyFault::repeated_tlv);
    // NOOP and types that nobody knows may stand as often as they like.
    CHECK(fault_of(with_tlvs(tlv(4, "") + tlv(4, "pad") + tlv(0xe0, "x") + tlv(0xe0, "x") +
                             tlv(0x77, "\0"s))) == ProxyFault::none);
}

TEST_CASE("PROXY reader: each fault has words of its own") {
    std::vector<std::string_view> said;
    for (int i = 0; i <= static_cast<int>(ProxyFault::silent); ++i) {
        const std::string_view text = proxy_fault_text(static_cast<ProxyFault>(i));
        CHECK(text != "unknown");
        for (const std::string_view other : said)
            CHECK(text != other);
        said.push_back(text);
    }
}
