// SPDX-License-Identifier: MIT
// The part of the plan about TLS: profiles, which listeners name.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "config/plan_base.h"

namespace superd {

// Whether clients show a certificate.
enum class ClientCertificate : std::uint8_t { none, optional, required };
enum class TlsVersion : std::uint8_t { tls10, tls11, tls12, tls13 };

// A profile, as it is written. What its files hold is looked at by superd-tls, which has
// OpenSSL (tls/check.h); superd itself knows their paths.
struct TlsPlan {
    std::string name;  // of [tls.NAME]; "SERVICE/ADDRESS" of a table that has no name
    Origin origin;
    std::vector<std::string> certificates;  // PEM, each with its chain; never empty
    std::vector<std::string> keys;          // PEM, one for each certificate in its order
    std::string certificate_directory;      // pairs NAME.pem and NAME.key beside them; empty: none
    std::vector<std::string> ocsp;          // DER, one for each certificate; empty: none
    std::vector<std::string> alpn;          // in the order of preference
    ClientCertificate client_certificate = ClientCertificate::none;
    std::string client_ca, client_crl;      // PEM
    std::vector<std::string> client_names;  // empty: any that client_ca has signed
    TlsVersion min_version = TlsVersion::tls12, max_version = TlsVersion::tls13;
    // In OpenSSL's words, with colons between; empty: the built-in choice (tls/defaults.h).
    std::string ciphers, ciphersuites, groups;
    bool weak = false;  // what is weaker than the built-in choice is meant
    Nanoseconds handshake_timeout{std::chrono::seconds(10)};
    Nanoseconds idle_timeout{0};  // zero: none
    bool session_tickets = true;
    bool key_process = true;  // superd-key signs, and the relay has no key

    bool operator==(const TlsPlan&) const = default;

    template <class P = TlsPlan>
    static constexpr auto fields() {
        return std::tuple{Field{"name", &P::name}, Field{"origin", &P::origin},
                Field{"certificate", &P::certificates}, Field{"key", &P::keys},
                Field{"certificate_directory", &P::certificate_directory},
                Field{"ocsp", &P::ocsp}, Field{"alpn", &P::alpn},
                Field{"client_certificate", &P::client_certificate},
                Field{"client_ca", &P::client_ca}, Field{"client_crl", &P::client_crl},
                Field{"client_names", &P::client_names}, Field{"min_version", &P::min_version}, Field{"max_version", &P::max_version},
                Field{"ciphers", &P::ciphers}, Field{"ciphersuites", &P::ciphersuites},
                Field{"groups", &P::groups}, Field{"weak", &P::weak},
                Field{"handshake_timeout", &P::handshake_timeout},
                Field{"idle_timeout", &P::idle_timeout},
                Field{"session_tickets", &P::session_tickets},
                Field{"key_process", &P::key_process}};
    }
};

}  // namespace superd
