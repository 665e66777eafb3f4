// SPDX-License-Identifier: MIT
// What superd and a superd-relay say to each other: bounded messages, several in one packet of
// a SOCK_SEQPACKET socket (relay/channel.h), descriptors beside them (SCM_RIGHTS) in one
// direction only.
//
// The form is base/packet.h's; the place of a message in its variant is its type. Neither side
// believes the other: a packet that the encoder would not have made is refused whole, and
// superd looks up every connection that a relay names and checks that it gave it to this very
// relay. Only superd sends descriptors; a packet from a relay that has any is refused.
//
// A connection is named by its place in superd's table of records and by its number of the log
// lines, which is never used twice: an answer that comes too late meets nobody.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "config/plan.h"

#include "relay/proxy_header.h"
#include "tls/facts.h"
#include "tls/tickets.h"

namespace superd {

inline constexpr std::uint32_t relay_protocol_version = 8;
inline constexpr std::size_t relay_packet_limit = 16 * 1024;
inline constexpr std::size_t relay_message_limit = relay_packet_limit - 2;
inline constexpr std::size_t relay_text_limit = 8 * 1024;
inline constexpr std::size_t relay_header_limit =
        1536;  // of the PROXY protocol, to an upstream

struct ConnectionName {
    std::uint32_t record = 0;  // in State::processes()
    std::uint64_t id = 0;      // ProcessRecord::id

