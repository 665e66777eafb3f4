// SPDX-License-Identifier: MIT
#include "tls/session.h"

#include <cerrno>
#include <cstdlib>

#include <openssl/err.h>

#include "tls/describe.h"
#include "tls/openssl.h"

namespace superd {

TlsSession::TlsSession(const TlsContext& context, int fd) : ssl_(SSL_new(context.get())) {
    if (ssl_ == nullptr || SSL_set_fd(ssl_, fd) != 1) std::abort();  // no memory
    SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() {
    SSL_free(ssl_);
}

TlsSession::Step TlsSession::step_of(int result) {
    const int saved = errno;
    switch (SSL_get_error(ssl_, result)) {
        case SSL_ERROR_NONE: return Step::done;
        case SSL_ERROR_WANT_READ: return Step::wants_in;
        case SSL_ERROR_WANT_WRITE: return Step::wants_out;
        case SSL_ERROR_ZERO_RETURN: return Step::closed;
        case SSL_ERROR_SYSCALL:
            error_number_ = saved != 0 ? saved : ECONNRESET;
            ERR_clear_error();
            return Step::failed;
        default: break;
    }
    const bool cut =
            ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    error_ = take_openssl_error();
    return cut ? Step::cut_off : Step::failed;
}

TlsSession::Step TlsSession::handshake() {
    ERR_clear_error();
    errno = 0;
    return step_of(SSL_do_handshake(ssl_));
}

TlsSession::Step TlsSession::read(std::span<char> room, std::size_t& got) {
    ERR_clear_error();
    errno = 0;
    return step_of(SSL_read_ex(ssl_, room.data(), room.size(), &got));
}

TlsSession::Step TlsSession::write(std::string_view bytes, std::size_t& written) {
    ERR_clear_error();
    errno = 0;
    return step_of(SSL_write_ex(ssl_, bytes.data(), bytes.size(), &written));
}

TlsSession::Step TlsSession::say_close() {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_shutdown(ssl_);
    return result >= 0 ? Step::done : step_of(result);
}

TlsFacts TlsSession::facts() const {
    return describe_session(ssl_);
}

}  // namespace superd
