// SPDX-License-Identifier: MIT
// A profile as OpenSSL has it: what all its connections share.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tls/material.h"

struct ssl_ctx_st;
struct ssl_st;

namespace superd {

class KeyChannel;
struct TicketKeys;

// Once in a process, before its sandbox: OpenSSL reads no file of its own afterwards, and none
// of the system's configuration at all.
void begin_openssl();

// One context may be made and used by one thread.
class TlsContext {
public:
    struct Keys {
        std::vector<std::string> pem;  // one for each of material.chains; wiped by the caller
        // ... or superd-key has them, from that number on. It lives as long as the context.
        std::shared_ptr<const KeyChannel> channel{};
        std::uint32_t first = 0;
    };

    // Nothing, with `error` set, where it cannot be used. tickets: null for none.
    [[nodiscard]] static std::shared_ptr<const TlsContext> make(const TlsMaterial& material,
            const Keys& keys, std::string& error,
            std::shared_ptr<const TicketKeys> tickets = {});

    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    // A loan.
    [[nodiscard]] ssl_ctx_st* get() const;

    struct Parts;

private:
    explicit TlsContext(std::unique_ptr<Parts> parts);

    const std::unique_ptr<Parts> parts_;
};

// Versions, ciphers, groups and options of a plan, without its certificates. False with `error`
// and the option's `key` set.
[[nodiscard]] bool apply_tls_plan(
        ssl_ctx_st* context, const TlsPlan& plan, std::string& key, std::string& error);

}  // namespace superd
