// SPDX-License-Identifier: MIT
#include "config/address_spec.h"

#include "support/catch.h"

using namespace superd;

namespace {

std::optional<std::uint16_t> lookup(const std::string& name, const char* protocol) {
    const std::string both = name + "/" + protocol;
    if (both == "ssh/tcp") return std::uint16_t{22};
    if (both == "tftp/udp") return std::uint16_t{69};
    return std::nullopt;
}

struct Good {
    const char* text;
    const char* canonical;
    ListenerKind kind;
    int family;
    std::uint32_t port;
};

struct Bad {
    const char* text;
    const char* message;
    const char* suggestion;
};

}  // namespace

TEST_CASE("address: every form is read and has one canonical text") {
    const Good cases[] = {{"tcp:22", "tcp:22", ListenerKind::tcp, 0, 22},
            {"tcp:0", "tcp:0", ListenerKind::tcp, 0, 0},
            {"tcp:65535", "tcp:65535", ListenerKind::tcp, 0, 65535},
            {"tcp4:22", "tcp4:22", ListenerKind::tcp, 4, 22},
            {"tcp6:22", "tcp6:22", ListenerKind::tcp, 6, 22},
            {"tcp:ssh", "tcp:22", ListenerKind::tcp, 0, 22},
            {"tcp6:ssh", "tcp6:22", ListenerKind::tcp, 6, 22},
            {"tcp:192.0.2.1:22", "tcp:192.0.2.1:22", ListenerKind::tcp, 4, 22},
            {"tcp4:192.0.2.1:ssh", "tcp:192.0.2.1:22", ListenerKind::tcp, 4, 22},
            {"tcp:0.0.0.0:22", "tcp4:22", ListenerKind::tcp, 4, 22},
            {"tcp:[::]:22", "tcp6:22", ListenerKind::tcp, 6, 22},
            {"tcp:[::1]:22", "tcp:[::1]:22", ListenerKind::tcp, 6, 22},
            {"tcp6:[2001:db8::1]:22", "tcp:[2001:db8::1]:22", ListenerKind::tcp, 6, 22},
            {"tcp:[2001:0DB8:0::1]:22", "tcp:[2001:db8::1]:22", ListenerKind::tcp, 6, 22},
            {"tcp:[fe80::1%eth0]:22", "tcp:[fe80::1%eth0]:22", ListenerKind::tcp, 6, 22},
            {"udp:69", "udp:69", ListenerKind::udp, 0, 69},
            {"udp:tftp", "udp:69", ListenerKind::udp, 0, 69},
            {"udp4:69", "udp4:69", ListenerKind::udp, 4, 69},
            {"udp6:[::1]:69", "udp:[::1]:69", ListenerKind::udp, 6, 69},
            {"unix:/run/x.sock", "unix:/run/x.sock", ListenerKind::unix_stream, 0, 0},
            {"unix:@name", "unix:@name", ListenerKind::unix_stream, 0, 0},
            {"unix:/run/a:b", "unix:/run/a:b", ListenerKind::unix_stream, 0, 0},
            {"unixgram:/run/x", "unixgram:/run/x", ListenerKind::unix_dgram, 0, 0},
            {"seqpacket:@x", "seqpacket:@x", ListenerKind::unix_seqpacket, 0, 0},
            {"fifo:/run/x.fifo", "fifo:/run/x.fifo", ListenerKind::fifo, 0, 0},
            {"vsock:3:5000", "vsock:3:5000", ListenerKind::vsock, 0, 5000},
            {"vsock:*:5000", "vsock:*:5000", ListenerKind::vsock, 0, 5000},
            {"vsock:-1:5000", "vsock:*:5000", ListenerKind::vsock, 0, 5000},
            {"mqueue:/jobs", "mqueue:/jobs", ListenerKind::mqueue, 0, 0},
            {"netlink:kobject-uevent:1", "netlink:kobject-uevent:1", ListenerKind::netlink, 0,
                    0},
            {"netlink:0:1361", "netlink:route:1361", ListenerKind::netlink, 0, 0},
            {"netlink:22:0", "netlink:22:0", ListenerKind::netlink, 0, 0}};
    for (const Good& one : cases) {
        INFO(one.text);
        const auto spec = parse_address(one.text, lookup);
        REQUIRE(spec);
        CHECK(spec->text() == one.canonical);
        CHECK(spec->kind == one.kind);
        CHECK(spec->ip_family == one.family);
        CHECK(spec->port == one.port);
        const auto again = parse_address(spec->text());
        REQUIRE(again);
        CHECK(*again == *spec);
    }
}

