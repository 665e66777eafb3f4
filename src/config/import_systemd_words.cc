// SPDX-License-Identifier: MIT
// systemd's values: booleans, time spans, sizes, quoted words and specifiers.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "config/import_systemd.h"

namespace superd {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// "12", "1.5" at the front of text, which moves behind it.
std::optional<double> take_number(std::string_view& text) {
    double value = 0;
    std::size_t digits = 0;
    while (digits < text.size() && is_digit(text[digits]))
        value = value * 10 + (text[digits++] - '0');
    if (digits == 0 || digits > 15) return std::nullopt;
    text.remove_prefix(digits);
    if (!text.starts_with('.')) return value;
    text.remove_prefix(1);
    double unit = 0.1;
    while (!text.empty() && is_digit(text.front())) {
        value += unit * (text.front() - '0');
        unit /= 10;
        text.remove_prefix(1);
    }
    return value;
}

struct TimeUnit {
    std::string_view name;
    double seconds;
};

constexpr std::array time_units{TimeUnit{"", 1}, TimeUnit{"s", 1}, TimeUnit{"sec", 1},
        TimeUnit{"second", 1}, TimeUnit{"seconds", 1}, TimeUnit{"m", 60}, TimeUnit{"min", 60},
        TimeUnit{"minute", 60}, TimeUnit{"minutes", 60}, TimeUnit{"h", 3600},
        TimeUnit{"hr", 3600}, TimeUnit{"hour", 3600}, TimeUnit{"hours", 3600},
        TimeUnit{"d", 86400}, TimeUnit{"day", 86400}, TimeUnit{"days", 86400},
        TimeUnit{"w", 604800}, TimeUnit{"week", 604800}, TimeUnit{"weeks", 604800},
        TimeUnit{"ms", 1e-3}, TimeUnit{"msec", 1e-3}, TimeUnit{"us", 1e-6},
        TimeUnit{"usec", 1e-6}, TimeUnit{"M", 2629800}, TimeUnit{"month", 2629800},
        TimeUnit{"months", 2629800}, TimeUnit{"y", 31557600}, TimeUnit{"year", 31557600},
        TimeUnit{"years", 31557600}};

std::optional<double> seconds_of(std::string_view unit) {
    for (const TimeUnit& known : time_units)
        if (known.name == unit) return known.seconds;
    return std::nullopt;
}

int hex_digit(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

void append_utf8(std::string& out, std::uint32_t code) {
    const auto put = [&](std::uint32_t byte) {
        out += static_cast<char>(static_cast<unsigned char>(byte));
    };
    if (code < 0x80) return put(code);
    if (code < 0x800) return put(0xc0 | code >> 6), put(0x80 | (code & 0x3f));
    if (code < 0x10000)
        return put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f)),
               put(0x80 | (code & 0x3f));
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
}

// What a backslash says; text stands behind it and moves behind the escape. An unknown one
// stays as it is, as in ExecStart=.
void take_escape(std::string_view& text, std::string& word) {
    constexpr std::string_view letters = "abfnrtvs\\\"'", meant = "\a\b\f\n\r\t\v \\\"'";
    const char c = text.front();
    if (const auto at = letters.find(c); at != std::string_view::npos) {
        word += meant[at];
        text.remove_prefix(1);
        return;
    }
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    std::uint32_t code = 0;
    bool good = digits != 0 && text.size() > digits;
    for (std::size_t i = 1; good && i <= digits; ++i) {
        good = hex_digit(text[i]) >= 0;
        code = code * 16 + static_cast<std::uint32_t>(std::max(hex_digit(text[i]), 0));
    }
    std::size_t length = digits + 1;
    if (digits == 0 && text.size() >= 3 &&
            text.substr(0, 3).find_first_not_of("01234567") == std::string_view::npos) {
        code = parse_octal(text.substr(0, 3)).value_or(0);
        length = 3;
        good = code <= 0xff;
    }
    if (!good || code == 0 || code > 0x10ffff) {
        word += '\\';
        return;
    }
    if (c == 'u' || c == 'U')
        append_utf8(word, code);
    else
        word += static_cast<char>(code);
    text.remove_prefix(length);
}

// "foo-bar" is "foo/bar", "\x2d" is "-": how paths stand in the names of units.
std::string unescape_name(std::string_view name) {
    std::string out;
    while (!name.empty()) {
        const char c = name.front();
        name.remove_prefix(1);
        if (c == '-')
            out += '/';
        else if (c == '\\' && !name.empty())
            take_escape(name, out);
        else
            out += c;
    }
    return out;
}

// The system manager's own: root, and the folders of the system.
std::optional<std::string> fixed_specifier(char c) {
    switch (c) {
        case '%': return "%";
        case 't': return "/run";
        case 'S': return "/var/lib";
        case 'C': return "/var/cache";
        case 'L': return "/var/log";
        case 'E': return "/etc";
        case 'T': return "/tmp";
        case 'V': return "/var/tmp";
        case 'h': return "/root";
        case 'u':
        case 'g': return "root";
        case 'U':
        case 'G': return "0";
        default: return std::nullopt;
    }
}

