// SPDX-License-Identifier: MIT
#include "tls/context.h"

#include <algorithm>
#include <mutex>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "tls/context_parts.h"
#include "tls/defaults.h"
#include "tls/openssl.h"
#include "tls/remote_key.h"

namespace superd {

namespace {

int version_number(TlsVersion version) {
    constexpr int numbers[]{TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    return numbers[static_cast<unsigned>(version)];
}

// Nobody is there who could be asked for one.
int no_password(char*, int, int, void*) {
    return -1;
}

// The certificate itself, then what it was signed by.
bool use_chain(SSL_CTX* context, std::string_view pem) {
    const OwnBio source = read_from(pem);
    const OwnCertificate own(PEM_read_bio_X509(source.get(), nullptr, no_password, nullptr));
    if (!own || SSL_CTX_use_certificate(context, own.get()) != 1) return false;
    SSL_CTX_clear_chain_certs(context);
    while (const OwnCertificate next{
            PEM_read_bio_X509(source.get(), nullptr, no_password, nullptr)})
        if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return false;
    ERR_clear_error();  // the end of the file is one
    return true;
}

// The number-th; after its certificate.
bool use_key(SSL_CTX* context, const TlsContext::Keys& keys, std::size_t number) {
    OwnKey key;
    if (keys.channel) {
        const X509* certificate = SSL_CTX_get0_certificate(context);
        key.reset(make_remote_key(X509_get0_pubkey(certificate), *keys.channel,
                keys.first + static_cast<std::uint32_t>(number)));
    } else if (number < keys.pem.size()) {
        const OwnBio source = read_from(keys.pem[number]);
        key.reset(PEM_read_bio_PrivateKey(source.get(), nullptr, no_password, nullptr));
    }
    return key && SSL_CTX_use_PrivateKey(context, key.get()) == 1 &&
           SSL_CTX_check_private_key(context) == 1;
}

void set_modes(SSL_CTX* context, const TlsPlan& plan) {
    // What little a connection holds while it is silent is given back.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(context, no_password);
    if (plan.weak) SSL_CTX_set_security_level(context, 0);
}

}  // namespace

void begin_openssl() {
    static std::once_flag once;
    std::call_once(once, [] {
        OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
                                 OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
                nullptr);
    });
}

std::string take_openssl_error() {
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    if (code == 0) return {};
    const char* reason = ERR_reason_error_string(code);
    return reason != nullptr ? reason : "error " + std::to_string(code);
}

bool apply_tls_plan(
        SSL_CTX* context, const TlsPlan& plan, std::string& key, std::string& error) {
    set_modes(context, plan);
    const auto done = [&](const char* what, long result) {
        if (result == 1) return true;
        key = what;
        error = take_openssl_error();
        return false;
    };
    const std::string ciphers = plan.ciphers.empty() ? default_tls_ciphers : plan.ciphers;
    const std::string groups = plan.groups.empty() ? default_tls_groups : plan.groups;
    return done("min_version",
                   SSL_CTX_set_min_proto_version(context, version_number(plan.min_version))) &&
           done("max_version",
                   SSL_CTX_set_max_proto_version(context, version_number(plan.max_version))) &&
           done("ciphers", SSL_CTX_set_cipher_list(context, ciphers.c_str())) &&
           (plan.ciphersuites.empty() ||
                   done("ciphersuites",
                           SSL_CTX_set_ciphersuites(context, plan.ciphersuites.c_str()))) &&
           done("groups", SSL_CTX_set1_groups_list(context, groups.c_str()));
}


namespace {

// The context of what is wrong, or null.
OwnContext make_plain(const TlsPlan& plan, std::string& error) {
    OwnContext context(SSL_CTX_new(TLS_server_method()));
    std::string key;
    if (!context || !apply_tls_plan(context.get(), plan, key, error)) return nullptr;
    return context;
}

bool add_pair(SSL_CTX* context, const TlsMaterial& material, const TlsContext::Keys& keys,
        std::size_t number, std::string& error) {
    if (use_chain(context, material.chains[number]) && use_key(context, keys, number))
        return true;
    error = take_openssl_error();
    return false;
}

}  // namespace

std::shared_ptr<const TlsContext> TlsContext::make(
        const TlsMaterial& material, const Keys& keys, std::string& error,
        std::shared_ptr<const TicketKeys> tickets) {
    begin_openssl();
    ERR_clear_error();
    auto parts = std::make_unique<Parts>();
    parts->channel = keys.channel;
    if (material.plan.session_tickets) parts->tickets = std::move(tickets);
    parts->main = make_plain(material.plan, error);
    if (!parts->main) return nullptr;
    const std::size_t own = material.plan.certificates.size();
    for (std::size_t i = 0; i < std::min(own, material.chains.size()); ++i)
        if (!add_pair(parts->main.get(), material, keys, i, error)) return nullptr;
    for (std::size_t i = own; i < material.chains.size(); ++i) {
        OwnContext other = make_plain(material.plan, error);
        if (!other || !add_pair(other.get(), material, keys, i, error)) return nullptr;
        parts->add_named(std::move(other));
    }
    if (!parts->apply(material, error)) return nullptr;
    return std::shared_ptr<const TlsContext>(new TlsContext(std::move(parts)));
}

TlsContext::TlsContext(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

TlsContext::~TlsContext() = default;

SSL_CTX* TlsContext::get() const {
    return parts_->main.get();
}

}  // namespace superd
