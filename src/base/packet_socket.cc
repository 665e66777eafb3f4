// SPDX-License-Identifier: MIT
#include "base/packet_socket.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace superd {

namespace {

// Descriptors of a message, taken over at once so that no way out of here leaks one.
std::vector<Fd> take_descriptors(msghdr& message) {
    std::vector<Fd> out;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        out.reserve(out.size() + count);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            out.emplace_back(fd);
        }
    }
    return out;
}

}  // namespace

Result<void> send_packet(int channel, std::string_view packet, std::span<const int> descriptors,
        const char* subject) {
    alignas(cmsghdr) char control[CMSG_SPACE(packet_descriptor_limit * sizeof(int))] = {};
    if (descriptors.size() > packet_descriptor_limit) return fail(EINVAL, "sendmsg", subject);
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

Result<ReceivedPacket> receive_packet(int channel, std::span<char> buffer,
        std::size_t descriptors, const char* subject, int flags) {
    // Room for one more than there may be, so that it is taken and closed here.
    alignas(cmsghdr) char control[CMSG_SPACE((packet_descriptor_limit + 1) * sizeof(int))];
    iovec part{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t n = 0;
    do {
        n = ::recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | flags);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return fail("recvmsg", subject);
    ReceivedPacket packet{static_cast<std::size_t>(n), take_descriptors(message)};
    if (n == 0 && packet.descriptors.empty()) return fail(EPIPE, "recvmsg", subject);
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || packet.size >= buffer.size() ||
            packet.descriptors.size() > descriptors)
        return fail(EBADMSG, "recvmsg", subject);
    return packet;
}

void drop_packet(int channel) {
    ssize_t n = 0;
    do {
        n = ::recv(channel, nullptr, 0, MSG_DONTWAIT | MSG_TRUNC);
    } while (n < 0 && errno == EINTR);
}

}  // namespace superd
