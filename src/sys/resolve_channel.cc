// SPDX-License-Identifier: MIT
// The messages between superd and superd-resolve: encoding, decoding, sending, receiving.
#include "sys/resolve_channel.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

#include "base/host_name.h"

namespace superd {

namespace {

enum class Type : std::uint8_t {
    name_query = 1,
    ident_query,
    address_query,
    name_answer,
    ident_answer,
    address_answer
};

class Encoder {
public:
    explicit Encoder(Type type) { number(static_cast<std::uint8_t>(type), 1); }

    Encoder& number(std::uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i)
            out_ += static_cast<char>(value >> (8 * i) & 0xff);
        return *this;
    }

    Encoder& address(const IpAddress& address) {
        out_.append(reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size());
        return *this;
    }

    Encoder& string(std::string_view text) {
        number(text.size() & 0xffff, 2);
        out_ += text;
        return *this;
    }

    [[nodiscard]] std::string take() { return std::move(out_); }

private:
    std::string out_;
};

// Reads past the end give zeros and are remembered; take the values, then ask complete().
class Decoder {
public:
    explicit Decoder(std::string_view in) : in_(in) {}

    std::uint64_t number(unsigned bytes, std::uint64_t limit = ~std::uint64_t{0}) {
        if (in_.size() < bytes) return spoil();
        std::uint64_t value = 0;
        for (unsigned i = 0; i < bytes; ++i)
            value |= std::uint64_t{static_cast<unsigned char>(in_[i])} << (8 * i);
        in_.remove_prefix(bytes);
        return value <= limit ? value : spoil();
    }

    std::uint16_t port() { return static_cast<std::uint16_t>(number(2)); }

    std::uint32_t word() { return static_cast<std::uint32_t>(number(4)); }

    IpAddress address() {
        IpAddress address;
        if (in_.size() < address.bytes.size()) {
            spoil();
            return address;
        }
        std::memcpy(address.bytes.data(), in_.data(), address.bytes.size());
        in_.remove_prefix(address.bytes.size());
        return address;
    }

    std::string string(std::size_t limit) {
        const std::size_t size = number(2, limit);
        if (in_.size() < size) {
            spoil();
            return {};
        }
        std::string text(in_.substr(0, size));
        in_.remove_prefix(size);
        return text;
    }

    [[nodiscard]] bool good() const { return good_; }

    [[nodiscard]] bool complete() const { return good_ && in_.empty(); }

private:
    std::uint64_t spoil() {
        good_ = false;
        in_ = {};
        return 0;
    }

    std::string_view in_;
    bool good_ = true;
};

bool is_proper_name(const std::string& name) {
    return parse_host_name(name) == name;
}

bool is_valid(const NameQuery&) {
    return true;
}

bool is_valid(const IdentQuery&) {
    return true;
}

bool is_valid(const AddressQuery& query) {
    return is_proper_name(query.name);
}

bool is_valid(const NameAnswer& answer) {
    const bool named =
            answer.status == NameStatus::confirmed || answer.status == NameStatus::unconfirmed;
    return named ? is_proper_name(answer.name) : answer.name.empty();
}

bool is_valid(const IdentAnswer& answer) {
    const std::string& text = answer.reply.text;
    return text.empty() == (answer.reply.status == IdentStatus::failed) &&
           text.size() <= ident_user_limit && text.find('\0') == std::string::npos;
}

bool is_valid(const AddressAnswer& answer) {
    auto sorted = answer.addresses;
    std::sort(sorted.begin(), sorted.end());
    return sorted.size() <= resolved_address_limit && !(answer.failed && !sorted.empty()) &&
           std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
}

Encoder put(const NameQuery& query) {
    Encoder out(Type::name_query);
    out.number(query.id, 8).number(query.timeout_ms, 4).address(query.address);
    out.number(query.scope, 4);
    return out;
}

Encoder put(const IdentQuery& query) {
    Encoder out(Type::ident_query);
    out.number(query.id, 8).number(query.timeout_ms, 4);
    out.address(query.local).address(query.peer).number(query.scope, 4);
    out.number(query.local_port, 2).number(query.peer_port, 2);
    return out;
}

Encoder put(const AddressQuery& query) {
    Encoder out(Type::address_query);
    out.number(query.id, 8).number(query.timeout_ms, 4).string(query.name);
    return out;
}

Encoder put(const NameAnswer& answer) {
    Encoder out(Type::name_answer);
    out.number(answer.id, 8).number(static_cast<std::uint8_t>(answer.status), 1);
    out.string(answer.name);
    return out;
}

Encoder put(const IdentAnswer& answer) {
    Encoder out(Type::ident_answer);
    out.number(answer.id, 8).number(static_cast<std::uint8_t>(answer.reply.status), 1);
    out.string(answer.reply.text);
    return out;
}

Encoder put(const AddressAnswer& answer) {
    Encoder out(Type::address_answer);
    out.number(answer.id, 8).number(answer.failed ? 1 : 0, 1);
    out.number(answer.addresses.size(), 1);
    for (const IpAddress& address : answer.addresses)
        out.address(address);
    return out;
}

template <class Message>
std::optional<std::string> encode(const Message& message) {
    return std::visit(
            [](const auto& typed) -> std::optional<std::string> {
                if (!is_valid(typed)) return std::nullopt;
                return put(typed).take();
            },
            message);
}

template <class Message, class Typed>
std::optional<Message> checked(const Decoder& in, Typed typed) {
    if (!in.complete() || !is_valid(typed)) return std::nullopt;
    return Message(std::move(typed));
}

}  // namespace

