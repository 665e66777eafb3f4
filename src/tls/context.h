// SPDX-License-Identifier: MIT
// A profile as OpenSSL has it: what all its connections share.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tls/material.h"

struct ssl_ctx_st;

namespace superd {

// Once in a process, before its sandbox: OpenSSL reads no file of its own afterwards, and none
// of the system's configuration at all.
void begin_openssl();

// One context may be made and used by one thread.
class TlsContext {
public:
    // keys: PEM, one for each of material.chains. Nothing, with `error` set, where it cannot be
    // used; the keys' bytes are the caller's to wipe.
    [[nodiscard]] static std::shared_ptr<const TlsContext> make(const TlsMaterial& material,
            const std::vector<std::string>& keys, std::string& error);

    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    // A loan.
    [[nodiscard]] ssl_ctx_st* get() const { return context_; }

private:
    explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

    ssl_ctx_st* const context_;
};

// Versions, ciphers, groups and options of a plan, without its certificates. False with `error`
// and the option's `key` set.
[[nodiscard]] bool apply_tls_plan(
        ssl_ctx_st* context, const TlsPlan& plan, std::string& key, std::string& error);

}  // namespace superd
