// SPDX-License-Identifier: MIT
// What a handshake has come to, for the environment of a handler and the log.
#pragma once

#include <cstdint>
#include <string>

namespace superd {

// All printable ASCII or UTF-8 without control characters; longer ones are cut.
inline constexpr std::size_t tls_word_limit = 64;
inline constexpr std::size_t tls_name_limit = 256;
inline constexpr std::size_t tls_subject_limit = 512;
inline constexpr std::size_t tls_names_limit = 1024;

struct TlsPeer {
    std::string subject, issuer;  // RFC 2253: "CN=anna,O=Example"
    std::string hash;             // "SHA256:" and hexadecimal digits, of the whole certificate
    std::string names;            // "DNS:a.example.org,email:anna@example.org"
    std::string not_after;        // "2027-01-31T12:00:00Z"

    bool operator==(const TlsPeer&) const = default;
};

struct TlsFacts {
    std::string protocol, cipher;  // "TLSv1.3", "TLS_AES_256_GCM_SHA384"
    std::uint16_t bits = 0;        // of the cipher
    bool reused = false;           // the session was one from before
    std::string alpn;              // what was agreed on; empty: nothing
    std::string server_name;       // what the client asked for (SNI)
    TlsPeer peer;                  // empty: it has shown no certificate

    bool operator==(const TlsFacts&) const = default;
};

}  // namespace superd
