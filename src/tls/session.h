// SPDX-License-Identifier: MIT
// TLS over one connection that never blocks: the server's side.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tls/context.h"
#include "tls/facts.h"

struct ssl_st;

namespace superd {

class TlsSession {
public:
    // fd is a loan, and not blocking.
    TlsSession(const TlsContext& context, int fd);
    ~TlsSession();
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;

    enum class Step : std::uint8_t {
        done,
        wants_in,   // until the connection can be read
        wants_out,  // ... or written
        closed,     // the peer has said close_notify; nothing comes any more
        cut_off,    // the connection ended without it
        failed,     // error() says why; nothing more can be done
    };

    [[nodiscard]] Step handshake();
    // At least a byte with `done`.
    [[nodiscard]] Step read(std::span<char> room, std::size_t& got);
    // Part of it with `done`; where it has to wait the same bytes must come again.
    [[nodiscard]] Step write(std::string_view bytes, std::size_t& written);
    // Says close_notify; the peer may go on.
    [[nodiscard]] Step say_close();

    // After `failed`: OpenSSL's word for it.
    [[nodiscard]] const std::string& error() const { return error_; }

    // After `failed`: errno of the connection; 0: the peer spoke wrongly.
    [[nodiscard]] int error_number() const { return error_number_; }

    // After the handshake.
    [[nodiscard]] TlsFacts facts() const;

private:
    [[nodiscard]] Step step_of(int result);

    ssl_st* const ssl_;
    std::string error_;
    int error_number_ = 0;
};

}  // namespace superd
