// SPDX-License-Identifier: MIT
// By the methods of RSA and EC_KEY, which OpenSSL 3 calls deprecated and a provider would take
// the place of, with ten times the code.
#define OPENSSL_API_COMPAT 0x10100000L

#include "tls/remote_key.h"

#include <array>
#include <cstring>

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "tls/key_protocol.h"
#include "tls/openssl.h"

namespace superd {

namespace {

// A superd-key that does not answer must not stop the relay for good.
constexpr timeval patience{5, 0};

// What a key of OpenSSL's remembers.
struct Remote {
    const KeyChannel* channel = nullptr;
    std::uint32_t number = 0;
};

void free_remote(void*, void* remote, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<Remote*>(remote);
}

int rsa_place() {
    static const int place =
            RSA_get_ex_new_index(0, nullptr, nullptr, nullptr, free_remote);
    return place;
}

int ec_place() {
    static const int place =
            EC_KEY_get_ex_new_index(0, nullptr, nullptr, nullptr, free_remote);
    return place;
}

bool ask(const Remote* remote, KeyOperation operation, const unsigned char* data, int size,
        std::string& signature) {
    return remote != nullptr && size > 0 &&
           remote->channel->ask(remote->number, static_cast<std::uint32_t>(operation), data,
                   static_cast<std::size_t>(size), signature);
}

// ---- RSA

int sign_rsa(int size, const unsigned char* from, unsigned char* to, RSA* rsa, int padding) {
    const auto operation =
            padding == RSA_PKCS1_PADDING ? KeyOperation::rsa_pkcs1 : KeyOperation::rsa_pss;
    std::string signature;
    const auto* remote = static_cast<const Remote*>(RSA_get_ex_data(rsa, rsa_place()));
    if ((padding != RSA_PKCS1_PADDING && padding != RSA_NO_PADDING) ||
            !ask(remote, operation, from, size, signature) ||
            signature.size() != static_cast<std::size_t>(RSA_size(rsa)))
        return -1;
    std::memcpy(to, signature.data(), signature.size());
    return static_cast<int>(signature.size());
}

// superd-key deciphers nothing.
int refuse_rsa(int, const unsigned char*, unsigned char*, RSA*, int) {
    return -1;
}

const RSA_METHOD* rsa_method() {
    static const RSA_METHOD* const method = [] {
        RSA_METHOD* made = RSA_meth_dup(RSA_PKCS1_OpenSSL());
        RSA_meth_set1_name(made, "superd-key");
        RSA_meth_set_flags(made, RSA_METHOD_FLAG_NO_CHECK | RSA_FLAG_EXT_PKEY);
        RSA_meth_set_priv_enc(made, sign_rsa);
        RSA_meth_set_priv_dec(made, refuse_rsa);
        return made;
    }();
    return method;
}

EVP_PKEY* make_rsa(const EVP_PKEY* public_key, const Remote& remote) {
    RSA* known = EVP_PKEY_get1_RSA(const_cast<EVP_PKEY*>(public_key));
    if (known == nullptr) return nullptr;
    RSA* rsa = RSAPublicKey_dup(known);
    RSA_free(known);
    EVP_PKEY* key = EVP_PKEY_new();
    RSA_set_method(rsa, rsa_method());
    RSA_set_flags(rsa, RSA_FLAG_EXT_PKEY);
    RSA_set_ex_data(rsa, rsa_place(), new Remote(remote));
    EVP_PKEY_assign_RSA(key, rsa);
    return key;
}

// ---- ECDSA

ECDSA_SIG* signature_of(const unsigned char* digest, int size, const EC_KEY* ec) {
    std::string signature;
    const auto* remote = static_cast<const Remote*>(EC_KEY_get_ex_data(ec, ec_place()));
    if (!ask(remote, KeyOperation::ecdsa, digest, size, signature)) return nullptr;
    const auto* bytes = reinterpret_cast<const unsigned char*>(signature.data());
    return d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(signature.size()));
}

ECDSA_SIG* sign_ec_sig(const unsigned char* digest, int size, const BIGNUM*, const BIGNUM*,
        EC_KEY* ec) {
    return signature_of(digest, size, ec);
}

int sign_ec(int, const unsigned char* digest, int size, unsigned char* to, unsigned* length,
        const BIGNUM*, const BIGNUM*, EC_KEY* ec) {
    ECDSA_SIG* signature = signature_of(digest, size, ec);
    if (signature == nullptr) return 0;
    const int written = i2d_ECDSA_SIG(signature, &to);
    ECDSA_SIG_free(signature);
    *length = written > 0 ? static_cast<unsigned>(written) : 0;
    return written > 0 ? 1 : 0;
}

const EC_KEY_METHOD* ec_method() {
    static const EC_KEY_METHOD* const method = [] {
        EC_KEY_METHOD* made = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
        EC_KEY_METHOD_set_sign(made, sign_ec, nullptr, sign_ec_sig);
        return made;
    }();
    return method;
}

EVP_PKEY* make_ec(const EVP_PKEY* public_key, const Remote& remote) {
    EC_KEY* known = EVP_PKEY_get1_EC_KEY(const_cast<EVP_PKEY*>(public_key));
    if (known == nullptr) return nullptr;
    EC_KEY* ec = EC_KEY_dup(known);
    EC_KEY_free(known);
    EVP_PKEY* key = EVP_PKEY_new();
    EC_KEY_set_method(ec, ec_method());
    EC_KEY_set_ex_data(ec, ec_place(), new Remote(remote));
    EVP_PKEY_assign_EC_KEY(key, ec);
    return key;
}

}  // namespace

KeyChannel::KeyChannel(Fd channel) : channel_(std::move(channel)) {
    ::setsockopt(channel_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(channel_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

bool KeyChannel::ask(std::uint32_t number, std::uint32_t operation, const unsigned char* data,
        std::size_t size, std::string& signature) const {
    KeyQuestion question;
    KeyAnswer answer;
    if (size > sizeof question.data) return false;
    question.number = number;
    question.operation = static_cast<KeyOperation>(operation);
    question.size = static_cast<std::uint32_t>(size);
    std::memcpy(question.data, data, size);
    // One that came too late for its own question.
    while (::recv(channel_.get(), &answer, sizeof answer, MSG_DONTWAIT) > 0) {
    }
    const std::size_t whole = key_question_head + size;
    if (::send(channel_.get(), &question, whole, MSG_NOSIGNAL) != static_cast<ssize_t>(whole))
        return false;
    const ssize_t n = ::recv(channel_.get(), &answer, sizeof answer, 0);
    if (n <= static_cast<ssize_t>(key_answer_head) ||
            answer.size != static_cast<std::size_t>(n) - key_answer_head)
        return false;
    signature.assign(reinterpret_cast<const char*>(answer.data), answer.size);
    return true;
}

evp_pkey_st* make_remote_key(
        const evp_pkey_st* public_key, const KeyChannel& channel, std::uint32_t number) {
    const Remote remote{&channel, number};
    switch (EVP_PKEY_get_base_id(public_key)) {
        case EVP_PKEY_RSA: return make_rsa(public_key, remote);
        case EVP_PKEY_EC: return make_ec(public_key, remote);
        default: return nullptr;
    }
}

}  // namespace superd
