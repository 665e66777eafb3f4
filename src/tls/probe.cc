// SPDX-License-Identifier: MIT
#include "tls/probe.h"

#include <cerrno>
#include <memory>

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/fd.h"
#include "base/result.h"
#include "tls/context.h"
#include "tls/describe.h"

// OpenSSL's macros do it.
#pragma GCC diagnostic ignored "-Wold-style-cast"

namespace superd {

namespace {

bool is_address(const std::string& host) {
    in6_addr room{};
    return ::inet_pton(AF_INET, host.c_str(), &room) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), &room) == 1;
}

// The first of its addresses that answers.
Fd connect_to(const std::string& host, const std::string& port, int seconds, std::string& error) {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int failed = ::getaddrinfo(host.c_str(), port.c_str(), &wanted, &found);
            failed != 0) {
        error = ::gai_strerror(failed);
        return {};
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, ::freeaddrinfo);
    const timeval patience{seconds, 0};
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
        Fd fd(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol));
        if (!fd) continue;
        ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0) return fd;
        error = errno_text(errno == EINPROGRESS ? ETIMEDOUT : errno);
    }
    return {};
}

std::string wire_form(const std::vector<std::string>& alpn) {
    std::string out;
    for (const std::string& protocol : alpn)
        out.append(1, static_cast<char>(protocol.size())).append(protocol);
    return out;
}

// What the client believes, and whom it asks for.
void set_up(SSL_CTX* context, SSL* ssl, const std::string& host,
        const std::vector<std::string>& alpn) {
    if (!is_address(host)) {
        SSL_set_tlsext_host_name(ssl, host.c_str());
        SSL_set1_host(ssl, host.c_str());
    } else {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
    }
    const std::string protocols = wire_form(alpn);
    if (!protocols.empty())
        SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(protocols.data()),
                static_cast<unsigned>(protocols.size()));
    static_cast<void>(context);
}

std::string group_of(SSL* ssl) {
    EVP_PKEY* key = nullptr;
    if (SSL_get_peer_tmp_key(ssl, &key) != 1) return {};
    char name[64];
    std::size_t size = 0;
    std::string group = EVP_PKEY_get0_type_name(key);
    if (EVP_PKEY_get_group_name(key, name, sizeof name, &size) == 1) group.assign(name, size);
    EVP_PKEY_free(key);
    return group;
}

}  // namespace

TlsProbe probe_tls(const std::string& host, const std::string& port,
        const std::vector<std::string>& alpn, const std::string& trust, int seconds) {
    begin_openssl();
    TlsProbe probe;
    const Fd connection = connect_to(host, port, seconds, probe.error);
    if (!connection) return probe;
    const OwnContext context(SSL_CTX_new(TLS_client_method()));
    // Old servers are what a probe is for.
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
    SSL_CTX_set_cipher_list(context.get(), "ALL:COMPLEMENTOFALL");
    SSL_CTX_set_default_verify_paths(context.get());
    if (!trust.empty() &&
            SSL_CTX_load_verify_locations(context.get(), trust.c_str(), nullptr) != 1) {
        probe.error = trust + ": " + take_openssl_error();
        return probe;
    }
    const OwnSsl ssl(SSL_new(context.get()));
    set_up(context.get(), ssl.get(), host, alpn);
    SSL_set_fd(ssl.get(), connection.get());
    ERR_clear_error();
    errno = 0;
    if (SSL_connect(ssl.get()) != 1) {
        const int saved = errno;
        probe.error = take_openssl_error();
        if (probe.error.empty())
            probe.error = saved == EAGAIN ? "no answer in time"
                          : saved != 0    ? errno_text(saved)
                                          : "the server has closed the connection";
        return probe;
    }
    probe.facts = describe_session(ssl.get());
    probe.facts.server_name = is_address(host) ? "" : host;
    probe.group = group_of(ssl.get());
    const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl.get());
    for (int i = 0; i < sk_X509_num(chain); ++i)
        probe.chain.push_back(describe_certificate(sk_X509_value(chain, i)));
    const long verdict = SSL_get_verify_result(ssl.get());
    probe.good = verdict == X509_V_OK;
    probe.verdict = X509_verify_cert_error_string(verdict);
    SSL_shutdown(ssl.get());
    return probe;
}

}  // namespace superd
