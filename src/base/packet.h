// SPDX-License-Identifier: MIT
// The form of the packets that superd and its helpers send each other: a type byte and the
// fields in order; integers little-endian in the width of their type, texts and lists as a
// 16-bit count and what they hold, an optional as a byte and its value.
//
// Each message says its fields once, in a function that both directions use:
//
//     template <class Coder>
//     void code_fields(Coder& c, PacketField<Coder, PumpMessage>& m) {
//         code_fields(c, m.name);
//         c.value(m.idle);
//         c.text(m.header, header_limit);
//         c.require(!m.header.empty());
//     }
//
// stands in namespace superd (argument-dependent look-up finds it) and serves encode_packet()
// and decode_packet(). What the writer would refuse the reader refuses too: limits and
// require() hold for both, so a decoded message is one that could have been encoded.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/clock.h"

namespace superd {

// What a Coder takes of a T: the writer only reads it.
template <class Coder, class T>
using PacketField = std::conditional_t<Coder::writes, const T, T>;

class PacketWriter {
public:
    static constexpr bool writes = true;

    PacketWriter() { out_.reserve(128); }

    // From 0 to last.
    template <std::integral T>
    void value(T value, T last = std::numeric_limits<T>::max()) {
        require(value >= 0 && value <= last);
        number(static_cast<std::uint64_t>(value), sizeof value);
    }

    // One byte.
    template <class T>
    requires std::is_enum_v<T>

    void value(T value, T last) {
        this->value(static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(last));
    }

    void value(bool value) { number(value ? 1 : 0, 1); }

    // Not negative.
    void value(Nanoseconds value) { this->value(std::int64_t{value.count()}); }

    void value(const IpAddress& address);
    // Of family ip, and nothing else in it.
    void value(const Endpoint& endpoint);
    void text(std::string_view text, std::size_t limit);

    template <class T, class Each>
    void list(const std::vector<T>& list, std::size_t limit, Each each) {
        require(list.size() <= limit);
        number(list.size(), 2);
        for (const T& item : list)
            each(item);
    }

    template <class T, class Each>
    void optional(const std::optional<T>& value, Each each) {
        this->value(value.has_value());
        if (value) each(*value);
    }

    void require(bool good) { good_ = good_ && good; }

    // Nothing where something was out of its bounds, or the packet is longer than limit.
    [[nodiscard]] std::optional<std::string> take(std::size_t limit);

private:
    void number(std::uint64_t value, std::size_t bytes);

    std::string out_;
    bool good_ = true;
};

// Reads past the end give zeros and are remembered; take the values, then ask complete().
class PacketReader {
public:
    static constexpr bool writes = false;

    explicit PacketReader(std::string_view in) : in_(in) {}

    template <std::integral T>
    void value(T& value, T last = std::numeric_limits<T>::max()) {
        value = static_cast<T>(number(sizeof value, static_cast<std::uint64_t>(last)));
    }

    template <class T>
    requires std::is_enum_v<T>

    void value(T& value, T last) {
        value = static_cast<T>(number(1, static_cast<std::uint64_t>(last)));
    }

    void value(bool& value) { value = number(1, 1) == 1; }

    void value(Nanoseconds& value) {
        value = Nanoseconds(number(8, std::numeric_limits<std::int64_t>::max()));
    }

    void value(IpAddress& address);
    void value(Endpoint& endpoint);
    void text(std::string& text, std::size_t limit);

    template <class T, class Each>
    void list(std::vector<T>& list, std::size_t limit, Each each) {
        const std::uint64_t count = number(2, limit);
        for (std::uint64_t i = 0; i < count && good_; ++i)
            each(list.emplace_back());
    }

    template <class T, class Each>
    void optional(std::optional<T>& value, Each each) {
        if (number(1, 1) == 1) each(value.emplace());
    }

    void require(bool good) {
        if (!good) spoil();
    }

    [[nodiscard]] bool good() const { return good_; }

    // Everything was in its bounds, and nothing is left over.
    [[nodiscard]] bool complete() const { return good_ && in_.empty(); }

private:
    std::uint64_t number(std::size_t bytes, std::uint64_t limit);
    std::uint64_t spoil();

    std::string_view in_;
    bool good_ = true;
};

// A variant of messages: the type byte is `first` and the place of the message in the variant.
// Nothing where a field is out of its bounds or the packet longer than limit.
template <class... Messages>
[[nodiscard]] std::optional<std::string> encode_packet(
        const std::variant<Messages...>& message, std::uint8_t first, std::size_t limit) {
    PacketWriter out;
    out.value(static_cast<std::uint8_t>(first + message.index()));
    std::visit([&](const auto& typed) { code_fields(out, typed); }, message);
    return out.take(limit);
}

// Nothing for anything that encode_packet() would not have made.
template <class Variant>
[[nodiscard]] std::optional<Variant> decode_packet(
        std::string_view packet, std::uint8_t first, std::size_t limit) {
    if (packet.empty() || packet.size() > limit) return std::nullopt;
    const std::size_t index = static_cast<unsigned char>(packet.front()) - std::size_t{first};
    std::optional<Variant> message;
    const auto try_type = [&]<std::size_t place>() {
        if (index != place) return;
        PacketReader in(packet.substr(1));
        code_fields(in, message.emplace().template emplace<place>());
        if (!in.complete()) message.reset();
    };
    [&]<std::size_t... places>(std::index_sequence<places...>) {
        (try_type.template operator()<places>(), ...);
    }
    (std::make_index_sequence<std::variant_size_v<Variant>>());
    return message;
}

}  // namespace superd
