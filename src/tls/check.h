// SPDX-License-Identifier: MIT
// What is wrong with profiles: their files, and what they ask OpenSSL for. For superd-tls, which
// runs as superd does and so sees the keys.
#pragma once

#include <string>
#include <vector>

#include "config/tls_findings.h"

namespace superd {

[[nodiscard]] std::vector<TlsFinding> check_tls_profiles(const std::vector<TlsPlan>& profiles);

// One cipher suite that a profile speaks.
struct TlsCipher {
    std::string name, version;  // "TLS_AES_128_GCM_SHA256", "TLSv1.3"
    int bits = 0;
    bool forward_secrecy = false, authenticated = false;  // AEAD
    bool deciphers = false;  // the server, with its private key: nothing that superd-key does
};

// Those in force, in the order of preference; empty where the lists are wrong.
[[nodiscard]] std::vector<TlsCipher> tls_ciphers(const TlsPlan& plan);

}  // namespace superd
