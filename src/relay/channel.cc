// SPDX-License-Identifier: MIT
#include "relay/channel.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace superd {

namespace {

constexpr const char* subject = "relay channel";

// Descriptors of a message, taken over at once so that no way out of here leaks one.
std::vector<Fd> take_descriptors(msghdr& message) {
    std::vector<Fd> out;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            out.emplace_back(fd);
        }
    }
    return out;
}

struct Raw {
    std::size_t size = 0;
    int flags = 0;
    std::vector<Fd> descriptors;
    // One more than a packet and its descriptors may have: what fills it is none of ours.
    char data[relay_packet_limit + 1];

    [[nodiscard]] std::string_view bytes() const { return {data, size}; }
};

Result<void> receive(int channel, Raw& raw) {
    alignas(cmsghdr) char control[CMSG_SPACE((relay_descriptor_limit + 1) * sizeof(int))];
    iovec part{raw.data, sizeof raw.data};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t n = 0;
    do {
        n = ::recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return fail("recvmsg", subject);
    raw.descriptors = take_descriptors(message);
    if (n == 0 && raw.descriptors.empty()) return fail(EPIPE, "recvmsg", subject);
    raw.size = static_cast<std::size_t>(n);
    raw.flags = message.msg_flags;
    if ((raw.flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return fail(EBADMSG, "recvmsg", subject);
    return {};
}

}  // namespace

Result<void> send_relay_packet(
        int channel, std::string_view packet, std::span<const int> descriptors) {
    alignas(cmsghdr) char control[CMSG_SPACE(relay_descriptor_limit * sizeof(int))] = {};
    if (descriptors.size() > relay_descriptor_limit) return fail(EINVAL, "sendmsg", subject);
    iovec part{const_cast<char*>(packet.data()), packet.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(c), descriptors.data(), descriptors.size_bytes());
    }
    ssize_t n = 0;
    do {
        n = ::sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return fail("sendmsg", subject);
    return {};
}

Result<ToRelayPacket> receive_to_relay(int channel) {
    Raw raw;
    if (auto received = receive(channel, raw); !received)
        return tl::unexpected(received.error());
    auto message = decode_to_relay(raw.bytes());
    if (!message || descriptor_count(*message) != raw.descriptors.size())
        return fail(EBADMSG, "recvmsg", subject);
    return ToRelayPacket{std::move(*message), std::move(raw.descriptors)};
}

Result<FromRelay> receive_from_relay(int channel) {
    Raw raw;
    if (auto received = receive(channel, raw); !received)
        return tl::unexpected(received.error());
    auto message = decode_from_relay(raw.bytes());
    if (!message || !raw.descriptors.empty()) return fail(EBADMSG, "recvmsg", subject);
    return std::move(*message);
}

}  // namespace superd
