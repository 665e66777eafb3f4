// SPDX-License-Identifier: MIT
// SipHash-2-4 (Aumasson, Bernstein): a keyed hash for tables whose keys attackers choose.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

namespace superd {

struct SipKey {
    std::uint64_t k0 = 0, k1 = 0;
};

// 8 bytes, least significant first.
[[nodiscard]] inline std::uint64_t load_little_endian(const std::uint8_t* bytes) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 8; ++i)
        value |= std::uint64_t{bytes[i]} << (8 * i);
    return value;
}

class SipState {
public:
    explicit SipState(const SipKey& key)
            : v0_(key.k0 ^ 0x736f6d6570736575),
              v1_(key.k1 ^ 0x646f72616e646f6d),
              v2_(key.k0 ^ 0x6c7967656e657261),
              v3_(key.k1 ^ 0x7465646279746573) {}

    void absorb(std::uint64_t word) {
        v3_ ^= word;
        rounds(2);
        v0_ ^= word;
    }

    [[nodiscard]] std::uint64_t finish() {
        v2_ ^= 0xff;
        rounds(4);
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }

private:
    void rounds(int count) {
        for (int i = 0; i < count; ++i) {
            v0_ += v1_;
            v2_ += v3_;
            v1_ = std::rotl(v1_, 13) ^ v0_;
            v3_ = std::rotl(v3_, 16) ^ v2_;
            v0_ = std::rotl(v0_, 32);
            v2_ += v1_;
            v0_ += v3_;
            v1_ = std::rotl(v1_, 17) ^ v2_;
            v3_ = std::rotl(v3_, 21) ^ v0_;
            v2_ = std::rotl(v2_, 32);
        }
    }

    std::uint64_t v0_, v1_, v2_, v3_;
};

[[nodiscard]] inline std::uint64_t siphash(
        const SipKey& key, std::span<const std::uint8_t> bytes) {
    SipState state(key);
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8)
        state.absorb(load_little_endian(bytes.data() + at));
    std::uint8_t last[8] = {};
    if (at < bytes.size()) std::memcpy(last, bytes.data() + at, bytes.size() - at);
    last[7] = static_cast<std::uint8_t>(bytes.size());
    state.absorb(load_little_endian(last));
    return state.finish();
}

}  // namespace superd