    bool operator==(const ConnectionName&) const = default;
};

// Why a connection ended.
enum class RelayEnd : std::uint8_t {
    finished,     // both sides were done
    client,       // the client's side failed
    upstream,     // the other side failed
    idle,         // idle_timeout
    connect,      // no target could be reached
    asked,        // superd said so
    refused,      // what the client said was not to be answered
    handed_over,  // its first line is read: the rest is superd's
    lost,         // the relay died (never sent: superd's own word for it)
};

[[nodiscard]] std::string_view relay_end_name(RelayEnd end);

// Where datagrams come in, by superd's number for it.
using WatchNumber = std::uint32_t;

inline constexpr std::size_t relay_ports_limit = 256;
inline constexpr std::size_t relay_name_limit = 256;
inline constexpr std::size_t relay_reason_limit = 120;
inline constexpr std::size_t relay_keys_limit = 15;  // of a TLS profile

// ---- superd to relay

// First of all, and again from a superd that took over: whatever a former one asked to be
// watched is forgotten, connections go on.
struct GreetMessage {
    std::uint32_t version = relay_protocol_version;
    bool operator==(const GreetMessage&) const = default;
};

// Sockets that come are non-blocking, unless superd goes on with them (tcpmux, PROXY headers).

// Be this builtin to the client (one descriptor).
struct ServeMessage {
    ConnectionName name;
    Builtin builtin = Builtin::none;
    Nanoseconds idle{0};  // zero: none
    bool operator==(const ServeMessage&) const = default;
};

// Take the PROXY header from the client (one descriptor), and nothing behind it. A
// ProxiedMessage or an UnproxiedMessage answers, and is the last of this connection.
struct PrefaceMessage {
    ConnectionName name;
    std::uint8_t versions = proxy_any;  // ProxyVersions, never 0
    Nanoseconds time{0};                // for the whole header; never zero
    bool operator==(const PrefaceMessage&) const = default;
};

// What superd knows of an upstream.
struct UpstreamFacts {
    bool tcp = false;           // what it is besides a stream
    bool tell_reached = false;  // a ReachedMessage is wanted
    bool operator==(const UpstreamFacts&) const = default;
};

// Be between the client and an upstream (two descriptors, in that order). The upstream may
// still be connecting.
struct PumpMessage {
    ConnectionName name;
    Nanoseconds idle{0};     // zero: none
    Nanoseconds connect{0};  // for the upstream to be connected; zero: none
    std::string header;      // to the upstream, before anything else
    bool client_tcp = false;
    UpstreamFacts upstream{};
    bool operator==(const PumpMessage&) const = default;
};

// The next upstream to try (one descriptor), after an UnreachedMessage; the first one after a
// SecuredMessage.
struct UpstreamMessage {
    ConnectionName name;
    UpstreamFacts upstream{};
    std::string header{};  // to it, before anything else; empty: what was said before
    bool operator==(const UpstreamMessage&) const = default;
};

// This connection is over: close it. How is said again by the EndedMessage that follows.
struct EndMessage {
    ConnectionName name;
    RelayEnd end = RelayEnd::asked;
    std::int32_t error = 0;
    bool operator==(const EndMessage&) const = default;
};

// Answers an AskedMessage or an IdentMessage.
enum class AnswerThen : std::uint8_t {
    go_on,      // the client may ask again
    close,      // say it, then close
    hand_over,  // say it, let go of the client, and say so
    closing,    // never sent: the relay's own word for what follows close
};

struct AnswerMessage {
    ConnectionName name;
    std::string text;
    AnswerThen then = AnswerThen::go_on;
    bool operator==(const AnswerMessage&) const = default;
};

// Answer datagrams (two descriptors: the socket, which superd keeps too, and a file with the
// access list, relay/access_list.h).
struct WatchMessage {
    WatchNumber watch = 0;
    Builtin builtin = Builtin::none;
    std::optional<RatePlan> rate;          // of one source; its origin is not sent
    std::optional<RatePlan> total;         // of all together
    std::vector<std::uint16_t> own_ports;  // of all small services of this superd
    bool operator==(const WatchMessage&) const = default;
};

// Pass datagrams on, by conversations that superd lets in (one descriptor: the socket).
struct ForwardMessage {
    WatchNumber watch = 0;
    bool operator==(const ForwardMessage&) const = default;
};

// The conversation that a FlowAskedMessage asked for (one descriptor: the connected upstream).
struct FlowMessage {
    WatchNumber watch = 0;
    std::uint32_t flow = 0;
    ConnectionName name;
    Nanoseconds idle{0};  // never zero
    bool operator==(const FlowMessage&) const = default;
};

// ... or it is not let in.
struct FlowRefusedMessage {
    WatchNumber watch = 0;
    std::uint32_t flow = 0;
    bool operator==(const FlowRefusedMessage&) const = default;
};

// Close that socket; its conversations end.
struct UnwatchMessage {
    WatchNumber watch = 0;
    bool operator==(const UnwatchMessage&) const = default;
};

// The way to superd-key (one descriptor), for profiles that come after it.
struct KeysMessage {
    bool operator==(const KeysMessage&) const = default;
};

// What session tickets are sealed with from now on, the newest key first.
struct TicketsMessage {
    std::vector<std::string> keys;
    bool operator==(const TicketsMessage&) const = default;
};

// A TLS profile (a file with an encoded TlsMaterial, then one for each key).
struct ProfileMessage {
    std::uint32_t number = 0;
    std::uint8_t keys = 0;        // 0: superd-key has them ...
    std::uint32_t first_key = 0;  // ... from that number on
    bool operator==(const ProfileMessage&) const = default;
};

// No connection will ask for it any more.
struct DropProfileMessage {
    std::uint32_t number = 0;
    bool operator==(const DropProfileMessage&) const = default;
};

// Shake hands with the client (one descriptor), by a profile that was given before. A
// SecuredMessage answers, and then an upstream is waited for; or an UnsecuredMessage, the last
// of this connection.
struct SecureMessage {
    ConnectionName name;
    std::uint32_t profile = 0;
    Nanoseconds handshake{0};  // for all of it; never zero
    Nanoseconds idle{0};       // zero: none
    Nanoseconds connect{0};    // for an upstream to be connected; zero: none
    bool client_tcp = false;
    Starttls starttls = Starttls::none;
    bool operator==(const SecureMessage&) const = default;
};

using ToRelay = std::variant<GreetMessage, ServeMessage, PumpMessage, UpstreamMessage,
        EndMessage, AnswerMessage, WatchMessage, ForwardMessage, FlowMessage,
        FlowRefusedMessage, UnwatchMessage, PrefaceMessage, ProfileMessage, DropProfileMessage,
        SecureMessage, KeysMessage, TicketsMessage>;

// ---- relay to superd

// What protects the world from a relay, as it found it: bits of ReadyMessage::sandbox.
enum SandboxBits : std::uint32_t {
    sandbox_user = 1,  // runs as a user of its own
    sandbox_root = 2,  // its root folder is empty
    sandbox_capabilities = 4,
    sandbox_no_new_privileges = 8,
    sandbox_seccomp = 16,
    sandbox_landlock = 32,
};

struct ReadyMessage {
    std::uint32_t version = relay_protocol_version;
    std::uint32_t sandbox = 0;
    bool operator==(const ReadyMessage&) const = default;
};

struct EndedMessage {
    ConnectionName name;
    RelayEnd end = RelayEnd::finished;
    std::int32_t error = 0;                // errno; 0: none
    std::uint64_t received = 0, sent = 0;  // bytes from and to the client
    bool operator==(const EndedMessage&) const = default;
};

// The upstream of this connection cannot be reached: superd sends another one or ends it.
struct UnreachedMessage {
    ConnectionName name;
    std::int32_t error = 0;  // errno, never 0
    bool operator==(const UnreachedMessage&) const = default;
};

// It can, and superd had asked.
struct ReachedMessage {
    ConnectionName name;
    bool operator==(const ReachedMessage&) const = default;
};

// A tcpmux client wants this service: printing ASCII without blanks, in lower case.
struct AskedMessage {
    ConnectionName name;
    std::string service;
    bool operator==(const AskedMessage&) const = default;
};

// Whose is the connection between these ports of this host and the client's? (RFC 1413)
struct IdentMessage {
    ConnectionName name;
    std::uint16_t local = 0, remote = 0;  // never 0
    bool operator==(const IdentMessage&) const = default;
};

// A datagram came to a sensor. The peer is an IP endpoint.
struct SensedMessage {
    WatchNumber watch = 0;
    Endpoint peer;
    bool operator==(const SensedMessage&) const = default;
};

// What a watch has come to since the last such message.
struct CountsMessage {
    WatchNumber watch = 0;
    std::uint64_t received = 0, answered = 0, refused = 0;
    bool operator==(const CountsMessage&) const = default;
};

// A datagram of somebody new came to a ForwardMessage's socket.
struct FlowAskedMessage {
    WatchNumber watch = 0;
    std::uint32_t flow = 0;
    Endpoint peer;
    bool operator==(const FlowAskedMessage&) const = default;
};

// The header is taken, the relay's copy of the socket closed: the rest is superd's.
struct ProxiedMessage {
    ConnectionName name;
    ProxyFacts facts;
    bool operator==(const ProxiedMessage&) const = default;
};

// There is no header to be had.
struct UnproxiedMessage {
    ConnectionName name;
    ProxyFault fault = ProxyFault::no_header;  // none: the client's socket has failed
    std::int32_t error = 0;                    // errno of the client's socket; 0: a fault
    bool operator==(const UnproxiedMessage&) const = default;
};

// The handshake is complete; nothing that the client says is read before an upstream is there.
struct SecuredMessage {
    ConnectionName name;
    TlsFacts facts;
    bool operator==(const SecuredMessage&) const = default;
};

// ... or it has failed.
struct UnsecuredMessage {
    ConnectionName name;
    std::int32_t error = 0;  // errno of the client's socket; 0: `reason`
    std::string reason;      // "no shared cipher"
    bool operator==(const UnsecuredMessage&) const = default;
};

using FromRelay = std::variant<ReadyMessage, EndedMessage, UnreachedMessage, AskedMessage,
        IdentMessage, SensedMessage, CountsMessage, FlowAskedMessage, ReachedMessage,
        ProxiedMessage, UnproxiedMessage, SecuredMessage, UnsecuredMessage>;

// Nothing where a field is out of its bounds.
[[nodiscard]] std::optional<std::string> encode_message(const ToRelay& message);
[[nodiscard]] std::optional<std::string> encode_message(const FromRelay& message);
// Nothing for anything that encode_message() would not have made.
[[nodiscard]] std::optional<ToRelay> decode_to_relay(std::string_view packet);
[[nodiscard]] std::optional<FromRelay> decode_from_relay(std::string_view packet);
// How many descriptors come with it.
[[nodiscard]] std::size_t descriptor_count(const ToRelay& message);

}  // namespace superd
