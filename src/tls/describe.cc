// SPDX-License-Identifier: MIT
#include "tls/describe.h"

#include <algorithm>
#include <array>
#include <ctime>

#include <openssl/x509v3.h>

namespace superd {

namespace {

// What goes into an environment and a log: no control characters, and of a bounded length.
std::string tame(std::string_view text, std::size_t limit) {
    std::string out(text.substr(0, limit));
    for (char& c : out)
        if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
    return out;
}

std::string text_of(BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    return {bytes, size > 0 ? static_cast<std::size_t>(size) : 0};
}

std::string name_text(const X509_NAME* name) {
    const OwnBio out(BIO_new(BIO_s_mem()));
    if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0)
        return {};
    return tame(text_of(out.get()), tls_subject_limit);
}

std::string hash_text(const X509* certificate) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out = "SHA256:";
    for (unsigned i = 0; i < size; ++i) {
        out += digits[digest[i] >> 4];
        out += digits[digest[i] & 15];
    }
    return out;
}

void add_name(std::string& out, std::string_view kind, std::string_view value) {
    const std::string one = std::string(kind) + ":" + tame(value, tls_name_limit);
    if (out.size() + one.size() + 1 > tls_names_limit) return;
    if (!out.empty()) out += ',';
    out += one;
}

std::string_view bytes_of(const ASN1_STRING* text) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
            static_cast<std::size_t>(ASN1_STRING_length(text))};
}

// Those that a rule may ask for. A comma of a name's own would look like the next one's.
std::string alternative_names(const X509* certificate) {
    auto* names = static_cast<GENERAL_NAMES*>(
            X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    std::string out;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
        const bool text = name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI;
        if (!text) continue;
        const std::string_view value = bytes_of(name->d.ia5);
        if (value.find(',') != std::string_view::npos) continue;
        add_name(out,
                name->type == GEN_DNS     ? "DNS"
                : name->type == GEN_EMAIL ? "email"
                                          : "URI",
                value);
    }
    GENERAL_NAMES_free(names);
    return out;
}

std::string time_text(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
    std::array<char, 32> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), size};
}

}  // namespace

TlsPeer describe_certificate(const X509* certificate) {
    return {.subject = name_text(X509_get_subject_name(certificate)),
            .issuer = name_text(X509_get_issuer_name(certificate)),
            .hash = hash_text(certificate),
            .names = alternative_names(certificate),
            .not_after = time_text(X509_get0_notAfter(certificate))};
}

TlsFacts describe_session(const SSL* ssl) {
    TlsFacts facts{.protocol = SSL_get_version(ssl),
            .cipher = tame(SSL_get_cipher_name(ssl), tls_word_limit),
            .bits = static_cast<std::uint16_t>(SSL_get_cipher_bits(ssl, nullptr)),
            .reused = SSL_session_reused(ssl) == 1,
            .alpn = {},
            .server_name = {},
            .peer = {}};
    if (const OwnCertificate certificate{SSL_get1_peer_certificate(ssl)})
        facts.peer = describe_certificate(certificate.get());
    const unsigned char* alpn = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &alpn, &size);
    if (alpn != nullptr)
        facts.alpn = tame({reinterpret_cast<const char*>(alpn), size}, tls_word_limit);
    if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name))
        facts.server_name = tame(name, tls_name_limit);
    return facts;
}

}  // namespace superd
