// SPDX-License-Identifier: MIT
// What reaches superd-log: packets of the channel, questions of readers, lines of services; and
// what superctl reads of it. What is accepted reads back the same; lines cannot be forged.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "log/channel.h"
#include "log/format.h"
#include "log/lines.h"
#include "log/reader.h"

using namespace superd;

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

void check_frame(std::string_view bytes) {
    if (const auto frame = decode_frame(bytes)) must(encode_frame(*frame) == bytes);
}

void check_query(std::string_view text) {
    if (const auto query = parse_query(text))
        must(parse_query(format_query(*query)).has_value());
}

void check_answer(std::string_view text) {
    const auto line = parse_line(text);
    if (!line) return;
    std::string form;
    format_line(form, *line);
    must(form.find('\n') == std::string::npos);
    must(parse_line(form).has_value());
}

// However it is cut into reads, all of a line comes out, and no piece is longer than the limit.
void check_lines(std::string_view bytes) {
    constexpr std::size_t limit = 16;
    LineSplitter splitter(limit);
    const Mono now{};
    std::size_t size = 0;
    const LineSplitter::Emit emit = [&](const LineSplitter::Line& line) {
        must(line.text.size() <= limit && line.text.find('\n') == std::string_view::npos);
        size += line.text.size();
        LogLine log{"2026-11-23T01:48:02.114Z", "ssh", line.pid, std::string(line.text),
                line.continued, 0};
        std::string text;
        format_line_text(text, log);
        for (const char c : text)
            must(static_cast<unsigned char>(c) >= 0x20 && c != '\x7f');
    };
    const std::size_t all = bytes.size();
    while (!bytes.empty()) {
        const auto step = static_cast<unsigned char>(bytes[0]) % 40 + std::size_t{1};
        splitter.feed(1 + bytes[0] % 3, bytes.substr(0, step), now, emit);
        bytes.remove_prefix(std::min(step, bytes.size()));
    }
    splitter.flush_all(emit);
    must(size <= all);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    check_frame(bytes);
    check_query(bytes);
    check_answer(bytes);
    check_lines(bytes);
    must(parse_head(bytes).length <= size);
    return 0;
}
