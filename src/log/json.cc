// SPDX-License-Identifier: MIT
// As much JSON as the log needs: writing strings, reading one flat object.
#include "log/json.h"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace superd {

namespace {

// The length of the UTF-8 character at the front of text; 0 where there is none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return static_cast<unsigned char>(text[i]);
    };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || length > text.size()) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    const unsigned char second =
            byte(1);  // excludes overlong forms, surrogates, too large ones
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) return 0;
    if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
    return length;
}

void append_control(std::string& out, unsigned char byte) {
    constexpr std::string_view digits = "0123456789abcdef";
    switch (byte) {
        case '\n': out += "\\n"; return;
        case '\t': out += "\\t"; return;
        case '\r': out += "\\r"; return;
        default: break;
    }
    out += "\\u00";
    out += digits[byte >> 4];
    out += digits[byte & 15];
}

void append_utf8(std::string& out, unsigned code) {
    const auto put = [&](unsigned byte) {
        out += static_cast<char>(byte);
    };
    if (code < 0x80) return put(code);
    if (code < 0x800) {
        put(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        put(0xe0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3f));
    } else {
        put(0xf0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3f));
        put(0x80 | (code >> 6 & 0x3f));
    }
    put(0x80 | (code & 0x3f));
}

bool is_plain(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\';
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        const auto plain = static_cast<std::size_t>(
                std::find_if_not(text.begin(), text.end(), is_plain) - text.begin());
        out.append(text, 0, plain);
        text.remove_prefix(plain);
        if (text.empty()) break;
        const auto byte = static_cast<unsigned char>(text.front());
        const std::size_t length = utf8_length(text);
        if (byte == '"' || byte == '\\') {
            out += '\\';
            out += text.front();
        } else if (byte < 0x20 || byte == 0x7f) {
            append_control(out, byte);
        } else if (length > 0) {
            out.append(text, 0, length);
        } else {
            out += "\xef\xbf\xbd";
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    out += '"';
}

void append_json_member(std::string& out, std::string_view key, std::string_view text) {
    out += ",\"";
    out += key;
    out += "\":";
    append_json_string(out, text);
}

void append_json_member(std::string& out, std::string_view key, std::int64_t number) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    out += ",\"";
    out += key;
    out += "\":";
    out.append(digits, end);
}

void JsonScanner::skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
}

bool JsonScanner::at_end() {
    skip_blanks();
    return rest_.empty();
}

bool JsonScanner::take(char c) {
    skip_blanks();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
}

std::optional<std::string> JsonScanner::string() {
    if (!take('"')) return std::nullopt;
    std::string out;
    for (;;) {
        const std::size_t plain = rest_.find_first_of("\"\\");
        if (plain == std::string_view::npos) return std::nullopt;
        out.append(rest_, 0, plain);
        const char stop = rest_[plain];
        rest_.remove_prefix(plain + 1);
        if (stop == '"') return out;
        if (!escape_into(out)) return std::nullopt;
    }
}

std::optional<unsigned> JsonScanner::hex4() {
    unsigned code = 0;
    if (rest_.size() < 4) return std::nullopt;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, code, 16);
    if (error != std::errc() || end != rest_.data() + 4) return std::nullopt;
    rest_.remove_prefix(4);
    return code;
}

// What follows a backslash.
bool JsonScanner::escape_into(std::string& out) {
    if (rest_.empty()) return false;
    const char c = rest_.front();
    rest_.remove_prefix(1);
    constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
    if (const std::size_t at = from.find(c); at != std::string_view::npos) {
        out += to[at];
        return true;
    }
    if (c != 'u') return false;
    auto code = hex4();
    if (!code) return false;
    const bool high = *code >= 0xd800 && *code < 0xdc00;
    if (high && rest_.starts_with("\\u")) {
        rest_.remove_prefix(2);
        const auto low = hex4();
        if (!low || *low < 0xdc00 || *low > 0xdfff) return false;
        code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
    }
    if (*code >= 0xd800 && *code < 0xe000) return false;  // half a pair
    append_utf8(out, *code);
    return true;
}

std::optional<std::int64_t> JsonScanner::number() {
    skip_blanks();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    if (!rest_.empty() && std::string_view(".eE").find(rest_.front()) != std::string_view::npos)
        return std::nullopt;
    return value;
}

std::optional<bool> JsonScanner::boolean() {
    skip_blanks();
    for (const bool value : {true, false}) {
        const std::string_view word = value ? "true" : "false";
        if (!rest_.starts_with(word)) continue;
        rest_.remove_prefix(word.size());
        return value;
    }
    return std::nullopt;
}

}  // namespace superd
