// SPDX-License-Identifier: MIT
#include <cerrno>
#include <random>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/channel.h"

#include "support/catch.h"

using namespace superd;

namespace {

std::vector<Frame> samples() {
    SinkPlan sized{SinkKind::file, "/var/log/ssh"}, syslog{SinkKind::syslog, {}};
    sized.soft_size = 0;
    sized.hard_size = ~std::uint64_t{0};
    SinkPlan rotated{SinkKind::file, "/var/log/shop/log"};
    rotated.rotation =
            RotationPlan{4096, std::chrono::hours(24), 0, std::uint64_t{1} << 40, false};
    syslog.facility = 23;
    syslog.severity = 0;
    ConfigFrame config;
    config.format = LogFormat::xinetd;
    config.owner = 4294967295U;
    config.admin_gid = 0;
    config.keep_size = 1 << 20;
    config.sinks = {{{SinkKind::stderr_text, ""}, false},
            {{SinkKind::file, "/var/log/x y"}, true}, {{SinkKind::file, "/gone"}, false},
            {{SinkKind::syslog, "/dev/log"}, false}, {{SinkKind::journal, ""}, false}};
    return {ConfigFrame{}, config, EventsFrame{4711}, EventsFrame{0}, ServiceFrame{"ssh"},
            ServiceFrame{std::string(service_name_limit, 's')}, ListenerFrame{}, DrainFrame{},
            FileFrame{sized}, FileFrame{rotated}, BoardFrame{}, ServiceFrame{"git", 4095},
            RouteFrame{"ssh", {}}, RouteFrame{"git", {sized, syslog}}};
}

struct Channel {
    Channel() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
        ours.reset(ends[0]);
        theirs.reset(ends[1]);
    }

    Fd ours, theirs;
};

Fd open_null() {
    return Fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
}

}  // namespace

TEST_CASE("log channel: every frame reads back as written") {
    for (const Frame& frame : samples()) {
        const auto packet = encode_frame(frame);
        REQUIRE(packet);
        CHECK(packet->size() <= frame_limit);
        CHECK(decode_frame(*packet) == frame);
    }
}

TEST_CASE("log channel: what is longer than the bounds is not written") {
    CHECK_FALSE(encode_frame(ServiceFrame{std::string(service_name_limit + 1, 's')}));
    CHECK_FALSE(encode_frame(ServiceFrame{}));
    CHECK_FALSE(encode_frame(FileFrame{}));
    CHECK_FALSE(encode_frame(RouteFrame{}));
    CHECK_FALSE(encode_frame(RouteFrame{"ssh", std::vector<SinkPlan>(sink_limit + 1)}));
    ConfigFrame config;
    config.sinks = {{{SinkKind::file, std::string(path_limit + 1, 'p')}, true}};
    CHECK_FALSE(encode_frame(config));
    config.sinks.assign(sink_limit + 1, SinkFrame{});
    CHECK_FALSE(encode_frame(config));
    config.sinks.assign(sink_limit, {{SinkKind::file, std::string(path_limit, 'p')}, true});
    CHECK(encode_frame(config));
}

TEST_CASE("log channel: a packet cut short or with more behind it is refused") {
    for (const Frame& frame : samples()) {
        const std::string packet = *encode_frame(frame);
        for (std::size_t size = 0; size < packet.size(); ++size)
            CHECK_FALSE(decode_frame(packet.substr(0, size)));
        CHECK_FALSE(decode_frame(packet + '\0'));
    }
    CHECK_FALSE(decode_frame(std::string(frame_limit + 1, '\x05')));
}

TEST_CASE("log channel: random bytes never decode to what would encode differently") {
    std::mt19937 random(7);
    const auto frames = samples();
    for (int round = 0; round < 20000; ++round) {
        std::string packet = *encode_frame(frames[random() % frames.size()]);
        for (auto changes = random() % 4; changes > 0; --changes)
            packet[random() % packet.size()] = static_cast<char>(random());
        const auto frame = decode_frame(packet);
        if (frame) CHECK(encode_frame(*frame) == packet);
    }
}

TEST_CASE("log channel: descriptors arrive with their frame, close-on-exec") {
    Channel channel;
    const Fd null = open_null();
    const int one[] = {null.get()};
    const Frame frame = ServiceFrame{"ssh"};
    REQUIRE(send_frame_packet(channel.ours.get(), *encode_frame(frame), one));
    const auto received = receive_frame(channel.theirs.get());
    REQUIRE(received);
    CHECK(received->frame == frame);
    REQUIRE(received->descriptors.size() == 1);
    CHECK(received->descriptors[0].get() != null.get());
    CHECK(::fcntl(received->descriptors[0].get(), F_GETFD) == FD_CLOEXEC);
}

TEST_CASE("log channel: a wrong number of descriptors is refused and none is kept") {
    Channel channel;
    const Fd null = open_null();
    const int two[] = {null.get(), null.get()};
    const int before = ::dup(null.get());
    ::close(before);
    REQUIRE(send_frame_packet(channel.ours.get(), *encode_frame(ServiceFrame{"ssh"}), two));
    REQUIRE(send_frame_packet(channel.ours.get(), *encode_frame(ServiceFrame{"ssh"}), {}));
    REQUIRE(send_frame_packet(channel.ours.get(), *encode_frame(DrainFrame{}), two));
    for (int i = 0; i < 3; ++i)
        CHECK(receive_frame(channel.theirs.get()).error().code == EBADMSG);
    const int after = ::dup(null.get());
    ::close(after);
    CHECK(after == before);
}

TEST_CASE("log channel: an oversized packet is refused, the next one is read") {
    Channel channel;
    REQUIRE(send_frame_packet(channel.ours.get(), std::string(frame_limit + 100, 'x'), {}));
    REQUIRE(send_frame_packet(channel.ours.get(), *encode_frame(DrainFrame{}), {}));
    CHECK(receive_frame(channel.theirs.get()).error().code == EBADMSG);
    CHECK(receive_frame(channel.theirs.get())->frame == Frame(DrainFrame{}));
}

TEST_CASE("log channel: nothing there is EAGAIN, a closed channel EPIPE") {
    Channel channel;
    CHECK(receive_frame(channel.theirs.get()).error().code == EAGAIN);
    channel.ours.reset();
    CHECK(receive_frame(channel.theirs.get()).error().code == EPIPE);
}
