// SPDX-License-Identifier: MIT
// Numbers, texts and addresses in a packet.
#include "base/packet.h"

#include <cstring>

namespace superd {

void PacketWriter::number(std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i)
        out_ += static_cast<char>(value >> (8 * i) & 0xff);
}

void PacketWriter::value(const IpAddress& address) {
    out_.append(reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size());
}

void PacketWriter::value(const Endpoint& endpoint) {
    require(endpoint.family == Family::ip);
    value(endpoint.ip);
    value(endpoint.scope);
    require(endpoint.port <= 0xffff);
    number(endpoint.port, 2);
}

void PacketWriter::text(std::string_view text, std::size_t limit) {
    require(text.size() <= limit && text.size() <= 0xffff);
    number(text.size(), 2);
    out_ += text;
}

std::optional<std::string> PacketWriter::take(std::size_t limit) {
    if (!good_ || out_.size() > limit) return std::nullopt;
    return std::move(out_);
}

std::uint64_t PacketReader::number(std::size_t bytes, std::uint64_t limit) {
    if (in_.size() < bytes) return spoil();
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
        value |= std::uint64_t{static_cast<unsigned char>(in_[i])} << (8 * i);
    in_.remove_prefix(bytes);
    return value <= limit ? value : spoil();
}

void PacketReader::value(IpAddress& address) {
    if (in_.size() < address.bytes.size()) {
        spoil();
        return;
    }
    std::memcpy(address.bytes.data(), in_.data(), address.bytes.size());
    in_.remove_prefix(address.bytes.size());
}

void PacketReader::value(Endpoint& endpoint) {
    endpoint.family = Family::ip;
    value(endpoint.ip);
    value(endpoint.scope);
    endpoint.port = static_cast<std::uint32_t>(number(2, 0xffff));
}

void PacketReader::text(std::string& text, std::size_t limit) {
    const std::size_t size = number(2, limit);
    if (in_.size() < size) {
        spoil();
        return;
    }
    text = in_.substr(0, size);
    in_.remove_prefix(size);
}

std::uint64_t PacketReader::spoil() {
    good_ = false;
    in_ = {};
    return 0;
}

}  // namespace superd
