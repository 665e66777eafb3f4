// SPDX-License-Identifier: MIT
// superd-key's whole work: holds private keys and signs for one relay.
//
// It signs what a TLS server signs and nothing else: digests with ECDSA, digests of SHA-2 padded
// by PKCS #1 itself, and blocks that are encoded as RSA-PSS has it. It deciphers nothing: a relay
// that was taken over can shake hands as long as it is there, and carries nothing away.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/fd.h"
#include "tls/key_protocol.h"

struct evp_pkey_st;

namespace superd {

class KeyServer {
public:
    // channel: superd's.
    explicit KeyServer(Fd channel);
    ~KeyServer();
    KeyServer(const KeyServer&) = delete;
    KeyServer& operator=(const KeyServer&) = delete;

    // Until superd and the relay have both gone.
    void run();

    // The answer to a packet of the relay's.
    [[nodiscard]] KeyAnswer answer(std::span<const unsigned char> packet) const;
    // A key in PEM, which the caller wipes; false where it is none.
    bool hold(std::uint32_t number, const std::string& pem);

private:
    enum class Order : std::uint8_t { none, taken, gone };

    [[nodiscard]] Order take_order();
    [[nodiscard]] bool take_question();

    struct Free {
        void operator()(evp_pkey_st* key) const;
    };

    Fd channel_, relay_;
    std::map<std::uint32_t, std::unique_ptr<evp_pkey_st, Free>> keys_;
};

}  // namespace superd
