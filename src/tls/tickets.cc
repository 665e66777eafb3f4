// SPDX-License-Identifier: MIT
#include "tls/tickets.h"

#include <algorithm>
#include <cstring>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "tls/openssl.h"

// OpenSSL's macros do it.
#pragma GCC diagnostic ignored "-Wold-style-cast"

namespace superd {

namespace {

constexpr std::size_t name_size = 16, cipher_size = 32, mac_size = 32;
static_assert(name_size + cipher_size + mac_size == ticket_key_size);

int keys_place() {
    static const int place = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return place;
}

const unsigned char* at(const std::string& key, std::size_t offset) {
    return reinterpret_cast<const unsigned char*>(key.data()) + offset;
}

bool set_mac(EVP_MAC_CTX* mac, const std::string& key) {
    char digest[] = "SHA256";
    // OpenSSL does not change what it is given here.
    void* bytes = const_cast<unsigned char*>(at(key, name_size + cipher_size));
    const OSSL_PARAM parameters[]{
            OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes, mac_size),
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
            OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

int seal(const TicketKeys& all, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
        EVP_MAC_CTX* mac) {
    if (all.keys.empty()) return 0;
    const std::string& key = all.keys.front();
    std::memcpy(name, key.data(), name_size);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1 ||
            EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, at(key, name_size), iv) != 1)
        return -1;
    return set_mac(mac, key) ? 1 : -1;
}

// 2: the client is to get a new one, for this one's key is an old one.
int open(const TicketKeys& all, const unsigned char* name, const unsigned char* iv,
        EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
    const auto key = std::find_if(all.keys.begin(), all.keys.end(), [name](const std::string& one) {
        return std::memcmp(one.data(), name, name_size) == 0;
    });
    if (key == all.keys.end()) return 0;
    if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, at(*key, name_size), iv) != 1 ||
            !set_mac(mac, *key))
        return -1;
    return key == all.keys.begin() ? 1 : 2;
}

int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
        EVP_MAC_CTX* mac, int encrypt) {
    const auto* keys = static_cast<const TicketKeys*>(
            SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keys_place()));
    if (keys == nullptr) return 0;
    return encrypt == 1 ? seal(*keys, name, iv, cipher, mac)
                        : open(*keys, name, iv, cipher, mac);
}

}  // namespace

void seal_tickets_with(SSL_CTX* context, const TicketKeys& keys) {
    SSL_CTX_set_ex_data(context, keys_place(), const_cast<TicketKeys*>(&keys));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
}

}  // namespace superd