std::optional<std::string> name_specifier(char c, const UnitName& unit) {
    const auto dash = unit.prefix.rfind('-');
    const std::string last = unit.prefix.substr(dash == std::string::npos ? 0 : dash + 1);
    // Accept=yes: systemd makes an instance of each connection.
    const bool unknown = unit.templated && unit.instance.empty();
    switch (c) {
        case 'p': return unit.prefix;
        case 'P': return unescape_name(unit.prefix);
        case 'j': return last;
        case 'J': return unescape_name(last);
        case 'i': return unknown ? std::nullopt : std::optional(unit.instance);
        case 'I': return unknown ? std::nullopt : std::optional(unescape_name(unit.instance));
        case 'n': return unknown ? std::nullopt : std::optional(unit.full());
        case 'N': return unknown ? std::nullopt : std::optional(unit.stem());
        case 'f':
            if (unknown) return std::nullopt;
            return "/" + unescape_name(unit.instance.empty() ? unit.prefix : unit.instance);
        default: return std::nullopt;
    }
}

std::optional<std::string> host_specifier(char c, ImportHost& host) {
    if (c != 'H' && c != 'q' && c != 'l' && c != 'm') return std::nullopt;
    const auto file = host.read(c == 'm' ? "/etc/machine-id" : "/etc/hostname");
    std::string text(trim(file.text));
    if (c == 'l') text = text.substr(0, text.find('.'));
    if (file.error != 0 || text.empty() || text.find('\n') != std::string::npos)
        return std::nullopt;
    return text;
}

}  // namespace

std::optional<bool> parse_unit_boolean(std::string_view text) {
    std::string word(text);
    std::transform(word.begin(), word.end(), word.begin(),
            [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    for (const std::string_view yes : {"1", "yes", "y", "true", "t", "on"})
        if (word == yes) return true;
    for (const std::string_view no : {"0", "no", "n", "false", "f", "off"})
        if (word == no) return false;
    return std::nullopt;
}

std::optional<Nanoseconds> parse_unit_time(std::string_view text) {
    double seconds = 0;
    text = trim(text);
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        const auto number = take_number(text);
        if (!number) return std::nullopt;
        text = trim(text);
        std::size_t length = 0;
        while (length < text.size() && !is_digit(text[length]) && text[length] != ' ')
            ++length;
        const auto unit = seconds_of(text.substr(0, length));
        if (!unit) return std::nullopt;
        seconds += *number * *unit;
        text = trim(text.substr(length));
    }
    if (seconds > 3e9) return std::nullopt;
    return std::chrono::microseconds(std::llround(seconds * 1e6));
}

std::optional<std::uint64_t> parse_unit_size(std::string_view text) {
    constexpr std::string_view letters = "BKMGTPE";
    text = trim(text);
    const auto number = take_number(text);
    if (!number || text.size() > 1) return std::nullopt;
    double bytes = *number;
    if (!text.empty()) {
        const auto at = letters.find(text.front());
        if (at == std::string_view::npos) return std::nullopt;
        bytes *= std::pow(1024.0, static_cast<double>(at));
    }
    if (bytes >= 9.2e18) return std::nullopt;
    return static_cast<std::uint64_t>(bytes);
}

tl::expected<std::vector<std::string>, std::string> split_unit_words(std::string_view text) {
    std::vector<std::string> words;
    bool in_word = false;
    char quote = 0;
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        if (quote == 0 && blank) {
            in_word = false;
            continue;
        }
        if (!in_word) words.emplace_back();
        in_word = true;
        if (c == '\\' && !text.empty())
            take_escape(text, words.back());
        else if (quote == 0 && (c == '"' || c == '\''))
            quote = c;
        else if (quote != 0 && c == quote)
            quote = 0;
        else
            words.back() += c;
    }
    if (quote != 0) return tl::make_unexpected(std::string("a quote is not closed"));
    return words;
}

std::vector<std::string> split_unit_list(std::string_view text) {
    std::vector<std::string> words;
    for (const std::string_view word : split(text, ' '))
        if (!trim(word).empty()) words.emplace_back(trim(word));
    return words;
}

std::string expand_specifiers(
        std::string_view text, const UnitName& unit, ImportHost& host, std::string& unknown) {
    std::string out;
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c != '%' || text.empty()) {
            out += c;
            continue;
        }
        const char letter = text.front();
        text.remove_prefix(1);
        auto value = fixed_specifier(letter);
        if (!value) value = name_specifier(letter, unit);
        if (!value) value = host_specifier(letter, host);
        if (value) {
            out += *value;
            continue;
        }
        out += {'%', letter};
        unknown += (unknown.empty() ? "%" : " %") + std::string(1, letter);
    }
    return out;
}

}  // namespace superd
