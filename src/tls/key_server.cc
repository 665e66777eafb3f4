// SPDX-License-Identifier: MIT
// For PKCS1_MGF1, which OpenSSL 3 calls deprecated.
#define OPENSSL_API_COMPAT 0x10100000L

#include "tls/key_server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/packet_socket.h"
#include "tls/context.h"
#include "tls/material.h"
#include "tls/openssl.h"

namespace superd {

namespace {

using Bytes = std::span<const unsigned char>;
using OwnKeyContext = OpensslOwner<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

int no_password(char*, int, int, void*) {
    return -1;
}

// The DigestInfo of SHA-256, SHA-384 and SHA-512 (RFC 8017 9.2, note 1): what stands before the
// digest. The last octet is its size.
constexpr std::array<std::array<unsigned char, 19>, 3> digest_infos{
        {{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
                 0x05, 0x00, 0x04, 0x20},
                {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
                        0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
                {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
                        0x02, 0x03, 0x05, 0x00, 0x04, 0x40}}};

bool is_digest_info(Bytes data) {
    return std::any_of(digest_infos.begin(), digest_infos.end(), [data](const auto& head) {
        return data.size() == head.size() + head.back() &&
               std::equal(head.begin(), head.end(), data.begin());
    });
}

bool is_digest(Bytes data) {
    return data.size() == 32 || data.size() == 48 || data.size() == 64;
}

// EMSA-PSS (RFC 8017 9.1.2, without the message): the mask that the block's own hash makes must
// uncover zeros, a one and a salt as long as the hash. What comes of another's cipher text
// does not look so.
bool is_pss_of(Bytes block, const EVP_MD* digest) {
    const auto hash = static_cast<std::size_t>(EVP_MD_get_size(digest));
    if (block.size() < 2 * hash + 2 || block.back() != 0xbc) return false;
    const std::size_t masked = block.size() - hash - 1;
    std::vector<unsigned char> mask(masked);
    if (PKCS1_MGF1(mask.data(), static_cast<long>(masked), block.data() + masked,
                static_cast<long>(hash), digest) != 0)
        return false;
    for (std::size_t i = 0; i < masked; ++i)
        mask[i] ^= block[i];
    mask[0] &= 0x7f;
    const std::size_t one = masked - hash - 1;
    return (block[0] & 0x80) == 0 && mask[one] == 1 &&
           std::all_of(mask.begin(), mask.begin() + static_cast<std::ptrdiff_t>(one),
                   [](unsigned char c) { return c == 0; });
}

bool is_pss(Bytes block) {
    return is_pss_of(block, EVP_sha256()) || is_pss_of(block, EVP_sha384()) ||
           is_pss_of(block, EVP_sha512());
}

// RSA_NO_PADDING, RSA_PKCS1_PADDING; 0: the key or the data does not fit the operation.
int padding_of(EVP_PKEY* key, KeyOperation operation, Bytes data) {
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return 0;
    if (operation == KeyOperation::rsa_pkcs1) return is_digest_info(data) ? RSA_PKCS1_PADDING : 0;
    const bool whole = data.size() == static_cast<std::size_t>(EVP_PKEY_get_size(key));
    return operation == KeyOperation::rsa_pss && whole && is_pss(data) ? RSA_NO_PADDING : 0;
}

bool may_sign(EVP_PKEY* key, KeyOperation operation, Bytes data) {
    if (operation == KeyOperation::ecdsa)
        return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && is_digest(data);
    return padding_of(key, operation, data) != 0;
}

bool sign(EVP_PKEY* key, KeyOperation operation, Bytes data, KeyAnswer& answer) {
    const OwnKeyContext context(EVP_PKEY_CTX_new(key, nullptr));
    std::size_t size = sizeof answer.data;
    if (!context || EVP_PKEY_sign_init(context.get()) != 1) return false;
    const int padding = padding_of(key, operation, data);
    if (padding != 0 && EVP_PKEY_CTX_set_rsa_padding(context.get(), padding) != 1) return false;
    if (EVP_PKEY_sign(context.get(), answer.data, &size, data.data(), data.size()) != 1)
        return false;
    answer.size = static_cast<std::uint32_t>(size);
    return true;
}

void wipe(std::string& secret) {
    OPENSSL_cleanse(secret.data(), secret.size());
}

}  // namespace

void KeyServer::Free::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}

KeyServer::KeyServer(Fd channel) : channel_(std::move(channel)) {
    begin_openssl();
}

KeyServer::~KeyServer() = default;

bool KeyServer::hold(std::uint32_t number, const std::string& pem) {
    const OwnBio source = read_from(pem);
    keys_[number].reset(PEM_read_bio_PrivateKey(source.get(), nullptr, no_password, nullptr));
    ERR_clear_error();
    return keys_[number] != nullptr;
}

KeyAnswer KeyServer::answer(Bytes packet) const {
    KeyAnswer answer;
    KeyQuestion question;
    if (packet.size() <= key_question_head || packet.size() > sizeof question) return answer;
    std::memcpy(&question, packet.data(), packet.size());
    const auto key = keys_.find(question.number);
    if (question.size != packet.size() - key_question_head || key == keys_.end() || !key->second)
        return answer;
    const Bytes data(question.data, question.size);
    if (!may_sign(key->second.get(), question.operation, data) ||
            !sign(key->second.get(), question.operation, data, answer))
        answer.size = 0;
    ERR_clear_error();
    return answer;
}

KeyServer::Order KeyServer::take_order() {
    KeyControl control;
    char room[sizeof control + 1];
    auto got = receive_packet(channel_.get(), room, 1, "superd");
    if (!got && got.error().code == EAGAIN) return Order::none;
    if (!got) return got.error().code == EBADMSG ? Order::taken : Order::gone;
    if (got->size != sizeof control) return Order::taken;
    std::memcpy(&control, room, sizeof control);
    if (control.order == KeyOrder::drop) keys_.erase(control.number);
    if (got->descriptors.empty()) return Order::taken;
    if (control.order == KeyOrder::serve) relay_ = std::move(got->descriptors[0]);
    if (control.order == KeyOrder::hold) {
        auto pem = read_tls_file(got->descriptors[0].get(), "key");
        if (!pem) return Order::taken;
        hold(control.number, *pem);
        wipe(*pem);
    }
    return Order::taken;
}

// False: the relay has gone.
bool KeyServer::take_question() {
    KeyQuestion packet;
    const ssize_t n = ::recv(relay_.get(), &packet, sizeof packet, MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    const KeyAnswer said =
            answer({reinterpret_cast<unsigned char*>(&packet), static_cast<std::size_t>(n)});
    const std::size_t size = key_answer_head + said.size;
    return ::send(relay_.get(), &said, size, MSG_NOSIGNAL) == static_cast<ssize_t>(size);
}

void KeyServer::run() {
    while (channel_ || relay_) {
        std::array<pollfd, 2> polls{{{channel_ ? channel_.get() : -1, POLLIN, 0},
                {relay_ ? relay_.get() : -1, POLLIN, 0}}};
        if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) return;
        // All orders first: a question is about a key that was ordered to be held before.
        for (Order order = Order::taken; channel_ && order != Order::none;) {
            order = take_order();
            if (order == Order::gone) channel_.reset();
        }
        // An order may have brought another relay's channel.
        if (polls[1].revents != 0 && relay_.get() == polls[1].fd && !take_question())
            relay_.reset();
    }
}

}  // namespace superd
