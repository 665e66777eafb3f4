// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/socket.h>

#include "relay/channel.h"
#include "relay/protocol.h"
#include "support/catch.h"
#include "support/relay_channel.h"

using namespace superd;
using namespace std::chrono_literals;

namespace {

const std::vector<ToRelay> to_relay{GreetMessage{}, GreetMessage{7},
        ServeMessage{{3, 0x18f2}, Builtin::echo, 10min},
        ServeMessage{{0xffffffff, ~std::uint64_t{0}}, Builtin::sensor, 0ns},
        PumpMessage{{3, 0x18f2}, 10min, 3s, "PROXY UNKNOWN\r\n", true, {true, true}},
        PumpMessage{}, UpstreamMessage{{3, 0x18f2}, {true, false}, {}},
        EndMessage{{3, 0x18f2}, RelayEnd::connect, ECONNREFUSED},
        PrefaceMessage{{3, 0x18f2}, proxy_v2, 10s}};
const std::vector<ToRelay> more_to_relay{
        AnswerMessage{{3, 4}, "+Go\r\n", AnswerThen::hand_over},
        AnswerMessage{{3, 4}, "", AnswerThen::go_on}, ForwardMessage{7},
        WatchMessage{7, Builtin::echo, RatePlan{{50, 1s}, 100, 10s, {}}, std::nullopt,
                {7, 19, 2007}},
        WatchMessage{8, Builtin::time, std::nullopt, RatePlan{{5, 1s}, 5, 0s, {}}, {}},
        FlowMessage{7, 1, {3, 4}, 1min}, FlowRefusedMessage{7, 1}, UnwatchMessage{7},
        ProfileMessage{7, 2, 0}, ProfileMessage{7, 0, 112},
        TicketsMessage{{std::string(ticket_key_size, 'k')}}, TicketsMessage{}, DropProfileMessage{7}, KeysMessage{}, SecureMessage{{3, 4}, 7, 10s, 0s, 3s, true, Starttls::none},
        SecureMessage{{3, 4}, 7, 10s, 0s, 3s, true, Starttls::postgres},
        UpstreamMessage{{3, 4}, {false, false}, "PROXY UNKNOWN\r\n"}};

Endpoint test_peer() {
    Endpoint peer;
    peer.family = Family::ip;
    peer.ip = *IpAddress::parse("2001:db8::7");
    peer.scope = 3;
    peer.port = 65535;
    return peer;
}

ProxyFacts test_facts() {
    ProxyTls tls{.client = 3,
            .verify = 18,
            .version = "TLSv1.3",
            .name = "Anna M\xc3\xbcller",
            .cipher = "c",
            .signature = "s",
            .key = "k"};
    return {.version = 2,
            .client = test_peer(),
            .destination = test_peer(),
            .alpn = "h2",
            .authority = "mail.example.org",
            .unique_id = std::string("\0\xff", 2),
            .checked = true,
            .tls = tls};
}

TlsFacts test_tls() {
    return {.protocol = "TLSv1.3",
            .cipher = "TLS_AES_128_GCM_SHA256",
            .bits = 128,
            .reused = true,
            .alpn = "h2",
            .server_name = "mail.example.org",
            .peer = {"CN=anna", "CN=ca", "SHA256:00", "DNS:a", "2027-01-31T12:00:00Z"}};
}

const std::vector<FromRelay> from_relay{SecuredMessage{{3, 4}, test_tls()},
        UnsecuredMessage{{3, 4}, 0, "no shared cipher"},
        UnsecuredMessage{{3, 4}, ECONNRESET, ""},ProxiedMessage{{3, 4}, test_facts()},
        ProxiedMessage{{3, 4}, {.version = 1}},
        ProxiedMessage{{3, 4}, {.version = 2, .local = true}},
        UnproxiedMessage{{3, 4}, ProxyFault::silent, 0},
        UnproxiedMessage{{3, 4}, ProxyFault::none, ECONNRESET}, AskedMessage{{3, 4}, "ftp"},
        IdentMessage{{3, 4}, 6193, 23}, SensedMessage{7, test_peer()},
        CountsMessage{7, 1, 2, ~std::uint64_t{0}}, FlowAskedMessage{7, 9, test_peer()},
        ReadyMessage{1, 63}, EndedMessage{{3, 0x18f2}, RelayEnd::idle, 0, 12, 34},
        EndedMessage{{0, 1}, RelayEnd::client, ECONNRESET, ~std::uint64_t{0}, 0},
        UnreachedMessage{{3, 4}, ETIMEDOUT}, ReachedMessage{{3, 4}}};

struct Pair {
    Pair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
        superd_end.reset(ends[0]);
        relay_end.reset(ends[1]);
    }

    Fd superd_end, relay_end;
};

}  // namespace

