// SPDX-License-Identifier: MIT
// What a context has beside certificates and keys: for the sources of this folder alone.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tls/context.h"
#include "tls/openssl.h"
#include "tls/remote_key.h"
#include "tls/tickets.h"

namespace superd {

// OpenSSL's callbacks are given it: it stays where it is for as long as its contexts live.
struct TlsContext::Parts {
    // For longer than the contexts.
    std::shared_ptr<const KeyChannel> channel;
    std::shared_ptr<const TicketKeys> tickets;
    OwnContext main;
    std::vector<OwnContext> others;             // of certificate_directory
    std::map<std::string, SSL_CTX*> by_name;    // "a.example.org", "*.example.org"; lower case
    std::string alpn;                           // as it goes over the wire
    std::vector<std::string> client_names;
    struct Staple {
        OwnCertificate certificate;
        std::string response;
    };
    std::vector<Staple> staples;

    // A context of one certificate, for the names in that; one that has a name already gets
    // the certificate beside its own, where that is for another kind of key.
    void add_named(OwnContext context);
    // All that is one for all contexts; false with `error` set.
    [[nodiscard]] bool apply(const TlsMaterial& material, std::string& error);

private:
    [[nodiscard]] bool apply_to(
            SSL_CTX* context, const TlsMaterial& material, std::string& error);
};

// The names of a certificate as a server, in lower case: of its subjectAltName, or else its
// common name.
[[nodiscard]] std::vector<std::string> server_names(const X509* certificate);
// Whether a client's certificate has one of the names (option client_names).
[[nodiscard]] bool has_client_name(
        const X509* certificate, const std::vector<std::string>& names);

}  // namespace superd
