// SPDX-License-Identifier: MIT
// Keys that session tickets are sealed with: superd makes them, all relays have the same.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

struct ssl_ctx_st;

namespace superd {

// 16 bytes of a name, 32 for AES-256, 32 for HMAC with SHA-256.
inline constexpr std::size_t ticket_key_size = 80;
inline constexpr std::size_t ticket_keys_limit = 3;

// Shared by all contexts of a relay, and changed under them.
struct TicketKeys {
    // The first one seals, all of them open. Empty: there are no tickets.
    std::vector<std::string> keys;
};

// keys must live as long as the context.
void seal_tickets_with(ssl_ctx_st* context, const TicketKeys& keys);

}  // namespace superd