TEST_CASE("relay protocol: every message reads back as it was") {
    for (const ToRelay& message : to_relay) {
        const auto packet = encode_message(message);
        REQUIRE(packet);
        CHECK(decode_to_relay(*packet) == message);
        CHECK_FALSE(decode_from_relay(*packet));
    }
    for (const FromRelay& message : from_relay) {
        const auto packet = encode_message(message);
        REQUIRE(packet);
        CHECK(decode_from_relay(*packet) == message);
        CHECK_FALSE(decode_to_relay(*packet));
    }
}

TEST_CASE("relay protocol: a packet cut short or with more behind it is refused") {
    for (const ToRelay& message : to_relay) {
        const std::string packet = encode_message(message).value();
        for (std::size_t size = 0; size < packet.size(); ++size)
            CHECK_FALSE(decode_to_relay(packet.substr(0, size)));
        CHECK_FALSE(decode_to_relay(packet + '\0'));
    }
    for (const FromRelay& message : from_relay) {
        const std::string packet = encode_message(message).value();
        for (std::size_t size = 0; size < packet.size(); ++size)
            CHECK_FALSE(decode_from_relay(packet.substr(0, size)));
        CHECK_FALSE(decode_from_relay(packet + '\0'));
    }
}

TEST_CASE("relay protocol: questions, answers and datagrams read back as they were") {
    for (const ToRelay& message : more_to_relay) {
        const std::string packet = encode_message(message).value();
        CHECK(decode_to_relay(packet) == message);
        for (std::size_t size = 0; size < packet.size(); ++size)
            CHECK_FALSE(decode_to_relay(packet.substr(0, size)));
        CHECK_FALSE(decode_to_relay(packet + '\0'));
    }
}

TEST_CASE("relay protocol: what a lying relay or superd could not mean is refused") {
    CHECK_FALSE(encode_message(ToRelay{AnswerMessage{{1, 2}, "", AnswerThen::closing}}));
    CHECK_FALSE(encode_message(ToRelay{AnswerMessage{{1, 2}, std::string(9000, 'x')}}));
    CHECK_FALSE(encode_message(ToRelay{FlowMessage{1, 1, {1, 2}, 0ns}}));
    CHECK_FALSE(encode_message(FromRelay{AskedMessage{{1, 2}, "two words"}}));
    CHECK_FALSE(encode_message(FromRelay{AskedMessage{{1, 2}, "FTP"}}));
    CHECK_FALSE(encode_message(FromRelay{AskedMessage{{1, 2}, ""}}));
    CHECK_FALSE(encode_message(FromRelay{IdentMessage{{1, 2}, 0, 1}}));
    CHECK_FALSE(encode_message(FromRelay{SensedMessage{1, Endpoint{}}}));
    CHECK_FALSE(encode_message(ToRelay{PrefaceMessage{{1, 2}, 0, 1s}}));
    CHECK_FALSE(encode_message(ToRelay{PrefaceMessage{{1, 2}, proxy_any, 0s}}));
    CHECK_FALSE(encode_message(FromRelay{UnproxiedMessage{{1, 2}, ProxyFault::none, 0}}));
    CHECK_FALSE(encode_message(ToRelay{ProfileMessage{1, 16, 0}}));
    CHECK_FALSE(encode_message(ToRelay{TicketsMessage{{"short"}}}));
    CHECK_FALSE(encode_message(ToRelay{SecureMessage{{1, 2}, 7, 0s, 0s, 0s, true, Starttls::none}}));
    CHECK_FALSE(encode_message(FromRelay{SecuredMessage{{1, 2}, {}}}));
    TlsFacts tls = test_tls();
    tls.peer.subject = "CN=x\nSSL_PROTOCOL=y";
    CHECK_FALSE(encode_message(FromRelay{SecuredMessage{{1, 2}, tls}}));
    ProxyFacts facts = test_facts();
    facts.authority = "mail\nSSL_PROTOCOL=x";
    CHECK_FALSE(encode_message(FromRelay{ProxiedMessage{{1, 2}, facts}}));
    facts = test_facts();
    facts.local = true;
    CHECK_FALSE(encode_message(FromRelay{ProxiedMessage{{1, 2}, facts}}));
    CHECK_FALSE(encode_message(FromRelay{ProxiedMessage{{1, 2}, {}}}));
    std::string packet = encode_message(FromRelay{AskedMessage{{1, 2}, "ftp"}}).value();
    packet.back() = '\n';
    CHECK_FALSE(decode_from_relay(packet));
}

