// SPDX-License-Identifier: MIT
#include "tls/check.h"

#include <ctime>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "tls/context.h"
#include "tls/material.h"
#include "tls/openssl.h"

namespace superd {

namespace {

constexpr int fewest_cipher_bits = 128;
constexpr int fewest_security_bits = 112;  // RSA of 2048 bits; what NIST SP 800-57 asks for
constexpr std::size_t keys_shown = 3;
constexpr std::size_t keys_at_once = 15;  // relay_keys_limit

int no_password(char*, int, int, void*) {
    return -1;
}

// One profile.
class Checker {
public:
    Checker(const TlsPlan& plan, std::uint32_t number, std::vector<TlsFinding>& findings)
            : plan_(plan), number_(number), findings_(findings) {}

    void check() {
        check_words();
        for (std::uint32_t i = 0; i < plan_.certificates.size(); ++i)
            check_pair({plan_.certificates[i],
                               i < plan_.keys.size() ? plan_.keys[i] : std::string()},
                    i);
        check_directory();
        // The rest is what a relay would find: it is made as there.
        if (clean_) check_whole();
    }

private:
    void check_directory() {
        if (plan_.certificate_directory.empty()) return;
        const auto pairs = list_tls_pairs(plan_.certificate_directory);
        in_directory_ = true;
        if (!pairs)
            error("", 0, plan_.certificate_directory + " cannot be read: " +
                                 errno_text(pairs.error().code));
        else if (pairs->size() + plan_.certificates.size() > tls_certificates_limit)
            error("", 0, plan_.certificate_directory + " has more than " +
                                 std::to_string(tls_certificates_limit) + " certificates");
        else
            for (const TlsPair& pair : *pairs)
                check_pair(pair, 0);
        in_directory_ = false;
    }

    void check_whole() {
        const auto material = read_tls_material(plan_);
        if (!material)
            return error(key_of(material.error().subject), 0,
                    material.error().subject + " cannot be read: " +
                            errno_text(material.error().code));
        if (!plan_.key_process && material->keys.size() > keys_at_once)
            return error("key_process", 0,
                    "without superd-key a profile may have " + std::to_string(keys_at_once) +
                            " keys");
        TlsContext::Keys keys;
        for (const std::string& path : material->keys) {
            const auto file = open_tls_file(path);
            keys.pem.push_back(file ? read_tls_file(file->get(), path).value_or("") : "");
        }
        std::string text;
        if (!TlsContext::make(*material, keys, text))
            error(text.starts_with("client_crl")  ? "client_crl"
                  : text.starts_with("client_ca") ? "client_ca"
                                                  : "certificate",
                    0, "the profile cannot be used: " + text);
        for (std::string& key : keys.pem)
            OPENSSL_cleanse(key.data(), key.size());
        check_responses(*material);
    }

    const char* key_of(const std::string& path) const {
        if (path == plan_.client_ca) return "client_ca";
        return path == plan_.client_crl ? "client_crl" : "ocsp";
    }

    void check_responses(const TlsMaterial& material) {
        for (std::uint32_t i = 0; i < material.ocsp.size(); ++i) {
            const OwnBio source = read_from(material.ocsp[i]);
            OCSP_RESPONSE* response = d2i_OCSP_RESPONSE_bio(source.get(), nullptr);
            const bool good =
                    response != nullptr && OCSP_response_status(response) ==
                                                   OCSP_RESPONSE_STATUS_SUCCESSFUL;
            OCSP_RESPONSE_free(response);
            ERR_clear_error();
            if (!good)
                error("ocsp", i, plan_.ocsp[i] + " holds no response of an OCSP server in DER",
                        "openssl ocsp -respout FILE writes one");
        }
    }

    void say(Severity severity, const char* key, std::uint32_t item, std::string message,
            std::string suggestion = {}) {
        if (severity == Severity::error) clean_ = false;
        if (in_directory_) key = "certificate_directory";
        findings_.push_back(
                {number_, key, item, severity, std::move(message), std::move(suggestion)});
    }

    void error(const char* key, std::uint32_t item, std::string message,
            std::string suggestion = {}) {
        say(Severity::error, key, item, std::move(message), std::move(suggestion));
    }

