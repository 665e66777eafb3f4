// SPDX-License-Identifier: MIT
#include "relay/channel.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include <sys/socket.h>

namespace superd {

namespace {

constexpr const char* subject = "relay channel";

// The next message, taken off packet; nothing where it is cut short or empty.
std::optional<std::string_view> take_message(std::string_view& packet) {
    if (packet.size() < 2) return std::nullopt;
    const auto byte = [&](std::size_t place) {
        return static_cast<std::size_t>(static_cast<unsigned char>(packet[place]));
    };
    const std::size_t size = byte(0) | byte(1) << 8;
    packet.remove_prefix(2);
    if (size == 0 || size > packet.size()) return std::nullopt;
    const std::string_view message = packet.substr(0, size);
    packet.remove_prefix(size);
    return message;
}

}  // namespace

bool RelayPacket::add(std::string_view message, std::span<const int> descriptors) {
    const bool fits = bytes_.size() + 2 + message.size() <= relay_packet_limit &&
                      used_ + descriptors.size() <= descriptors_.size();
    if (!fits) return false;
    bytes_ += static_cast<char>(message.size() & 0xff);
    bytes_ += static_cast<char>(message.size() >> 8 & 0xff);
    bytes_ += message;
    std::copy(descriptors.begin(), descriptors.end(), descriptors_.begin() + used_);
    used_ += descriptors.size();
    return true;
}

Result<void> RelayPacket::send(int channel) const {
    return send_packet(channel, bytes_, {descriptors_.data(), used_}, subject);
}

void RelayPacket::clear() {
    bytes_.clear();
    used_ = 0;
}

Result<std::vector<ToRelayPacket>> receive_to_relay(int channel) {
    char data[relay_packet_limit + 1];
    auto received = receive_packet(channel, data, packet_descriptor_limit, subject);
    if (!received) return tl::unexpected(received.error());
    std::string_view packet(data, received->size);
    auto next = received->descriptors.begin();
    std::vector<ToRelayPacket> messages;
    while (!packet.empty()) {
        const auto bytes = take_message(packet);
        auto message = bytes ? decode_to_relay(*bytes) : std::nullopt;
        if (!message) return fail(EBADMSG, "recvmsg", subject);
        const auto count = static_cast<std::ptrdiff_t>(descriptor_count(*message));
        if (received->descriptors.end() - next < count)
            return fail(EBADMSG, "recvmsg", subject);
        ToRelayPacket& taken = messages.emplace_back(std::move(*message));
        taken.descriptors.assign(
                std::move_iterator(next), std::move_iterator(std::next(next, count)));
        std::advance(next, count);
    }
    if (messages.empty() || next != received->descriptors.end())
        return fail(EBADMSG, "recvmsg", subject);
    return messages;
}

namespace {

Result<std::vector<FromRelay>> read_from_relay(int channel, int flags) {
    char data[relay_packet_limit + 1];
    const auto received = receive_packet(channel, data, 0, subject, flags);
    if (!received) return tl::unexpected(received.error());
    std::string_view packet(data, received->size);
    std::vector<FromRelay> messages;
    while (!packet.empty()) {
        const auto bytes = take_message(packet);
        auto message = bytes ? decode_from_relay(*bytes) : std::nullopt;
        if (!message) return fail(EBADMSG, "recvmsg", subject);
        messages.push_back(std::move(*message));
    }
    if (messages.empty()) return fail(EBADMSG, "recvmsg", subject);
    return messages;
}

}  // namespace

Result<std::vector<FromRelay>> receive_from_relay(int channel) {
    return read_from_relay(channel, 0);
}

Result<std::vector<FromRelay>> peek_from_relay(int channel) {
    return read_from_relay(channel, MSG_PEEK);
}

}  // namespace superd
