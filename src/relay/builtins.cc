// SPDX-License-Identifier: MIT
#include "relay/builtins.h"

#include <array>
#include <ctime>

namespace superd {

namespace {

constexpr std::size_t line_width = chargen_line - 2;
constexpr unsigned printing = 95;

// Two periods: from any offset in the first there is a whole one.
constexpr auto make_pattern() {
    std::array<char, 2 * chargen_period> pattern{};
    std::size_t at = 0;
    for (std::size_t line = 0; line < 2 * printing; ++line) {
        for (std::size_t i = 0; i < line_width; ++i)
            pattern[at++] = static_cast<char>(' ' + (line + i) % printing);
        pattern[at++] = '\r';
        pattern[at++] = '\n';
    }
    return pattern;
}

constexpr auto pattern = make_pattern();

// RFC 868 counts from 1900, which is so many seconds before 1970.
constexpr std::int64_t before_1970 = 2'208'988'800;

}  // namespace

std::string_view chargen_text(std::size_t offset) {
    return {pattern.data() + offset % chargen_period, chargen_period};
}

std::string daytime_text(Wall now) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(
            std::chrono::time_point_cast<std::chrono::system_clock::duration>(now));
    std::tm parts{};
    ::localtime_r(&seconds, &parts);
    char text[64];
    const std::size_t size =
            std::strftime(text, sizeof text, "%a %b %d %H:%M:%S %Y\r\n", &parts);
    return {text, size};
}

std::string time_bytes(Wall now) {
    const auto seconds =
            std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count() +
            before_1970;
    std::string bytes;
    for (const int shift : {24, 16, 8, 0})
        bytes += static_cast<char>(seconds >> shift & 0xff);
    return bytes;
}

}  // namespace superd
