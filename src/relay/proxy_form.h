// SPDX-License-Identifier: MIT
// Numbers of the PROXY protocol's version 2, for its reader and its writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace superd::proxy_form {

inline constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);
inline constexpr std::size_t fixed_size = 16;  // signature, command, family, length

inline constexpr std::uint8_t command_local = 0x20, command_proxy = 0x21;

inline constexpr std::uint8_t over_unspecified = 0x00, over_tcp4 = 0x11, over_udp4 = 0x12,
                              over_tcp6 = 0x21, over_udp6 = 0x22, over_unix = 0x31,
                              over_unix_datagram = 0x32;

inline constexpr std::size_t size_v4 = 12, size_v6 = 36, size_unix = 216;

enum Tlv : std::uint8_t {
    tlv_alpn = 0x01,
    tlv_authority = 0x02,
    tlv_crc32c = 0x03,
    tlv_noop = 0x04,
    tlv_unique_id = 0x05,
    tlv_ssl = 0x20,
    tlv_ssl_version = 0x21,
    tlv_ssl_name = 0x22,
    tlv_ssl_cipher = 0x23,
    tlv_ssl_signature = 0x24,
    tlv_ssl_key = 0x25,
    tlv_netns = 0x30,
};

}  // namespace superd::proxy_form
