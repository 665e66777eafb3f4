// SPDX-License-Identifier: MIT
// Lines and words of inetd.conf, and what differs between dialects.
#include <array>

#include "base/text.h"
#include "config/import_inetd.h"

namespace superd {

namespace {

constexpr std::string_view small_services =
        "echo/stream echo/dgram discard/stream discard/dgram chargen/stream chargen/dgram "
        "daytime/stream daytime/dgram time/stream time/dgram";
constexpr std::string_view with_tcpmux =
        "echo/stream echo/dgram discard/stream discard/dgram chargen/stream chargen/dgram "
        "daytime/stream daytime/dgram time/stream time/dgram tcpmux/stream";
constexpr std::string_view with_ident =
        "echo/stream echo/dgram discard/stream discard/dgram chargen/stream chargen/dgram "
        "daytime/stream daytime/dgram time/stream time/dgram tcpmux/stream auth/stream";

// BusyBox pauses 60 s and knows no bound until it is given one; the others close the socket for
// ten minutes.
constexpr std::array dialects{InetdRules{.dialect = InetdDialect::openbsd,
                                      .name = "openbsd",
                                      .quotes = InetdQuotes::none,
                                      .trailing_comments = false,
                                      .both_families = true,
                                      .six_takes_four = false,
                                      .has_addresses = true,
                                      .policies = false,
                                      .per_minute = 256,
                                      .pause = "10m",
                                      .builtins = small_services,
                                      .most_arguments = 20},
        InetdRules{.dialect = InetdDialect::netbsd,
                .name = "netbsd",
                .quotes = InetdQuotes::anywhere,
                .trailing_comments = false,
                .both_families = false,
                .six_takes_four = false,
                .has_addresses = true,
                .policies = true,
                .per_minute = 40,
                .pause = "10m",
                .builtins = with_tcpmux,
                .most_arguments = 64},
        InetdRules{.dialect = InetdDialect::freebsd,
                .name = "freebsd",
                .quotes = InetdQuotes::at_start,
                .trailing_comments = false,
                .both_families = false,
                .six_takes_four = false,
                .has_addresses = false,
                .policies = true,
                .per_minute = 256,
                .pause = "10m",
                .builtins = with_ident,
                .most_arguments = 20},
        InetdRules{.dialect = InetdDialect::gnu,
                .name = "gnu",
                .quotes = InetdQuotes::escapes,
                .trailing_comments = false,
                .both_families = false,
                .six_takes_four = true,
                .has_addresses = true,
                .policies = false,
                .per_minute = 1000,
                .pause = "10m",
                .builtins = with_tcpmux,
                .most_arguments = 1000},
        InetdRules{.dialect = InetdDialect::busybox,
                .name = "busybox",
                .quotes = InetdQuotes::none,
                .trailing_comments = true,
                .both_families = false,
                .six_takes_four = true,
                .has_addresses = true,
                .policies = false,
                .per_minute = 0,
                .pause = "1m",
                .builtins = small_services,
                .most_arguments = 20}};

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

bool is_quote(char c) {
    return c == '"' || c == '\'';
}

bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

}  // namespace

const InetdRules& inetd_rules(InetdDialect dialect) {
    for (const InetdRules& rules : dialects)
        if (rules.dialect == dialect) return rules;
    return dialects.front();
}

std::optional<InetdDialect> read_inetd_dialect(std::string_view word) {
    for (const InetdRules& rules : dialects)
        if (rules.name == word) return rules.dialect;
    return std::nullopt;
}

InetdText::InetdText(std::string_view text, const InetdRules& rules, std::uint32_t first)
        : rules_(&rules), text_(text), number_(first - 1) {}

bool InetdText::next_line() {
    if (text_.empty()) return false;
    const auto end = text_.find('\n');
    line_ = text_.substr(0, end);
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    if (line_.ends_with('\r')) line_.remove_suffix(1);
    rest_ = line_;
    ++number_;
    return true;
}

// On to the next line where that goes on with the definition.
bool InetdText::continue_line() {
    rest_ = {};
    return !text_.empty() && is_blank(text_.front()) && next_line();
}

void InetdText::keep_comment() {
    if (!rest_.starts_with('#')) return;
    comments_.push_back(escape(trim(rest_.substr(1))));
    rest_ = {};
}

std::optional<std::string> InetdText::word() {
    for (;;) {
        while (!rest_.empty() && is_blank(rest_.front()))
            rest_.remove_prefix(1);
        if (rules_->trailing_comments) keep_comment();
        if (rest_.empty()) {
            if (!continue_line()) return std::nullopt;
            continue;
        }
        return rules_->quotes == InetdQuotes::none ? plain_word() : quoted_word();
    }
}

std::string InetdText::plain_word() {
    std::size_t length = 0;
    while (length < rest_.size() && !is_blank(rest_[length]))
        ++length;
    std::string word(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return word;
}

std::string InetdText::quoted_word() {
    const bool at_start = rules_->quotes == InetdQuotes::at_start;
    if (at_start && !is_quote(rest_.front())) return plain_word();
    std::string word;
    char quote = 0;
    while (!rest_.empty() && (quote != 0 || !is_blank(rest_.front()))) {
        const char c = rest_.front();
        rest_.remove_prefix(1);
        if (quote == 0 && is_quote(c)) {
            quote = c;
        } else if (c == quote) {
            quote = 0;
            if (at_start) return word;
        } else if (c == '\\' && rules_->quotes == InetdQuotes::escapes && !rest_.empty()) {
            take_escape(word);
        } else {
            word += c;
        }
    }
    unclosed_ = unclosed_ || quote != 0;
    return word;
}

// A letter that stands for a control character, up to three octal digits, or the character.
void InetdText::take_escape(std::string& word) {
    constexpr std::string_view letters = "abfnrtv", meant = "\a\b\f\n\r\t\v";
    const char c = rest_.front();
    if (const auto at = letters.find(c); at != std::string_view::npos) {
        word += meant[at];
        rest_.remove_prefix(1);
        return;
    }
    unsigned value = 0;
    std::size_t digits = 0;
    while (digits < 3 && digits < rest_.size() && is_octal(rest_[digits]))
        value = value * 8 + static_cast<unsigned>(rest_[digits++] - '0');
    word += digits == 0 ? c : static_cast<char>(value & 0xffu);
    rest_.remove_prefix(digits == 0 ? 1 : digits);
}

bool InetdText::skip_space() {
    for (;;) {
        while (!rest_.empty() && is_blank(rest_.front()))
            rest_.remove_prefix(1);
        keep_comment();
        if (!rest_.empty()) return true;
        if (!next_line()) return false;
    }
}

}  // namespace superd
