// SPDX-License-Identifier: MIT
// The messages between superd and superd-resolve: one bounded packet each on a SOCK_SEQPACKET
// socket, in the form of base/packet.h.
//
// superd trusts no answer further than decode_answer() does: a name is a host name, a list is
// bounded, everything is of its type. What the fields mean is in the comments below.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "sys/ident.h"

namespace superd {

inline constexpr std::size_t resolve_packet_limit = 2048;
inline constexpr std::size_t resolved_address_limit = 32;

// ---- from superd. `id` comes back with the answer; timeout_ms: how long there is

// The name of an address, and whether that name's own addresses confirm it.
struct NameQuery {
    std::uint64_t id = 0;
    std::uint32_t timeout_ms = 0;
    IpAddress address{};
    std::uint32_t scope = 0;
    bool operator==(const NameQuery&) const = default;
};

// The user behind a TCP connection, asked of the peer's own host from the address it connected
// to.
struct IdentQuery {
    std::uint64_t id = 0;
    std::uint32_t timeout_ms = 0;
    IpAddress local{}, peer{};
    std::uint32_t scope = 0;
    std::uint16_t local_port = 0, peer_port = 0;
    bool operator==(const IdentQuery&) const = default;
};

// The addresses of a name.
struct AddressQuery {
    std::uint64_t id = 0;
    std::uint32_t timeout_ms = 0;
    std::string name{};
    bool operator==(const AddressQuery&) const = default;
};

// The status of a page, asked of an HTTP server by GET.
struct HttpQuery {
    std::uint64_t id = 0;
    std::uint32_t timeout_ms = 0;
    IpAddress address{};
    std::uint16_t port = 0;
    std::string host{}, target{};  // as the request has them: printable, without blanks
    bool operator==(const HttpQuery&) const = default;
};

inline constexpr std::size_t http_host_limit = 256, http_target_limit = 1024;

using Query = std::variant<NameQuery, IdentQuery, AddressQuery, HttpQuery>;

// ---- from superd-resolve

enum class NameStatus : std::uint8_t {
    confirmed,    // the address has this name, and the name this address
    none,         // it has no name
    unconfirmed,  // it has one whose addresses do not contain it: nothing is known
    failed,       // nobody who knows answered in time
};

struct NameAnswer {
    std::uint64_t id = 0;
    NameStatus status = NameStatus::failed;
    std::string name{};  // confirmed, unconfirmed: parse_host_name()'s form; else empty
    bool operator==(const NameAnswer&) const = default;
};

struct IdentAnswer {
    std::uint64_t id = 0;
    IdentReply reply{};
    bool operator==(const IdentAnswer&) const = default;
};

struct AddressAnswer {
    std::uint64_t id = 0;
    bool failed = false;                 // temporarily: not the same as none
    std::vector<IpAddress> addresses{};  // in the order to try them; no address twice
    bool operator==(const AddressAnswer&) const = default;
};

struct HttpAnswer {
    std::uint64_t id = 0;
    std::uint16_t status = 0;  // 200 to 599; 0: there was no answer
    std::uint16_t error = 0;   // errno of why; EPROTO: it was not HTTP
    bool operator==(const HttpAnswer&) const = default;
};

using Answer = std::variant<NameAnswer, IdentAnswer, AddressAnswer, HttpAnswer>;

[[nodiscard]] std::uint64_t id_of(const Query& query);
[[nodiscard]] std::uint64_t id_of(const Answer& answer);

// Nothing where a field is out of its bounds.
[[nodiscard]] std::optional<std::string> encode_query(const Query& query);
[[nodiscard]] std::optional<std::string> encode_answer(const Answer& answer);
// Nothing for anything that encode_ would not have made.
[[nodiscard]] std::optional<Query> decode_query(std::string_view packet);
[[nodiscard]] std::optional<Answer> decode_answer(std::string_view packet);

// One packet, never blocking; errors as send(2)'s, EAGAIN included.
[[nodiscard]] Result<void> send_resolve_packet(int channel, std::string_view packet);
// EAGAIN: none there. EPIPE: the other side has closed. EBADMSG: longer than any of ours, or
// with descriptors.
[[nodiscard]] Result<std::string> receive_resolve_packet(int channel);

}  // namespace superd
