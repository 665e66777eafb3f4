// SPDX-License-Identifier: MIT
// The client's half of the Identification Protocol (RFC 1413) as text: the question, and what
// an answer says. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace superd {

inline constexpr std::uint16_t ident_port = 113;
// What is read of an answer, and kept of a user and a system: the RFC allows a user of 512
// octets, and xinetd had a hole here (CVE-2001-0763).
inline constexpr std::size_t ident_reply_limit = 1024, ident_user_limit = 128,
                             ident_system_limit = 64;

enum class IdentStatus : std::uint8_t {
    user,    // text is the user, as the peer's host calls it
    error,   // the server answered with an error: text is "NO-USER", "HIDDEN-USER" ...
    failed,  // nobody answered in time, or not in the words of the protocol: text is empty
};

struct IdentReply {
    IdentStatus status = IdentStatus::failed;
    std::string text{};  // as the peer sent it, cut to ident_user_limit: escape it
    // Beside a user what kind of name it is: "UNIX", "OTHER,US-ASCII"; as the peer sent it.
    std::string system{};

    bool operator==(const IdentReply&) const = default;
};

// "6193, 23\r\n": the ports as the peer's host sees them, its own first.
[[nodiscard]] std::string ident_question(std::uint32_t peer_port, std::uint32_t local_port);
// line: without its end. An answer about other ports is none.
[[nodiscard]] IdentReply parse_ident_reply(
        std::string_view line, std::uint32_t peer_port, std::uint32_t local_port);

}  // namespace superd
