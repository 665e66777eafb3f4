// SPDX-License-Identifier: MIT
// The checksum that headers of the PROXY protocol may carry (CRC-32C, RFC 3720 appendix B.4).
#pragma once

#include <cstdint>
#include <string_view>

namespace superd {

[[nodiscard]] constexpr std::uint32_t crc32c(std::string_view bytes) {
    std::uint32_t sum = 0xffffffffU;
    for (const char c : bytes) {
        sum ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit)
            sum = (sum >> 1) ^ ((sum & 1U) != 0 ? 0x82f63b78U : 0U);
    }
    return ~sum;
}

}  // namespace superd