    // Weak is an error, unless it is meant.
    void weak(const char* key, std::uint32_t item, const std::string& message,
            const std::string& suggestion) {
        if (!plan_.weak) error(key, item, message, suggestion + ", or weak = true");
    }

    // ---- versions, ciphers, groups

    void check_words() {
        const OwnContext context(SSL_CTX_new(TLS_server_method()));
        std::string key, text;
        if (!context || !apply_tls_plan(context.get(), plan_, key, text)) {
            const bool version = key.ends_with("_version");
            return error(key.c_str(), 0,
                    key + " cannot be used: " + (text.empty() ? "OpenSSL does not know it" : text),
                    version ? "write \"1.2\" or \"1.3\""
                            : "openssl ciphers and openssl list have the names");
        }
        if (plan_.min_version < TlsVersion::tls12)
            weak("min_version", 0, "TLS before 1.2 is broken", "write min_version = \"1.2\"");
        check_ciphers();
    }

    void check_ciphers() {
        std::string bad;
        std::size_t count = 0;
        for (const TlsCipher& cipher : tls_ciphers(plan_)) {
            if (plan_.weak && plan_.key_process && cipher.deciphers)
                return error("ciphers", 0, cipher.name + " has the server decipher with its key",
                        "leave it out, or write key_process = false");
            const bool good = cipher.forward_secrecy && cipher.authenticated &&
                              cipher.bits >= fewest_cipher_bits;
            if (good || ++count > keys_shown) continue;
            bad += (bad.empty() ? "" : ", ") + cipher.name;
        }
        if (count > keys_shown) bad += " and " + std::to_string(count - keys_shown) + " more";
        if (count > 0)
            weak("ciphers", 0,
                    bad + (count == 1 ? " is" : " are") +
                            " without forward secrecy, authenticated encryption or 128 bits",
                    "write suites like \"ECDHE-ECDSA-AES128-GCM-SHA256\"");
    }

    // ---- a certificate and its key

    void check_pair(const TlsPair& pair, std::uint32_t item) {
        const OwnCertificate certificate = read_certificate(pair.certificate, item);
        if (certificate) check_certificate(*certificate, pair.certificate, item);
        const OwnKey key = pair.key.empty() ? nullptr : read_key(pair.key, item);
        if (!certificate || !key) return;
        if (X509_check_private_key(certificate.get(), key.get()) != 1)
            error("key", item,
                    pair.key + " is not the key of " + pair.certificate,
                    "key has one file for each of certificate, in the same order");
        ERR_clear_error();
    }

    std::optional<std::string> read_file(const char* key, std::uint32_t item,
            const std::string& path, bool secret) {
        const auto file = open_tls_file(path);
        if (!file) {
            const bool kind = file.error().code == EINVAL;
            error(key, item,
                    kind ? path + " is no regular file"
                         : path + " cannot be read: " + errno_text(file.error().code));
            return std::nullopt;
        }
        if (secret) check_mode(file->get(), item, path);
        auto bytes = read_tls_file(file->get(), path);
        if (bytes) return std::move(*bytes);
        error(key, item, path + " cannot be read: " + errno_text(bytes.error().code));
        return std::nullopt;
    }

    void check_mode(int file, std::uint32_t item, const std::string& path) {
        struct stat facts {};

        if (::fstat(file, &facts) == 0 && (facts.st_mode & 07) != 0)
            say(Severity::warning, "key", item, path + " can be read by everybody",
                    "chmod o= " + path);
    }

    OwnCertificate read_certificate(const std::string& path, std::uint32_t item) {
        const auto pem = read_file("certificate", item, path, false);
        if (!pem) return nullptr;
        const OwnBio source = read_from(*pem);
        OwnCertificate certificate(
                PEM_read_bio_X509(source.get(), nullptr, no_password, nullptr));
        if (!certificate) {
            error("certificate", item, path + " holds no certificate in PEM",
                    "it begins with -----BEGIN CERTIFICATE-----");
            ERR_clear_error();
            return nullptr;
        }
        while (const OwnCertificate next{
                PEM_read_bio_X509(source.get(), nullptr, no_password, nullptr)}) {
        }
        const unsigned long end = ERR_peek_last_error();
        ERR_clear_error();
        if (ERR_GET_LIB(end) != ERR_LIB_PEM || ERR_GET_REASON(end) != PEM_R_NO_START_LINE)
            error("certificate", item, path + " is broken behind its first certificate");
        return certificate;
    }

