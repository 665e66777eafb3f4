// SPDX-License-Identifier: MIT
// What clients say before TLS and servers greet with: in one piece and byte by byte it comes to
// the same, and nothing grows without bound.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "relay/starttls.h"

using namespace superd;

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

void talk(Starttls kind, std::string_view bytes) {
    StarttlsTalk byte_by_byte(kind);
    std::string replies;
    auto then = StarttlsTalk::Then::more;
    std::size_t heard = 0;
    for (; heard < bytes.size() && then == StarttlsTalk::Then::more; ++heard) {
        auto answer = byte_by_byte.hear(bytes.substr(heard, 1));
        replies += answer.reply;
        then = answer.then;
    }
    must(heard <= starttls_total_limit + 1);
    // A client that asks for TLS gets there however its bytes are cut.
    if (then == StarttlsTalk::Then::shake && heard < starttls_line_limit) {
        StarttlsTalk whole(kind);
        const auto answer = whole.hear(bytes.substr(0, heard));
        must(answer.then == then || kind == Starttls::xmpp || kind == Starttls::postgres);
        if (answer.then == then) must(answer.reply == replies);
    }
}

void greet(Starttls kind, std::string_view bytes) {
    GreetingFilter filter(kind);
    std::string out;
    for (const char c : bytes)
        out += filter.waits() ? filter.hear({&c, 1}) : std::string(1, c);
    out += filter.rest();
    must(bytes.ends_with(out));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto kind = static_cast<Starttls>(1 + data[0] % 9);
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    talk(kind, bytes);
    greet(kind, bytes);
    return 0;
}
