// SPDX-License-Identifier: MIT
// As much of HTTP/1.1 (RFC 9112) as a health check needs: one GET, and the status of its
// answer. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace superd {

// As much of an answer is read; its status line has to be in it.
inline constexpr std::size_t http_reply_limit = 1024;

// host: as it stands in the URL. Both hold no blanks and no control characters.
[[nodiscard]] std::string http_question(std::string_view host, std::string_view target);

struct HttpReply {
    bool complete = false;     // there is no need to read more
    std::uint16_t status = 0;  // 100 to 599; 0: it is no answer, or not all there yet
};

// heard: what has come so far; ended: nothing more will. Interim answers (1xx) are passed over.
[[nodiscard]] HttpReply read_http_reply(std::string_view heard, bool ended);

}  // namespace superd
