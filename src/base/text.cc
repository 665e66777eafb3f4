// SPDX-License-Identifier: MIT
// Small pure functions on text.
#include "base/text.h"

#include <algorithm>
#include <array>
#include <limits>

namespace superd {

namespace {

template <class Number, unsigned base>
std::optional<Number> parse_digits(std::string_view text) {
    if (text.empty()) return std::nullopt;
    Number value = 0;
    for (const char c : text) {
        const auto digit = static_cast<unsigned>(c - '0');
        if (c < '0' || digit >= base) return std::nullopt;
        if (value > (std::numeric_limits<Number>::max() - digit) / base) return std::nullopt;
        value = value * base + digit;
    }
    return value;
}

unsigned char byte_at(std::string_view text, std::size_t i) {
    return static_cast<unsigned char>(text[i]);
}

// How long the UTF-8 sequence at `from` should be, judged by its first byte; 0: no first byte.
std::size_t sequence_length(unsigned char lead) {
    if (lead >= 0xc2 && lead <= 0xdf) return 2;
    if (lead >= 0xe0 && lead <= 0xef) return 3;
    if (lead >= 0xf0 && lead <= 0xf4) return 4;
    return 0;
}

// The second byte excludes overlong forms, surrogates, what lies beyond U+10FFFF, and the C1
// control characters (U+0080 to U+009F), which some terminals obey.
bool is_second_byte(unsigned char lead, unsigned char second) {
    switch (lead) {
        case 0xc2: return second >= 0xa0 && second <= 0xbf;
        case 0xe0: return second >= 0xa0 && second <= 0xbf;
        case 0xed: return second >= 0x80 && second <= 0x9f;
        case 0xf0: return second >= 0x90 && second <= 0xbf;
        case 0xf4: return second >= 0x80 && second <= 0x8f;
        default: return second >= 0x80 && second <= 0xbf;
    }
}

// The length of the printable non-ASCII character at `from`; 0 where there is none.
std::size_t printable_sequence(std::string_view text, std::size_t from) {
    const unsigned char lead = byte_at(text, from);
    const std::size_t length = sequence_length(lead);
    if (length == 0 || from + length > text.size()) return 0;
    if (!is_second_byte(lead, byte_at(text, from + 1))) return 0;
    for (std::size_t i = 2; i < length; ++i) {
        if ((byte_at(text, from + i) & 0xc0) != 0x80) return 0;
    }
    return length;
}

void append_escaped(std::string& out, unsigned char byte) {
    constexpr std::string_view digits = "0123456789abcdef";
    switch (byte) {
        case '\n': out += "\\n"; return;
        case '\t': out += "\\t"; return;
        case '\r': out += "\\r"; return;
        case '\\': out += "\\\\"; return;
        default: break;
    }
    out += "\\x";
    out += digits[byte >> 4];
    out += digits[byte & 15];
}

bool is_plain(unsigned char byte) {
    return byte >= 0x20 && byte < 0x7f && byte != '\\';
}

// Edit distance where an exchange of two neighbours counts as one step (optimal string
// alignment), for words of at most `max_word` bytes.
constexpr std::size_t max_word = 64;

std::size_t edit_distance(std::string_view a, std::string_view b) {
    using Row = std::array<std::size_t, max_word + 1>;
    Row before_last{}, last{}, current{};
    for (std::size_t j = 0; j <= b.size(); ++j)
        last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        current[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            current[j] = std::min({last[j] + 1, current[j - 1] + 1, last[j - 1] + cost});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) current[j] = std::min(current[j], before_last[j - 2] + 1);
        }
        before_last = last;
        last = current;
    }
    return last[b.size()];
}

}  // namespace

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n\v\f";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
    std::string out;
    for (const std::string& part : parts) {
        if (&part != parts.data()) out += separator;
        out += part;
    }
    return out;
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
    return parse_digits<std::uint64_t, 10>(text);
}

std::optional<std::uint32_t> parse_octal(std::string_view text) {
    return parse_digits<std::uint32_t, 8>(text);
}

std::string escape(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const unsigned char byte = byte_at(text, i);
        const std::size_t length = is_plain(byte) ? 1 : printable_sequence(text, i);
        if (length == 0) {
            append_escaped(out, byte);
            ++i;
            continue;
        }
        out.append(text, i, length);
        i += length;
    }
    return out;
}

std::string quote_value(std::string_view text) {
    std::string plain = escape(text);
    if (!plain.empty() && plain.find_first_of(" =\"") == std::string::npos) return plain;
    std::string out = "\"";
    for (const char c : plain) {
        if (c == '"') out += '\\';
        out += c;
    }
    out += '"';
    return out;
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    if (word.empty() || word.size() > max_word) return {};
    const std::size_t bound = std::clamp<std::size_t>(word.size() / 3, 1, 3);
    std::string_view best;
    std::size_t best_distance = bound + 1;
    for (const std::string_view candidate : candidates) {
        if (candidate.empty() || candidate.size() > max_word) continue;
        if (candidate.size() > word.size() + bound) continue;
        const std::size_t distance = edit_distance(word, candidate);
        if (distance >= best_distance) continue;
        best = candidate;
        best_distance = distance;
    }
    return best;
}

}  // namespace superd