std::uint64_t id_of(const Query& query) {
    return std::visit([](const auto& typed) { return typed.id; }, query);
}

std::uint64_t id_of(const Answer& answer) {
    return std::visit([](const auto& typed) { return typed.id; }, answer);
}

std::optional<std::string> encode_query(const Query& query) {
    return encode(query);
}

std::optional<std::string> encode_answer(const Answer& answer) {
    return encode(answer);
}

// Members are read in the order in which they stand in braces: that of the packet.
std::optional<Query> decode_query(std::string_view packet) {
    if (packet.size() > resolve_packet_limit) return std::nullopt;
    Decoder in(packet);
    switch (static_cast<Type>(in.number(1))) {
        case Type::name_query: {
            NameQuery query{in.number(8), in.word(), in.address(), in.word()};
            return checked<Query>(in, query);
        }
        case Type::ident_query: {
            IdentQuery query{in.number(8), in.word(), in.address(), in.address(), in.word(),
                    in.port(), in.port()};
            return checked<Query>(in, query);
        }
        case Type::address_query: {
            AddressQuery query{in.number(8), in.word(), in.string(host_name_limit)};
            return checked<Query>(in, std::move(query));
        }
        default: return std::nullopt;
    }
}

std::optional<Answer> decode_answer(std::string_view packet) {
    if (packet.size() > resolve_packet_limit) return std::nullopt;
    Decoder in(packet);
    switch (static_cast<Type>(in.number(1))) {
        case Type::name_answer: {
            NameAnswer answer{in.number(8), static_cast<NameStatus>(in.number(1, 3)),
                    in.string(host_name_limit)};
            return checked<Answer>(in, std::move(answer));
        }
        case Type::ident_answer: {
            IdentAnswer answer{in.number(8),
                    {static_cast<IdentStatus>(in.number(1, 2)), in.string(ident_user_limit)}};
            return checked<Answer>(in, std::move(answer));
        }
        case Type::address_answer: {
            AddressAnswer answer{in.number(8), in.number(1, 1) == 1, {}};
            const std::uint64_t count = in.number(1, resolved_address_limit);
            for (std::uint64_t i = 0; i < count && in.good(); ++i)
                answer.addresses.push_back(in.address());
            return checked<Answer>(in, std::move(answer));
        }
        default: return std::nullopt;
    }
}

Result<void> send_resolve_packet(int channel, std::string_view packet) {
    ssize_t sent = 0;
    do {
        sent = ::send(channel, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) return fail("send", "resolve channel");
    return {};
}

Result<std::string> receive_resolve_packet(int channel) {
    // One more than a packet may have: what fills it is none of ours. No control data is asked
    // for, so a descriptor that came along would be closed by the kernel.
    std::string packet(resolve_packet_limit + 1, '\0');
    ssize_t got = 0;
    do {
        got = ::recv(channel, packet.data(), packet.size(), MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return fail("recv", "resolve channel");
    if (got == 0) return fail(EPIPE, "recv", "resolve channel");
    packet.resize(static_cast<std::size_t>(got));
    if (packet.size() > resolve_packet_limit) return fail(EBADMSG, "recv", "resolve channel");
    return packet;
}

}  // namespace superd