TEST_CASE("relay protocol: values beyond their range are refused") {
    std::string packet =
            encode_message(ToRelay{ServeMessage{{1, 2}, Builtin::echo, 1s}}).value();
    packet[13] = 0;  // no builtin
    CHECK_FALSE(decode_to_relay(packet));
    packet[13] = 100;
    CHECK_FALSE(decode_to_relay(packet));
    packet[13] = 1;
    packet[21] = static_cast<char>(0x80);  // a negative idle time
    CHECK_FALSE(decode_to_relay(packet));
    CHECK_FALSE(encode_message(ToRelay{ServeMessage{{1, 2}, Builtin::echo, -1ns}}));
    packet = encode_message(FromRelay{EndedMessage{{1, 2}}}).value();
    packet[13] = static_cast<char>(RelayEnd::lost);  // superd's own word
    CHECK_FALSE(decode_from_relay(packet));
    CHECK_FALSE(encode_message(
            ToRelay{PumpMessage{{1, 2}, 0ns, 0ns, std::string(relay_header_limit + 1, 'x')}}));
    packet = encode_message(FromRelay{UnreachedMessage{{1, 2}, 1}}).value();
    packet[13] = 0;  // no error
    CHECK_FALSE(decode_from_relay(packet));
    CHECK_FALSE(decode_to_relay(""));
    CHECK_FALSE(decode_to_relay("\xff"));
    CHECK_FALSE(decode_from_relay(std::string(relay_packet_limit + 1, 'x')));
}

TEST_CASE("relay channel: a packet must bring the descriptors that it says") {
    Pair pair;
    const Fd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const int number = file.get();
    const std::string serve = encode_message(ToRelay{to_relay[2]}).value();
    const std::string greet = encode_message(ToRelay{to_relay[0]}).value();
    REQUIRE(send_relay_message(pair.superd_end.get(), serve, {&number, 1}));
    const auto got = receive_to_relay(pair.relay_end.get());
    REQUIRE(got);
    REQUIRE(got->size() == 1);
    CHECK(got->front().message == to_relay[2]);
    CHECK(got->front().descriptors.size() == 1);
    REQUIRE(send_relay_message(pair.superd_end.get(), serve));
    CHECK(receive_to_relay(pair.relay_end.get()).error().code == EBADMSG);
    REQUIRE(send_relay_message(pair.superd_end.get(), greet, {&number, 1}));
    CHECK(receive_to_relay(pair.relay_end.get()).error().code == EBADMSG);
    CHECK(receive_to_relay(pair.relay_end.get()).error().code == EAGAIN);
}

TEST_CASE("relay channel: a packet of several messages gives each its own descriptors") {
    Pair pair;
    const Fd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const int numbers[] = {file.get(), file.get()};
    RelayPacket packet;
    REQUIRE(packet.add(encode_message(ToRelay{PumpMessage{}}).value(), numbers));
    REQUIRE(packet.add(encode_message(ToRelay{GreetMessage{}}).value()));
    REQUIRE(packet.add(encode_message(to_relay[2]).value(), {numbers, 1}));
    REQUIRE(packet.send(pair.superd_end.get()));
    const auto got = receive_to_relay(pair.relay_end.get());
    REQUIRE(got);
    REQUIRE(got->size() == 3);
    CHECK((*got)[0].descriptors.size() == 2);
    CHECK((*got)[1].message == ToRelay{GreetMessage{}});
    CHECK((*got)[2].message == to_relay[2]);
    CHECK((*got)[2].descriptors.size() == 1);
    packet.clear();
    CHECK(packet.empty());

    // One bad message, and nothing of the packet is believed.
    REQUIRE(packet.add(encode_message(from_relay[1]).value()));
    REQUIRE(packet.add("nonsense"));
    REQUIRE(packet.send(pair.relay_end.get()));
    CHECK(receive_from_relay(pair.superd_end.get()).error().code == EBADMSG);
}

TEST_CASE("relay channel: a packet takes what fits, descriptors included, and then no more") {
    RelayPacket packet;
    const std::string message = encode_message(ToRelay{PumpMessage{}}).value();
    const std::vector<int> two(2, 0);
    std::size_t count = 0;
    while (packet.add(message, two))
        ++count;
    CHECK(count == packet_descriptor_limit / 2);
    CHECK(packet.add(encode_message(ToRelay{GreetMessage{}}).value()));
    packet.clear();
    CHECK(packet.add(std::string(relay_message_limit, 'x')));
    CHECK_FALSE(packet.add("x"));
}

TEST_CASE("relay channel: superd takes no descriptor from a relay") {
    Pair pair;
    const Fd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const int number = file.get();
    const std::string ended = encode_message(FromRelay{from_relay[1]}).value();
    REQUIRE(send_relay_message(pair.relay_end.get(), ended, {&number, 1}));
    CHECK(receive_from_relay(pair.superd_end.get()).error().code == EBADMSG);
    REQUIRE(send_relay_message(pair.relay_end.get(), ended));
    const auto got = receive_from_relay(pair.superd_end.get());
    REQUIRE(got);
    CHECK(*got == std::vector{from_relay[1]});
    pair.relay_end.reset();
    CHECK(receive_from_relay(pair.superd_end.get()).error().code == EPIPE);
}
