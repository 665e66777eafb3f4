// SPDX-License-Identifier: MIT
// What superd and superd-relay take from each other, and the first lines that clients say.
// What is accepted reads back the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "relay/preface.h"
#include "relay/protocol.h"

using namespace superd;

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

void check_packets(std::string_view bytes) {
    const auto to = decode_to_relay(bytes);
    const auto from = decode_from_relay(bytes);
    must(!to || !from);
    if (to) must(encode_message(*to) == bytes);
    if (from) must(encode_message(*from) == bytes);
}

void check_lines(std::string_view bytes) {
    for (const std::size_t limit : {tcpmux_line_limit, ident_line_limit}) {
        const LineSeen line = find_line(bytes, limit);
        must(line.size <= bytes.size());
        if (line.state == LineSeen::State::complete)
            must(line.size <= limit && bytes[line.size - 1] == '\n');
    }
    if (const auto name = parse_tcpmux_line(bytes))
        for (const char c : *name)
            must(c > ' ' && c <= '~');
    if (const auto question = parse_ident_line(bytes))
        must(question->local != 0 && question->remote != 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    check_packets(bytes);
    check_lines(bytes);
    return 0;
}
