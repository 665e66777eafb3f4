// SPDX-License-Identifier: MIT
// The messages between superd and superd-relay: encoding and decoding.
#include "relay/protocol.h"

#include <algorithm>

#include "base/packet.h"

namespace superd {

namespace {

// The type bytes of one direction are none of the other's.
constexpr std::uint8_t first_to_relay = 1, first_from_relay = 64;
constexpr std::int32_t largest_errno = 4095;

// What a tcpmux client may ask for: superd compares it with names and writes it into its log.
bool is_service_word(std::string_view text) {
    const auto fits = [](char c) {
        return c > ' ' && c <= '~' && !(c >= 'A' && c <= 'Z');
    };
    return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
            [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 0x7f; });
}

bool is_proper(const RatePlan& rate) {
    return rate.limit.count > 0 && rate.burst > 0 && rate.limit.period > Nanoseconds::zero();
}

}  // namespace

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, ConnectionName>& name) {
    c.value(name.record);
    c.value(name.id);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, RatePlan>& rate) {
    c.value(rate.limit.count);
    c.value(rate.limit.period);
    c.value(rate.burst);
    c.value(rate.pause);
    c.require(is_proper(rate));
}

// ---- superd to relay

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, GreetMessage>& m) {
    c.value(m.version);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, ServeMessage>& m) {
    code_fields(c, m.name);
    c.value(m.builtin, Builtin::sensor);
    c.value(m.idle);
    c.require(m.builtin != Builtin::none);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, UpstreamFacts>& facts) {
    c.value(facts.tcp);
    c.value(facts.tell_reached);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, PumpMessage>& m) {
    code_fields(c, m.name);
    c.value(m.idle);
    c.value(m.connect);
    c.text(m.header, relay_header_limit);
    c.value(m.client_tcp);
    code_fields(c, m.upstream);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, UpstreamMessage>& m) {
    code_fields(c, m.name);
    code_fields(c, m.upstream);
    c.text(m.header, relay_header_limit);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, EndMessage>& m) {
    code_fields(c, m.name);
    c.value(m.end, RelayEnd::refused);
    c.value(m.error, largest_errno);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, AnswerMessage>& m) {
    code_fields(c, m.name);
    c.text(m.text, relay_text_limit);
    c.value(m.then, AnswerThen::hand_over);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, WatchMessage>& m) {
    c.value(m.watch);
    c.value(m.builtin, Builtin::sensor);
    c.optional(m.rate, [&](auto& rate) { code_fields(c, rate); });
    c.optional(m.total, [&](auto& rate) { code_fields(c, rate); });
    c.list(m.own_ports, relay_ports_limit, [&](auto& port) { c.value(port); });
    c.require(m.builtin != Builtin::none);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, ForwardMessage>& m) {
    c.value(m.watch);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, FlowMessage>& m) {
    c.value(m.watch);
    c.value(m.flow);
    code_fields(c, m.name);
    c.value(m.idle);
    c.require(m.idle > Nanoseconds::zero());
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, FlowRefusedMessage>& m) {
    c.value(m.watch);
    c.value(m.flow);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, UnwatchMessage>& m) {
    c.value(m.watch);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, PrefaceMessage>& m) {
    code_fields(c, m.name);
    c.value(m.versions, std::uint8_t{proxy_any});
    c.value(m.time);
    c.require(m.versions != 0 && m.time > Nanoseconds::zero());
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, ProfileMessage>& m) {
    c.value(m.number);
    c.value(m.keys, std::uint8_t{relay_keys_limit});
    c.value(m.first_key);
    c.require(m.keys == 0 || m.first_key == 0);
}

template <class Coder>
void code_fields(Coder&, PacketField<Coder, KeysMessage>&) {}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, TicketsMessage>& m) {
    c.list(m.keys, ticket_keys_limit, [&](auto& key) {
        c.text(key, ticket_key_size);
        c.require(key.size() == ticket_key_size);
    });
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, DropProfileMessage>& m) {
    c.value(m.number);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, SecureMessage>& m) {
    code_fields(c, m.name);
    c.value(m.profile);
    c.value(m.handshake);
    c.value(m.idle);
    c.value(m.connect);
    c.value(m.client_tcp);
    c.value(m.starttls, Starttls::postgres);
    c.require(m.handshake > Nanoseconds::zero());
}

// ---- relay to superd

// What goes into an environment and a log.
template <class Coder, class Text>
void code_printable(Coder& c, Text& text, std::size_t limit) {
    c.text(text, limit);
    c.require(is_printable(text));
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, ProxyTls>& tls) {
    c.value(tls.client, std::uint8_t{7});
    c.value(tls.verify);
    code_printable(c, tls.version, proxy_word_limit);
    code_printable(c, tls.name, proxy_name_limit);
    code_printable(c, tls.cipher, proxy_word_limit);
    code_printable(c, tls.signature, proxy_word_limit);
    code_printable(c, tls.key, proxy_word_limit);
}

