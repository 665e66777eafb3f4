// SPDX-License-Identifier: MIT
// What comes before the handshake where a protocol begins in the clear and goes over to TLS by a
// word of the client's (option starttls): superd-relay speaks it for servers that do not know
// it. Nothing but that word is answered with more than a refusal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/plan_listener.h"

namespace superd {

// A line, an LDAP message or a stanza of XMPP may be so long; what a client may send in all.
inline constexpr std::size_t starttls_line_limit = 2048;
inline constexpr std::size_t starttls_total_limit = 16 * 1024;

class StarttlsTalk {
public:
    // kind: not none.
    explicit StarttlsTalk(Starttls kind) : kind_(kind) {}

    // What the client is told before it has said anything.
    [[nodiscard]] std::string_view greeting() const;

    enum class Then : std::uint8_t {
        more,        // it goes on talking
        shake,       // after the reply the handshake begins: whatever came behind is dropped
        close,       // after the reply
        misbehaves,  // it has said what no client says, or too much
    };

    struct Answer {
        std::string reply;
        Then then = Then::more;
    };

    // The next bytes of the client.
    [[nodiscard]] Answer hear(std::string_view bytes);

private:
    [[nodiscard]] Answer hear_lines();
    [[nodiscard]] Answer hear_ldap();
    [[nodiscard]] Answer hear_xmpp();
    [[nodiscard]] Answer hear_postgres();

    const Starttls kind_;
    std::string heard_;
    std::size_t total_ = 0;
    bool stream_ = false;  // XMPP: the client's stream has been answered
};

// The greeting of the server behind: the client has had one, and must not see another. What is
// no good news is passed on.
class GreetingFilter {
public:
    explicit GreetingFilter(Starttls kind);

    // Whether there may still be some of it to come.
    [[nodiscard]] bool waits() const { return waits_; }

    // The next bytes of the server; gives back what is for the client.
    [[nodiscard]] std::string hear(std::string_view bytes);
    // The server has said all: what is held back.
    [[nodiscard]] std::string rest();

private:
    const Starttls kind_;
    std::string held_;
    bool waits_;
};

}  // namespace superd
