// SPDX-License-Identifier: MIT
// What is spoken where a profile says nothing.
#pragma once

namespace superd {

// All with forward secrecy and authenticated encryption.
inline constexpr const char* default_tls_ciphers =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
        "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
inline constexpr const char* default_tls_groups = "X25519:P-256:X448:P-521:P-384";

}  // namespace superd
