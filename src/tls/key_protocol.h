// SPDX-License-Identifier: MIT
// What is said to a superd-key: by superd over its channel, and by its relay over another one.
// Both are SOCK_SEQPACKET sockets; a packet of another size or kind is not answered.
#pragma once

#include <cstddef>
#include <cstdint>

namespace superd {

// ---- superd to superd-key; the descriptor beside it is one's own from then on

enum class KeyOrder : std::uint32_t {
    hold = 1,  // a key (a file in PEM), by that number
    drop,      // no descriptor
    serve,     // the relay's channel; the one before is closed
};

struct KeyControl {
    KeyOrder order = KeyOrder::hold;
    std::uint32_t number = 0;
};

// ---- relay to superd-key, one question at a time

enum class KeyOperation : std::uint32_t {
    ecdsa = 1,  // a digest; the answer is a signature in DER
    rsa_pkcs1,  // a DigestInfo in DER; as RFC 8017 9.2 pads it
    rsa_pss,    // a block that is as long as the key and encoded by RFC 8017 9.1.1
};

inline constexpr std::size_t key_data_limit = 2048;  // RSA of 16384 bits

struct KeyQuestion {
    std::uint32_t number = 0;
    KeyOperation operation = KeyOperation::ecdsa;
    std::uint32_t size = 0;
    unsigned char data[key_data_limit];
};

struct KeyAnswer {
    std::uint32_t size = 0;  // 0: it is not signed
    unsigned char data[key_data_limit];
};

inline constexpr std::size_t key_question_head = offsetof(KeyQuestion, data);
inline constexpr std::size_t key_answer_head = offsetof(KeyAnswer, data);

}  // namespace superd
