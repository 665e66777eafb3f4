// SPDX-License-Identifier: MIT
// The header of the PROXY protocol (haproxy's proxy-protocol.txt), which tells a server behind
// a relay who its client is: reading and writing, versions 1 and 2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/address.h"
#include "config/plan.h"

namespace superd {

inline constexpr std::size_t proxy_line_limit = 107;          // version 1, its CRLF included
inline constexpr std::size_t proxy_header_limit = 16 * 1024;  // version 2, all its TLVs

// Bounds of what is kept of TLVs; longer ones are refused.
inline constexpr std::size_t proxy_name_limit = 255;  // AUTHORITY, CN
inline constexpr std::size_t proxy_id_limit = 128;    // UNIQUE_ID, as the specification has it
inline constexpr std::size_t proxy_word_limit = 64;   // ALPN and what is said of TLS

// Why a header was refused.
enum class ProxyFault : std::uint8_t {
    none,
    no_header,     // something else, or the client's own first bytes
    version,       // a version that is not awaited here, or none that there is
    malformed,     // version 1: not as the specification has it
    too_long,      // version 1: no end of line within its bound
    command,       // version 2: neither LOCAL nor PROXY
    family,        // version 2: none of the addresses that there are
    datagram,      // version 2: a datagram's addresses on a stream
    too_short,     // version 2: its length has no room for the addresses
    oversized,     // version 2: longer than what is read
    broken_tlv,    // version 2: a TLV reaches beyond its end, or has no room for what it is
    repeated_tlv,  // version 2: a TLV that may stand once stands twice
    tlv_content,   // version 2: longer than it may be, or not printable
    checksum,      // version 2: CRC32C is wrong
    truncated,     // the sender was done before the header was
    silent,        // it did not come in time
};

// "the checksum is wrong"
[[nodiscard]] std::string_view proxy_fault_text(ProxyFault fault);

// The SSL TLV: what the proxy says of its TLS with the client.
struct ProxyTls {
    enum Client : std::uint8_t { used = 1, certificate = 2, certificate_in_session = 4 };

    std::uint8_t client = 0;   // Client bits
    std::uint32_t verify = 0;  // 0: the client's certificate was verified
    std::string version{}, name{}, cipher{}, signature{}, key{};

    // A name counts where a certificate was shown and verified.
    [[nodiscard]] bool is_verified() const {
        return (client & (certificate | certificate_in_session)) != 0 && verify == 0;
    }

    bool operator==(const ProxyTls&) const = default;
};

// What a header says. All text is printable; of NETNS only that it is well-formed.
struct ProxyFacts {
    std::uint8_t version = 0;
    bool local = false;                // the proxy speaks for itself: its health checks
    Endpoint client{}, destination{};  // Family::none: not known; else Family::ip
    std::string alpn{}, authority{};
    std::string unique_id{};  // any bytes
    bool checked = false;     // it had a checksum, which was right
    std::optional<ProxyTls> tls{};

    bool operator==(const ProxyFacts&) const = default;
};

// Versions that are awaited: bits.
enum ProxyVersions : std::uint8_t { proxy_v1 = 1, proxy_v2 = 2, proxy_any = 3 };

struct ProxySeen {
    enum class State : std::uint8_t { incomplete, complete, refused };
    State state = State::incomplete;
    std::size_t size = 0;  // complete: of the header; nothing behind it is looked at
    ProxyFault fault = ProxyFault::none;
    ProxyFacts facts{};
};

// The header at the beginning of what has been seen so far. Says no at the first byte that
// cannot be right; incomplete only where more bytes could make it right.
[[nodiscard]] ProxySeen read_proxy_header(std::string_view seen, std::uint8_t versions);

// What goes before the first byte; empty for SendProxy::no. An endpoint without an IP address
// is said to be unknown (version 1) or local (version 2).
[[nodiscard]] std::string make_proxy_header(
        SendProxy version, const Endpoint& client, const Endpoint& local);

// Version 2 with what facts has of TLVs, and with a checksum where `checked` is set. Text
// beyond the bounds above must not be in it.
[[nodiscard]] std::string make_proxy_header(const ProxyFacts& facts);

}  // namespace superd
