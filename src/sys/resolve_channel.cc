// SPDX-License-Identifier: MIT
// The messages between superd and superd-resolve: encoding, decoding, sending, receiving.
#include "sys/resolve_channel.h"

#include <algorithm>
#include <cerrno>

#include "base/host_name.h"
#include "base/packet.h"
#include "base/packet_socket.h"

namespace superd {

namespace {

// The type bytes of one direction are none of the other's.
constexpr std::uint8_t first_query = 1, first_answer = 64;
constexpr const char* subject = "resolve channel";

bool is_proper_name(const std::string& name) {
    return parse_host_name(name) == name;
}

bool is_proper(const NameAnswer& answer) {
    const bool named =
            answer.status == NameStatus::confirmed || answer.status == NameStatus::unconfirmed;
    return named ? is_proper_name(answer.name) : answer.name.empty();
}

bool is_proper(const IdentReply& reply) {
    return reply.text.empty() == (reply.status == IdentStatus::failed) &&
           (reply.system.empty() || reply.status == IdentStatus::user) &&
           reply.text.find('\0') == std::string::npos &&
           reply.system.find('\0') == std::string::npos;
}

bool is_proper(const AddressAnswer& answer) {
    auto sorted = answer.addresses;
    std::sort(sorted.begin(), sorted.end());
    return !(answer.failed && !sorted.empty()) &&
           std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
}

bool is_printable(const std::string& text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool is_proper(const HttpAnswer& answer) {
    const bool answered = answer.status >= 200 && answer.status < 600 && answer.error == 0;
    return answered || (answer.status == 0 && answer.error > 0 && answer.error < 4096);
}

}  // namespace

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, HttpQuery>& m) {
    c.value(m.id);
    c.value(m.timeout_ms);
    c.value(m.address);
    c.value(m.port);
    c.text(m.host, http_host_limit);
    c.text(m.target, http_target_limit);
    c.require(is_printable(m.host) && is_printable(m.target));
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, HttpAnswer>& m) {
    c.value(m.id);
    c.value(m.status);
    c.value(m.error);
    c.require(is_proper(m));
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, NameQuery>& m) {
    c.value(m.id);
    c.value(m.timeout_ms);
    c.value(m.address);
    c.value(m.scope);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, IdentQuery>& m) {
    c.value(m.id);
    c.value(m.timeout_ms);
    c.value(m.local);
    c.value(m.peer);
    c.value(m.scope);
    c.value(m.local_port);
    c.value(m.peer_port);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, AddressQuery>& m) {
    c.value(m.id);
    c.value(m.timeout_ms);
    c.text(m.name, host_name_limit);
    c.require(is_proper_name(m.name));
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, NameAnswer>& m) {
    c.value(m.id);
    c.value(m.status, NameStatus::failed);
    c.text(m.name, host_name_limit);
    c.require(is_proper(m));
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, IdentAnswer>& m) {
    c.value(m.id);
    c.value(m.reply.status, IdentStatus::failed);
    c.text(m.reply.text, ident_user_limit);
    c.text(m.reply.system, ident_system_limit);
    c.require(is_proper(m.reply));
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, AddressAnswer>& m) {
    c.value(m.id);
    c.value(m.failed);
    c.list(m.addresses, resolved_address_limit, [&](auto& address) { c.value(address); });
    c.require(is_proper(m));
}

std::uint64_t id_of(const Query& query) {
    return std::visit([](const auto& typed) { return typed.id; }, query);
}

std::uint64_t id_of(const Answer& answer) {
    return std::visit([](const auto& typed) { return typed.id; }, answer);
}

std::optional<std::string> encode_query(const Query& query) {
    return encode_packet(query, first_query, resolve_packet_limit);
}

std::optional<std::string> encode_answer(const Answer& answer) {
    return encode_packet(answer, first_answer, resolve_packet_limit);
}

std::optional<Query> decode_query(std::string_view packet) {
    return decode_packet<Query>(packet, first_query, resolve_packet_limit);
}

std::optional<Answer> decode_answer(std::string_view packet) {
    return decode_packet<Answer>(packet, first_answer, resolve_packet_limit);
}

Result<void> send_resolve_packet(int channel, std::string_view packet) {
    return send_packet(channel, packet, {}, subject);
}

Result<std::string> receive_resolve_packet(int channel) {
    char data[resolve_packet_limit + 1];
    const auto received = receive_packet(channel, data, 0, subject);
    if (!received) return tl::unexpected(received.error());
    return std::string(data, received->size);
}

}  // namespace superd
