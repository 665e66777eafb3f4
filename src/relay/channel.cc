// SPDX-License-Identifier: MIT
#include "relay/channel.h"

#include <cerrno>

#include "base/packet_socket.h"

namespace superd {

namespace {

constexpr const char* subject = "relay channel";

}  // namespace

Result<void> send_relay_packet(
        int channel, std::string_view packet, std::span<const int> descriptors) {
    if (descriptors.size() > relay_descriptor_limit) return fail(EINVAL, "sendmsg", subject);
    return send_packet(channel, packet, descriptors, subject);
}

Result<ToRelayPacket> receive_to_relay(int channel) {
    char data[relay_packet_limit + 1];
    auto received = receive_packet(channel, data, relay_descriptor_limit, subject);
    if (!received) return tl::unexpected(received.error());
    auto message = decode_to_relay({data, received->size});
    if (!message || descriptor_count(*message) != received->descriptors.size())
        return fail(EBADMSG, "recvmsg", subject);
    return ToRelayPacket{std::move(*message), std::move(received->descriptors)};
}

Result<FromRelay> receive_from_relay(int channel) {
    char data[relay_packet_limit + 1];
    const auto received = receive_packet(channel, data, 0, subject);
    if (!received) return tl::unexpected(received.error());
    auto message = decode_from_relay({data, received->size});
    if (!message) return fail(EBADMSG, "recvmsg", subject);
    return std::move(*message);
}

}  // namespace superd
