// SPDX-License-Identifier: MIT
// Owners of OpenSSL's objects; for the sources of this folder alone.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace superd {

template <auto free_it>
struct OpensslDelete {
    template <class T>
    void operator()(T* object) const {
        free_it(object);
    }
};

template <class T, auto free_it>
using OpensslOwner = std::unique_ptr<T, OpensslDelete<free_it>>;

using OwnBio = OpensslOwner<BIO, BIO_free>;
using OwnCertificate = OpensslOwner<X509, X509_free>;
using OwnKey = OpensslOwner<EVP_PKEY, EVP_PKEY_free>;
using OwnContext = OpensslOwner<SSL_CTX, SSL_CTX_free>;
using OwnSsl = OpensslOwner<SSL, SSL_free>;

// The bytes are a loan.
[[nodiscard]] inline OwnBio read_from(std::string_view bytes) {
    return OwnBio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

// What went wrong last, as OpenSSL says it, and nothing is left in its queue.
[[nodiscard]] std::string take_openssl_error();

}  // namespace superd
