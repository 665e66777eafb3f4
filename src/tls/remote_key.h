// SPDX-License-Identifier: MIT
// A private key that another process holds: OpenSSL signs with it as with one's own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/fd.h"

struct evp_pkey_st;

namespace superd {

// The way to a superd-key. Questions wait for their answers: both take what signing takes.
class KeyChannel {
public:
    explicit KeyChannel(Fd channel);

    // False: it was not signed.
    [[nodiscard]] bool ask(std::uint32_t number, std::uint32_t operation,
            const unsigned char* data, std::size_t size, std::string& signature) const;

private:
    Fd channel_;
};

// The public half of a certificate's key, signing through the channel; null where superd-key
// can hold no such key. channel must live for as long as what comes back, and its copies.
[[nodiscard]] evp_pkey_st* make_remote_key(
        const evp_pkey_st* public_key, const KeyChannel& channel, std::uint32_t number);

}  // namespace superd
