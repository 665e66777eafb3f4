// SPDX-License-Identifier: MIT
// Addresses, networks and socket addresses as values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace superd {

// An IPv4 or IPv6 address. IPv4 is held in its mapped form (::ffff:a.b.c.d), so that an
// IPv4-mapped peer and an IPv4 peer are the same value; text() shows both as IPv4.
struct IpAddress {
    std::array<std::uint8_t, 16> bytes{};

    [[nodiscard]] static IpAddress v4(std::uint32_t host_order);
    [[nodiscard]] static IpAddress v6(const in6_addr& address);
    // inet_pton(3) forms only; no zone, no brackets, no name, no leading zeros.
    [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

    [[nodiscard]] bool is_v4() const;
    [[nodiscard]] bool is_unspecified() const;  // 0.0.0.0 or ::
    [[nodiscard]] std::string text() const;
    auto operator<=>(const IpAddress&) const = default;
};

// An address block. `bits` counts in the 128-bit mapped space: 192.0.2.0/24 has 120 bits.
struct Network {
    IpAddress base;
    std::uint8_t bits = 128;

    // "10.0.0.0/8", "fd00::/8", "192.0.2.7". A block whose host bits are not zero is refused:
    // nothing is returned and *why names the block that was probably meant.
    [[nodiscard]] static std::optional<Network> parse(
            std::string_view text, std::string* why = nullptr);
    [[nodiscard]] bool contains(const IpAddress& address) const;
    [[nodiscard]] std::string text() const;
    auto operator<=>(const Network&) const = default;
};

// address with all but its first `bits` bits (of 128) cleared.
[[nodiscard]] IpAddress mask(const IpAddress& address, unsigned bits);

enum class Family : std::uint8_t { none, ip, unix, vsock };

// One end of a connection, small and trivially copyable: it lives in shared memory. 40 bytes.
struct Endpoint {
    IpAddress ip;             // Family::ip
    std::uint32_t scope = 0;  // IPv6 zone index; vsock: CID
    std::uint32_t port = 0;   // host order; vsock: port
    std::uint32_t uid = 0;    // Family::unix, the peer's by SO_PEERCRED
    std::uint32_t gid = 0;
    std::uint32_t pid = 0;
    Family family = Family::none;

    // IPv4-mapped IPv6 becomes IPv4. For AF_UNIX only the family is filled in: see SO_PEERCRED.
    [[nodiscard]] static Endpoint from(const sockaddr* address, socklen_t length);
    // "198.51.100.7:51544", "[2001:db8::1]:80", "uid:1000", "vsock:3:5000", "-"
    [[nodiscard]] std::string text() const;
    bool operator==(const Endpoint&) const = default;
};

// What per-source limits count: an IPv4 address, an IPv6 /64, a UNIX peer's uid, a vsock CID.
// For Family::ip the first 64 bits of an IPv6 address or the whole mapped IPv4 one.
struct Source {
    std::array<std::uint8_t, 16> bytes{};
    Family family = Family::none;

    [[nodiscard]] static Source of(const Endpoint& peer);
    // "198.51.100.7", "2001:db8::/64", "uid:1000"
    [[nodiscard]] std::string text() const;
    auto operator<=>(const Source&) const = default;
};

// A socket address with its length, ready for bind(2) or connect(2).
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }

    [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

}  // namespace superd
