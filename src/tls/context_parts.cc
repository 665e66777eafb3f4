// SPDX-License-Identifier: MIT
#include "tls/context_parts.h"

#include <algorithm>
#include <array>

#include <openssl/err.h>
#include <openssl/pem.h>

// OpenSSL's macros do it.
#pragma GCC diagnostic ignored "-Wold-style-cast"

namespace superd {

namespace {

using Parts = TlsContext::Parts;

int no_password(char*, int, int, void*) {
    return -1;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// ---- what OpenSSL asks during a handshake

int choose_context(SSL* ssl, int*, void* of) {
    const auto& parts = *static_cast<const Parts*>(of);
    const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (asked == nullptr) return SSL_TLSEXT_ERR_NOACK;
    const std::string name = lower(asked);
    auto found = parts.by_name.find(name);
    if (const auto dot = name.find('.');
            found == parts.by_name.end() && dot != std::string::npos)
        found = parts.by_name.find("*" + name.substr(dot));
    if (found != parts.by_name.end()) SSL_set_SSL_CTX(ssl, found->second);
    return SSL_TLSEXT_ERR_OK;
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* size,
        const unsigned char* asked, unsigned asked_size, void* of) {
    const auto& parts = *static_cast<const Parts*>(of);
    unsigned char* chosen = nullptr;
    const int done = SSL_select_next_proto(&chosen, size,
            reinterpret_cast<const unsigned char*>(parts.alpn.data()),
            static_cast<unsigned>(parts.alpn.size()), asked, asked_size);
    *out = chosen;
    return done == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int staple(SSL* ssl, void* of) {
    const auto& parts = *static_cast<const Parts*>(of);
    const X509* certificate = SSL_get_certificate(ssl);
    for (const Parts::Staple& one : parts.staples) {
        if (certificate == nullptr || X509_cmp(certificate, one.certificate.get()) != 0)
            continue;
        // OpenSSL frees it.
        void* copy = OPENSSL_memdup(one.response.data(), one.response.size());
        if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
        SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(one.response.size()));
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

int parts_place() {
    static const int place = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return place;
}

// After OpenSSL's own checks of each certificate of the chain, the client's own last.
int verify_client(int good, X509_STORE_CTX* store) {
    if (good != 1 || X509_STORE_CTX_get_error_depth(store) != 0) return good;
    const auto* ssl = static_cast<const SSL*>(
            X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    const auto* parts = static_cast<const Parts*>(
            SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), parts_place()));
    if (parts->client_names.empty() ||
            has_client_name(X509_STORE_CTX_get_current_cert(store), parts->client_names))
        return 1;
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

// ---- clients' certificates

bool add_authorities(SSL_CTX* context, std::string_view pem) {
    const OwnBio source = read_from(pem);
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    bool any = false;
    while (const OwnCertificate one{
            PEM_read_bio_X509(source.get(), nullptr, no_password, nullptr)}) {
        if (X509_STORE_add_cert(store, one.get()) != 1) return false;
        SSL_CTX_add_client_CA(context, one.get());
        any = true;
    }
    ERR_clear_error();
    return any;
}

bool add_revoked(SSL_CTX* context, std::string_view pem) {
    const OwnBio source = read_from(pem);
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    bool any = false;
    while (X509_CRL* list = PEM_read_bio_X509_CRL(source.get(), nullptr, no_password, nullptr)) {
        any = X509_STORE_add_crl(store, list) == 1;
        X509_CRL_free(list);
        if (!any) return false;
    }
    ERR_clear_error();
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return any;
}

bool ask_clients(SSL_CTX* context, const TlsMaterial& material, std::string& error) {
    const ClientCertificate how = material.plan.client_certificate;
    if (how == ClientCertificate::none) return true;
    if (!add_authorities(context, material.client_ca)) {
        error = "client_ca holds no certificate";
        return false;
    }
    if (!material.plan.client_crl.empty() && !add_revoked(context, material.client_crl)) {
        error = "client_crl holds no list";
        return false;
    }
    const bool must = how == ClientCertificate::required;
    SSL_CTX_set_verify(context,
            SSL_VERIFY_PEER | (must ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), verify_client);
    return true;
}

// A session of one profile means nothing to another one, nor to this one once it asks other
// things of its clients: what is resumed is not looked at again.
void set_session_context(SSL_CTX* context, const TlsMaterial& material) {
    const TlsPlan& plan = material.plan;
    std::string text = plan.name + '\n' + std::to_string(static_cast<int>(plan.client_certificate)) +
                       '\n' + material.client_ca + '\n' + material.client_crl;
    for (const std::string& name : plan.client_names)
        text += '\n' + name;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
    SSL_CTX_set_session_id_context(
            context, digest.data(), std::min<unsigned>(size, SSL_MAX_SID_CTX_LENGTH));
}

}  // namespace

void TlsContext::Parts::add_named(OwnContext context) {
    X509* certificate = SSL_CTX_get0_certificate(context.get());
    EVP_PKEY* key = SSL_CTX_get0_privatekey(context.get());
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs(context.get(), &chain);
    for (const std::string& name : server_names(certificate)) {
        const auto [known, fresh] = by_name.try_emplace(name, context.get());
        if (!fresh) SSL_CTX_use_cert_and_key(known->second, certificate, key, chain, 0);
    }
    ERR_clear_error();
    others.push_back(std::move(context));
}

bool TlsContext::Parts::apply(const TlsMaterial& material, std::string& error) {
    for (const std::string& protocol : material.plan.alpn) {
        alpn += static_cast<char>(protocol.size());
        alpn += protocol;
    }
    client_names = material.plan.client_names;
    for (std::size_t i = 0; i < material.ocsp.size() && i < material.chains.size(); ++i) {
        const OwnBio source = read_from(material.chains[i]);
        staples.push_back({OwnCertificate(PEM_read_bio_X509(
                                   source.get(), nullptr, no_password, nullptr)),
                material.ocsp[i]});
    }
    if (!apply_to(main.get(), material, error)) return false;
    return std::all_of(others.begin(), others.end(),
            [&](const OwnContext& one) { return apply_to(one.get(), material, error); });
}

bool TlsContext::Parts::apply_to(
        SSL_CTX* context, const TlsMaterial& material, std::string& error) {
    SSL_CTX_set_ex_data(context, parts_place(), this);
    set_session_context(context, material);
    if (tickets)
        seal_tickets_with(context, *tickets);
    else
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    if (!tickets) SSL_CTX_set_num_tickets(context, 0);
    if (!by_name.empty()) {
        SSL_CTX_set_tlsext_servername_callback(context, choose_context);
        SSL_CTX_set_tlsext_servername_arg(context, this);
    }
    if (!alpn.empty()) SSL_CTX_set_alpn_select_cb(context, choose_protocol, this);
    if (!staples.empty()) {
        SSL_CTX_set_tlsext_status_cb(context, staple);
        SSL_CTX_set_tlsext_status_arg(context, this);
    }
    return ask_clients(context, material, error);
}

}  // namespace superd
