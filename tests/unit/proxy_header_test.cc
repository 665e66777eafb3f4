// SPDX-License-Identifier: MIT
#include "relay/proxy_header.h"

#include "relay/protocol.h"
#include "support/catch.h"
#include "support/sockets.h"

using namespace superd;
using namespace std::string_literals;

namespace {

const Endpoint four = test::ip_endpoint("198.51.100.7", 51544),
               home = test::ip_endpoint("192.0.2.1", 22);
const Endpoint six = test::ip_endpoint("2001:db8::7", 51544),
               home6 = test::ip_endpoint("2001:db8::1", 22);

}  // namespace

TEST_CASE("PROXY header: version 1 as the specification has it") {
    CHECK(make_proxy_header(SendProxy::no, four, home).empty());
    CHECK(make_proxy_header(SendProxy::v1, four, home) ==
            "PROXY TCP4 198.51.100.7 192.0.2.1 51544 22\r\n");
    CHECK(make_proxy_header(SendProxy::v1, six, home6) ==
            "PROXY TCP6 2001:db8::7 2001:db8::1 51544 22\r\n");
    CHECK(make_proxy_header(SendProxy::v1, four, home6) ==
            "PROXY TCP6 ::ffff:198.51.100.7 2001:db8::1 51544 22\r\n");
    CHECK(make_proxy_header(SendProxy::v1, Endpoint{}, home) == "PROXY UNKNOWN\r\n");
}

TEST_CASE("PROXY header: version 2 as the specification has it") {
    const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);
    CHECK(make_proxy_header(SendProxy::v2, four, home) ==
            signature + "\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x01\xc9\x58\0\x16"s);
    const std::string long_form = make_proxy_header(SendProxy::v2, six, home6);
    CHECK(long_form.size() == 16 + 36);
    CHECK(long_form.substr(12, 4) == "\x21\x21\0\x24"s);
    CHECK(make_proxy_header(SendProxy::v2, Endpoint{}, home) == signature + "\x20\0\0\0"s);
    CHECK(long_form.size() <= relay_header_limit);
}