TEST_CASE("address: an unspecified address is kept as all zero") {
    CHECK(parse_address("tcp:0.0.0.0:1")->ip == IpAddress{});
    CHECK(parse_address("tcp:[::]:1")->ip == IpAddress{});
    CHECK(parse_address("tcp:192.0.2.1:1")->ip == *IpAddress::parse("192.0.2.1"));
    CHECK(parse_address("tcp:[fe80::1%eth0]:1")->zone == "eth0");
    CHECK(parse_address("vsock:*:1")->cid == vsock_any_cid);
}

TEST_CASE("address: a wrong form is an error that prints the right one") {
    const Bad cases[] = {{"22", "\"22\" is not an address", "write \"tcp:22\""},
            {":22", "\":22\" is not an address", "write \"tcp:22\""},
            {"udp:[::%lo]:1", "an address that stands for all has no zone",
                    "write \"udp6:1\" and the interface in the listener's \"interface\""},
            {"*:22", "\"*:22\" is not an address", "write \"tcp:22\""},
            {":::22", "\":::22\" is not an address", "write \"tcp6:22\""},
            {"0.0.0.0:22", "\"0.0.0.0:22\" is not an address", "write \"tcp4:22\""},
            {"192.0.2.1:22", "\"192.0.2.1:22\" is not an address",
                    "write \"tcp:192.0.2.1:22\""},
            {"[::1]:22", "\"[::1]:22\" is not an address", "write \"tcp:[::1]:22\""},
            {"/run/x.sock", "\"/run/x.sock\" is not an address", "write \"unix:/run/x.sock\""},
            {"@x", "\"@x\" is not an address", "write \"unix:@x\""},
            {"ssh", "\"ssh\" is not an address", "write \"tcp:ssh\""},
            {"udp", "\"udp\" is not an address", "write \"udp:PORT\""},
            {"tcp6", "\"tcp6\" is not an address", "write \"tcp6:PORT\""},
            {"vsock", "\"vsock\" is not an address", "write \"vsock:CID:PORT\""},
            {"fifo", "\"fifo\" is not an address", "write \"fifo:/path\""},
            {"mqueue", "\"mqueue\" is not an address", "write \"mqueue:/NAME\""},
            {"mqueue:", "the name of the queue is missing", "write \"mqueue:/NAME\""},
            {"mqueue:/..", "the name of the queue is missing", "write \"mqueue:/NAME\""},
            {"mqueue:jobs", "the name of a queue begins with '/'", "write \"mqueue:/jobs\""},
            {"mqueue:/dev/mqueue/jobs", "the name of a queue has no '/' but the first",
                    "write \"mqueue:/jobs\""},
            {"netlink", "\"netlink\" is not an address", "write \"netlink:FAMILY:GROUPS\""},
            {"netlink:rout:1", "\"rout\" is not a family of netlink",
                    "write \"route\", \"kobject-uevent\" or another of netlink(7)"},
            {"netlink:32:1", "\"32\" is not a family of netlink",
                    "write \"route\", \"kobject-uevent\" or another of netlink(7)"},
            {"netlink:route", "the groups are missing", "write \"netlink:route:1\""},
            {"netlink:route:x", "\"x\" are not netlink's groups",
                    "write their bits as a number, 0 for none"},
            {"", "\"\" is not an address",
                    "write \"tcp:PORT\", \"udp:PORT\" or \"unix:/path\""},
            {"tcp:::1:22", "an IPv6 address stands in brackets", "write \"tcp:[::1]:22\""},
            {"tcp:*:22", "there is no address before the port", "write \"tcp:22\""},
            {"tcp::22", "there is no address before the port", "write \"tcp:22\""},
            {"tcp:[::1]", "the port is missing", "write \"tcp:[::1]:PORT\""},
            {"tcp:[192.0.2.1]:22", "only an IPv6 address stands in brackets",
                    "write \"tcp:192.0.2.1:22\""},
            {"tcp:[::ffff:192.0.2.1]:22", "an IPv4 address is written plainly",
                    "write \"tcp:192.0.2.1:22\""},
            {"tcp:[fe80::1]:22", "a link-local address needs its interface",
                    "write \"tcp:[fe80::1%eth0]:22\""},
            {"tcp4:[::1]:22", "\"::1\" is not an IPv4 address", "write tcp6: before it"},
            {"udp6:192.0.2.1:69", "\"192.0.2.1\" is not an IPv6 address",
                    "write udp4: before it"},
            {"tcp:localhost:22", "\"localhost\" is not an IP address",
                    "a listener needs the address itself, not a host's name"},
            {"tcp:65536", "port 65536 is out of range",
                    "ports are 1 to 65535, or 0 to have the kernel choose"},
            {"tcp:nosuch", "the service name \"nosuch\" is not known for tcp",
                    "write the port's number"},
            {"udp:ssh", "the service name \"ssh\" is not known for udp",
                    "write the port's number"},
            {"tpc:22", "\"tpc\" is not a kind of address", "write \"tcp:22\""},
            {"unixdgram:/x", "\"unixdgram:/x\" is not an address", "write \"unixgram:/x\""},
            {"unix:x", "the path must be absolute", "write \"unix:/run/x\""},
            {"unix:", "the path must be absolute", "write \"unix:/run/NAME\""},
            {"unix://run/x", "the path begins with two slashes", "write \"unix:/run/x\""},
            {"unix:@", "the path is missing", "write \"unix:/run/NAME\""},
            {"fifo:@x", "a FIFO has no abstract name", "write \"fifo:/run/x\""},
            {"vsock:5000", "the CID is missing", "write \"vsock:*:5000\""}};
    for (const Bad& one : cases) {
        INFO(one.text);
        const auto spec = parse_address(one.text, lookup);
        REQUIRE_FALSE(spec);
        CHECK(spec.error().message == one.message);
        CHECK(spec.error().suggestion == one.suggestion);
    }
}

TEST_CASE("address: what has no right form is refused as well") {
    for (const char* text :
            {"tcp:", "tcp:-1", "tcp:+22", "tcp: 22", "tcp:22 ", "tcp:[]:22", "tcp:[::1",
                    "tcp:1.2.3:22", "tcp:01.2.3.4:22", "tcp:[::1%]:22", "tcp:127.0.0.1%lo:22",
                    "unix:/run/", "vsock:x:1", "vsock:1:x", "vsock:4294967295:1",
                    "vsock:1:4294967295", "http://x", "tcp:99999999999999999999"}) {
        INFO(text);
        CHECK_FALSE(parse_address(text, lookup));
    }
}

TEST_CASE("address: a path has at most 107 bytes") {
    const std::string fits = "/" + std::string(106, 'x'), beyond = fits + "x";
    CHECK(parse_address("unix:" + fits));
    CHECK_FALSE(parse_address("unix:" + beyond));
    CHECK(parse_address("unix:@" + std::string(106, 'x')));
    CHECK_FALSE(parse_address("unix:@" + std::string(107, 'x')));
    CHECK_FALSE(parse_address("fifo:" + beyond));
    CHECK_FALSE(parse_address(std::string("unix:/a\0b", 9)));
}
