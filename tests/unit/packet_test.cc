// SPDX-License-Identifier: MIT
// The form of the packets between superd and its helpers, and the socket they go over.
#include "base/packet.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/packet_socket.h"

#include "support/catch.h"

namespace superd {

enum class PacketTestColour : std::uint8_t { red, green };

struct PacketTestAll {
    std::uint16_t small = 0;
    std::int32_t error = 0;
    std::uint64_t large = 0;
    bool flag = false;
    PacketTestColour colour = PacketTestColour::red;
    Nanoseconds duration{0};
    IpAddress address{};
    Endpoint peer{};
    std::string text{};
    std::vector<std::uint32_t> list{};
    std::optional<std::uint8_t> maybe{};
    bool operator==(const PacketTestAll&) const = default;
};

struct PacketTestEmpty {
    bool operator==(const PacketTestEmpty&) const = default;
};

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, PacketTestAll>& m) {
    c.value(m.small);
    c.value(m.error, 4095);
    c.value(m.large);
    c.value(m.flag);
    c.value(m.colour, PacketTestColour::green);
    c.value(m.duration);
    c.value(m.address);
    c.value(m.peer);
    c.text(m.text, 5);
    c.list(m.list, 3, [&](auto& item) { c.value(item); });
    c.optional(m.maybe, [&](auto& value) { c.value(value, std::uint8_t{7}); });
    c.require(m.text != "never");
}

template <class Coder>
void code_fields(Coder&, PacketField<Coder, PacketTestEmpty>&) {}

namespace {

using Messages = std::variant<PacketTestAll, PacketTestEmpty>;

PacketTestAll full() {
    PacketTestAll all{0x1234, 111, ~std::uint64_t{0}, true, PacketTestColour::green,
            Nanoseconds(-1) + Nanoseconds(6), *IpAddress::parse("2001:db8::7"), {}, "hello",
            {1, 2, 0xffffffff}, 7};
    all.peer.family = Family::ip;
    all.peer.ip = *IpAddress::parse("192.0.2.1");
    all.peer.scope = 3;
    all.peer.port = 65535;
    return all;
}

std::optional<std::string> encoded(const Messages& message) {
    return encode_packet(message, 64, 200);
}

std::optional<Messages> decoded(std::string_view packet) {
    return decode_packet<Messages>(packet, 64, 200);
}

}  // namespace

TEST_CASE("packet: what goes in comes out, and nothing shorter or longer") {
    const std::string packet = encoded(full()).value();
    CHECK(packet.front() == 64);
    CHECK(packet.substr(1, 2) == "\x34\x12");  // the least byte first
    CHECK(decoded(packet) == Messages(full()));
    for (std::size_t size = 0; size < packet.size(); ++size)
        CHECK_FALSE(decoded(packet.substr(0, size)));
    CHECK_FALSE(decoded(packet + '\0'));
    CHECK(decoded("\x41") == Messages(PacketTestEmpty{}));
    CHECK_FALSE(decoded("\x42"));
    CHECK_FALSE(decoded("\x3f"));
}

TEST_CASE("packet: the writer refuses what is out of its bounds") {
    const auto refused = [](auto change) {
        PacketTestAll all = full();
        change(all);
        return !encoded(all);
    };
    CHECK_FALSE(refused([](PacketTestAll&) {}));
    CHECK(refused([](PacketTestAll& m) { m.error = 4096; }));
    CHECK(refused([](PacketTestAll& m) { m.error = -1; }));
    CHECK(refused([](PacketTestAll& m) { m.colour = static_cast<PacketTestColour>(2); }));
    CHECK(refused([](PacketTestAll& m) { m.duration = Nanoseconds(-1); }));
    CHECK(refused([](PacketTestAll& m) { m.peer.family = Family::unix; }));
    CHECK(refused([](PacketTestAll& m) { m.peer.port = 65536; }));
    CHECK(refused([](PacketTestAll& m) { m.text = "longer"; }));
    CHECK(refused([](PacketTestAll& m) { m.text = "never"; }));
    CHECK(refused([](PacketTestAll& m) { m.list = {1, 2, 3, 4}; }));
    CHECK(refused([](PacketTestAll& m) { m.maybe = std::uint8_t{8}; }));
    CHECK_FALSE(encode_packet(Messages(full()), 64, 20));
}

TEST_CASE("packet: the reader refuses what the writer would not have made") {
    const std::string packet = encoded(full()).value();
    const auto refused = [&](std::size_t place, char byte) {
        std::string changed = packet;
        changed[place] = byte;
        return !decoded(changed);
    };
    CHECK(refused(6, '\x7f'));   // error: beyond 4095
    CHECK(refused(15, '\x02'));  // flag
    CHECK(refused(16, '\x02'));  // colour
    CHECK(refused(24, '\x80'));  // duration: negative
    CHECK(refused(packet.size() - 1, '\x08'));
    CHECK(refused(packet.size() - 2, '\x02'));
    std::string never = packet;
    never.replace(never.find("hello"), 5, "never");
    CHECK_FALSE(decoded(never));
    CHECK_FALSE(decode_packet<Messages>(packet, 64, 20));
}

TEST_CASE("packet socket: descriptors come along, and none too many stays open") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd ours(ends[0]);
    Fd theirs(ends[1]);
    char buffer[8];
    const auto got = [&](std::size_t descriptors) {
        return receive_packet(ours.get(), buffer, descriptors, "test");
    };
    const auto code = [&](std::size_t descriptors) {
        const auto result = got(descriptors);
        return result ? 0 : result.error().code;
    };
    CHECK(code(0) == EAGAIN);
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const Fd kept(null);
    const int two[2] = {null, null};
    REQUIRE(send_packet(theirs.get(), "1234567", two, "test"));
    auto packet = got(2);
    REQUIRE(packet);
    CHECK(packet->size == 7);
    CHECK(packet->descriptors.size() == 2);
    CHECK((::fcntl(packet->descriptors[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
    packet->descriptors.clear();

    const int lowest = ::dup(null);  // the next one that would be used
    ::close(lowest);
    REQUIRE(send_packet(theirs.get(), "x", two, "test"));
    CHECK(code(1) == EBADMSG);
    REQUIRE(send_packet(theirs.get(), "12345678", {}, "test"));
    CHECK(code(0) == EBADMSG);
    REQUIRE(send_packet(theirs.get(), "123456789", two, "test"));
    CHECK(code(2) == EBADMSG);
    const int again = ::dup(null);
    CHECK(again == lowest);
    ::close(again);
    CHECK_FALSE(send_packet(theirs.get(), "x", std::vector<int>(17, null), "test"));
    theirs.reset();
    CHECK(code(0) == EPIPE);
}

}  // namespace superd