// Both ends or neither.
template <class Coder>
void code_fields(Coder& c, PacketField<Coder, ProxyFacts>& facts) {
    c.value(facts.version, std::uint8_t{2});
    c.value(facts.local);
    bool known = facts.client.family != Family::none;
    c.value(known);
    if (known) {
        c.value(facts.client);
        c.value(facts.destination);
    }
    code_printable(c, facts.alpn, proxy_word_limit);
    code_printable(c, facts.authority, proxy_name_limit);
    c.text(facts.unique_id, proxy_id_limit);
    c.value(facts.checked);
    c.optional(facts.tls, [&](auto& tls) { code_fields(c, tls); });
    c.require(facts.version != 0 && !(facts.local && known));
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, ReadyMessage>& m) {
    c.value(m.version);
    c.value(m.sandbox);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, EndedMessage>& m) {
    code_fields(c, m.name);
    c.value(m.end, RelayEnd::handed_over);
    c.value(m.error, largest_errno);
    c.value(m.received);
    c.value(m.sent);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, UnreachedMessage>& m) {
    code_fields(c, m.name);
    c.value(m.error, largest_errno);
    c.require(m.error != 0);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, ReachedMessage>& m) {
    code_fields(c, m.name);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, AskedMessage>& m) {
    code_fields(c, m.name);
    c.text(m.service, relay_name_limit);
    c.require(is_service_word(m.service));
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, IdentMessage>& m) {
    code_fields(c, m.name);
    c.value(m.local);
    c.value(m.remote);
    c.require(m.local != 0 && m.remote != 0);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, SensedMessage>& m) {
    c.value(m.watch);
    c.value(m.peer);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, CountsMessage>& m) {
    c.value(m.watch);
    c.value(m.received);
    c.value(m.answered);
    c.value(m.refused);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, FlowAskedMessage>& m) {
    c.value(m.watch);
    c.value(m.flow);
    c.value(m.peer);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, ProxiedMessage>& m) {
    code_fields(c, m.name);
    code_fields(c, m.facts);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, UnproxiedMessage>& m) {
    code_fields(c, m.name);
    c.value(m.fault, ProxyFault::silent);
    c.value(m.error, largest_errno);
    c.require((m.fault == ProxyFault::none) == (m.error != 0));
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, TlsPeer>& peer) {
    code_printable(c, peer.subject, tls_subject_limit);
    code_printable(c, peer.issuer, tls_subject_limit);
    code_printable(c, peer.hash, tls_name_limit);
    code_printable(c, peer.names, tls_names_limit);
    code_printable(c, peer.not_after, tls_word_limit);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, TlsFacts>& facts) {
    code_printable(c, facts.protocol, tls_word_limit);
    code_printable(c, facts.cipher, tls_word_limit);
    c.value(facts.bits);
    c.value(facts.reused);
    code_printable(c, facts.alpn, tls_word_limit);
    code_printable(c, facts.server_name, tls_name_limit);
    code_fields(c, facts.peer);
    c.require(!facts.protocol.empty() && !facts.cipher.empty());
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, SecuredMessage>& m) {
    code_fields(c, m.name);
    code_fields(c, m.facts);
}

template <class Coder>
void code_fields(Coder& c, PacketField<Coder, UnsecuredMessage>& m) {
    code_fields(c, m.name);
    c.value(m.error, largest_errno);
    code_printable(c, m.reason, relay_reason_limit);
}

std::string_view relay_end_name(RelayEnd end) {
    switch (end) {
        case RelayEnd::finished: return "finished";
        case RelayEnd::client: return "client";
        case RelayEnd::upstream: return "upstream";
        case RelayEnd::idle: return "idle";
        case RelayEnd::connect: return "connect";
        case RelayEnd::asked: return "closed";
        case RelayEnd::refused: return "refused";
        case RelayEnd::handed_over: return "handed_over";
        case RelayEnd::lost: return "relay_lost";
    }
    return "unknown";
}

std::optional<std::string> encode_message(const ToRelay& message) {
    return encode_packet(message, first_to_relay, relay_message_limit);
}

std::optional<std::string> encode_message(const FromRelay& message) {
    return encode_packet(message, first_from_relay, relay_message_limit);
}

std::optional<ToRelay> decode_to_relay(std::string_view packet) {
    return decode_packet<ToRelay>(packet, first_to_relay, relay_message_limit);
}

std::optional<FromRelay> decode_from_relay(std::string_view packet) {
    return decode_packet<FromRelay>(packet, first_from_relay, relay_message_limit);
}

std::size_t descriptor_count(const ToRelay& message) {
    struct Visitor {
        std::size_t operator()(const PumpMessage&) const { return 2; }

        std::size_t operator()(const WatchMessage&) const { return 2; }

        std::size_t operator()(const ServeMessage&) const { return 1; }

        std::size_t operator()(const PrefaceMessage&) const { return 1; }

        std::size_t operator()(const UpstreamMessage&) const { return 1; }

        std::size_t operator()(const ForwardMessage&) const { return 1; }

        std::size_t operator()(const FlowMessage&) const { return 1; }

        std::size_t operator()(const GreetMessage&) const { return 0; }

        std::size_t operator()(const EndMessage&) const { return 0; }

        std::size_t operator()(const AnswerMessage&) const { return 0; }

        std::size_t operator()(const FlowRefusedMessage&) const { return 0; }

        std::size_t operator()(const UnwatchMessage&) const { return 0; }

        std::size_t operator()(const ProfileMessage& m) const { return 1U + m.keys; }

        std::size_t operator()(const KeysMessage&) const { return 1; }

        std::size_t operator()(const TicketsMessage&) const { return 0; }

        std::size_t operator()(const DropProfileMessage&) const { return 0; }

        std::size_t operator()(const SecureMessage&) const { return 1; }
    };

    return std::visit(Visitor{}, message);
}

}  // namespace superd