    // superd-key signs with no others.
    void check_kind(const EVP_PKEY* key, const std::string& path, std::uint32_t item) {
        const int kind = key == nullptr ? EVP_PKEY_NONE : EVP_PKEY_get_base_id(key);
        if (plan_.key_process && kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC)
            error("certificate", item,
                    path + " is for neither RSA nor ECDSA",
                    "write key_process = false for others");
    }

    void check_certificate(
            const X509& certificate, const std::string& path, std::uint32_t item) {
        const ASN1_TIME* end = X509_get0_notAfter(&certificate);
        if (X509_cmp_current_time(end) < 0)
            say(Severity::warning, "certificate", item, path + " has expired",
                    "clients will refuse it");
        else if (X509_cmp_current_time(X509_get0_notBefore(&certificate)) > 0)
            say(Severity::warning, "certificate", item, path + " is not valid yet");
        const EVP_PKEY* key = X509_get0_pubkey(&certificate);
        check_kind(key, path, item);
        const int bits = key == nullptr ? 0 : EVP_PKEY_get_security_bits(key);
        if (bits < fewest_security_bits)
            weak("certificate", item,
                    path + " has a key of " +
                            std::to_string(key == nullptr ? 0 : EVP_PKEY_get_bits(key)) + " bits",
                    "make one of 2048 bits, or for ECDSA");
        int digest_bits = 0;
        if (X509_get_signature_info(const_cast<X509*>(&certificate), nullptr, nullptr,
                    &digest_bits, nullptr) == 1 &&
                digest_bits < 80)
            weak("certificate", item, path + " is signed with a broken digest",
                    "have it signed with SHA-256");
        ERR_clear_error();
    }

    OwnKey read_key(const std::string& path, std::uint32_t item) {
        auto pem = read_file("key", item, path, true);
        if (!pem) return nullptr;
        const OwnBio source = read_from(*pem);
        OwnKey key(PEM_read_bio_PrivateKey(source.get(), nullptr, no_password, nullptr));
        if (!key)
            error("key", item,
                    path + (pem->find("ENCRYPTED") != std::string::npos
                                           ? " needs a password, which nobody can type here"
                                           : " holds no private key in PEM"),
                    "openssl pkey -in FILE -out FILE writes one without");
        ERR_clear_error();
        OPENSSL_cleanse(pem->data(), pem->size());
        return key;
    }

    const TlsPlan& plan_;
    bool clean_ = true, in_directory_ = false;
    const std::uint32_t number_;
    std::vector<TlsFinding>& findings_;
};

bool has_forward_secrecy(const SSL_CIPHER* cipher) {
    const int exchange = SSL_CIPHER_get_kx_nid(cipher);
    return exchange == NID_kx_ecdhe || exchange == NID_kx_dhe || exchange == NID_kx_any;
}

}  // namespace

std::vector<TlsFinding> check_tls_profiles(const std::vector<TlsPlan>& profiles) {
    begin_openssl();
    std::vector<TlsFinding> findings;
    for (std::uint32_t i = 0; i < profiles.size(); ++i)
        Checker(profiles[i], i, findings).check();
    return findings;
}

std::vector<TlsCipher> tls_ciphers(const TlsPlan& plan) {
    begin_openssl();
    const OwnContext context(SSL_CTX_new(TLS_server_method()));
    std::string key, error;
    if (!context || !apply_tls_plan(context.get(), plan, key, error)) return {};
    const OwnSsl ssl(SSL_new(context.get()));
    STACK_OF(SSL_CIPHER)* all = SSL_get1_supported_ciphers(ssl.get());
    std::vector<TlsCipher> list;
    for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
        const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(all, i);
        list.push_back({SSL_CIPHER_get_name(cipher), SSL_CIPHER_get_version(cipher),
                SSL_CIPHER_get_bits(cipher, nullptr), has_forward_secrecy(cipher),
                SSL_CIPHER_is_aead(cipher) == 1,
                SSL_CIPHER_get_kx_nid(cipher) == NID_kx_rsa});
    }
    sk_SSL_CIPHER_free(all);
    return list;
}

}  // namespace superd
