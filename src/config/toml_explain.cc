// SPDX-License-Identifier: MIT
// Turns the parser's one terse error into a diagnostic at the cause, with a suggestion.
#include "config/toml_explain.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"

namespace superd {

namespace {

struct Finding {
    std::size_t at = 0;
    std::string message, suggestion;
    std::optional<std::size_t> other;
    bool line_is_all = false;  // the statement's line holds all that is wrong
};

struct Case {
    std::string_view text;
    std::string_view description;
    std::size_t at;  // where the parser stood
    ScanContext context;

    [[nodiscard]] bool says(std::string_view words) const {
        return description.find(words) != std::string_view::npos;
    }

    [[nodiscard]] const Statement* statement() const {
        return context.statements.empty() ? nullptr : &context.statements.back();
    }

    [[nodiscard]] std::size_t value_or_at() const {
        return context.value == ScanContext::nowhere ? at : context.value;
    }

    [[nodiscard]] std::string_view line_from(std::size_t from) const {
        return text.substr(from, std::min(text.find('\n', from), text.size()) - from);
    }

    // The unquoted word that begins at `from`.
    [[nodiscard]] std::string_view word_at(std::size_t from) const {
        const bool nested = context.bracket != ScanContext::nowhere;
        const std::string_view line = line_from(from);
        return trim(line.substr(0, line.find_first_of(nested ? "#,]}" : "#")));
    }
};

std::string quoted(std::string_view text) {
    return '"' + escape(text) + '"';
}

std::string dotted(const std::vector<std::string>& path) {
    return escape(join(path, "."));
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
            [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

bool begins_with(const std::vector<std::string>& path, const std::vector<std::string>& start) {
    return path.size() >= start.size() && std::equal(start.begin(), start.end(), path.begin());
}

// ---- something is there twice

// The first statement that made what the last one makes again.
const Statement* first_definition(const ScanContext& context) {
    const Statement& again = context.statements.back();
    const Statement* touching = nullptr;
    for (const Statement& earlier : context.statements) {
        if (&earlier == &again || earlier.element != again.element) continue;
        if (earlier.path == again.path) return &earlier;
        const bool related =
                begins_with(earlier.path, again.path) || begins_with(again.path, earlier.path);
        const bool defines = earlier.kind == Statement::Kind::key_value;
        if (related && defines && !touching) touching = &earlier;
    }
    return touching;
}

Finding explain_redefinition(const Case& c) {
    Finding out{c.at, "this is defined twice", {}, {}, true};
    const Statement* again = c.statement();
    if (!again || c.context.bracket != ScanContext::nowhere) return out;
    out.at = again->begin;
    const Statement* first = first_definition(c.context);
    if (first) out.other = first->begin;
    if (again->kind != Statement::Kind::key_value) {
        out.message = '[' + dotted(again->path) + "] is defined twice";
        out.suggestion = "put all of its keys below one header";
        out.line_is_all = false;
    } else if (first && first->path == again->path) {
        out.message = quoted(again->path.back()) + " is set twice";
    } else {
        out.message = quoted(again->path.back()) + " does not fit what stands before it";
    }
    return out;
}

// ---- values

std::string padded(std::string_view digits) {
    std::string out(digits);
    while (out.size() < 4)
        out.insert(out.begin(), '0');
    return out;
}

Finding explain_leading_zero(const Case& c) {
    const std::string_view word = c.word_at(c.value_or_at());
    Finding out{c.value_or_at(), "a number does not begin with 0", {}, {}, true};
    const std::size_t first = word.find_first_not_of('0');
    const std::string_view digits =
            first == std::string_view::npos ? std::string_view("0") : word.substr(first);
    if (parse_octal(word)) {
        out.suggestion = "write 0o" + std::string(digits) + " or \"" + padded(digits) +
                         "\" for a mode, " + std::string(digits) + " for a number";
    } else if (parse_decimal(word)) {
        out.suggestion = "write " + std::string(digits);
    } else {
        out.message = escape(word) + " is not in quotes";
        out.suggestion = "write " + quoted(word);
    }
    return out;
}

bool looks_like_number(std::string_view word) {
    return word.find_first_not_of("0123456789abcdefABCDEFxo+-_.") == std::string_view::npos &&
           word.find_first_of("0123456789") != std::string_view::npos;
}

Finding explain_boolean(std::size_t at, std::string_view word, std::string_view meant) {
    return {at, escape(word) + " is not a value", "write " + std::string(meant), {}, true};
}

// A value that is no string, number, date, list or table: mostly text without quotes.
Finding explain_value(const Case& c) {
    const std::size_t at = c.value_or_at();
    const std::string_view word = c.word_at(at);
    if (word.empty()) return {at, "a value is missing here", {}, {}, true};
    if (word.front() == '=') return {at, "one \"=\" is enough", {}, {}, true};
    if (word.starts_with("\u201c") || word.starts_with("\u201d") ||
            word.starts_with("\u2018")) {
        return {at, "strings stand in straight quotes", "write \"...\"", {}, true};
    }
    const std::string low = lower(word);
    if (low == "true" || low == "yes" || low == "on") return explain_boolean(at, word, "true");
    if (low == "false" || low == "no" || low == "off")
        return explain_boolean(at, word, "false");
    if (c.says("parsing time") || c.says("parsing date")) {
        return {at, escape(word) + " is read as a date or a time of day",
                "write " + quoted(word), {}, true};
    }
    if (looks_like_number(word)) return {at, escape(word) + " is not a number", {}, {}, true};
    return {at, "text stands in quotes", "write " + quoted(word), {}, true};
}

Finding explain_large_number(const Case& c) {
    return {c.value_or_at(), "this number does not fit in 64 bits", {}, {}, true};
}

Finding explain_string(const Case& c) {
    const std::size_t begin = c.value_or_at();
    if (c.says("unknown escape sequence")) {
        return {c.at > 0 ? c.at - 1 : 0, "\\ begins an escape, and this is none",
                "write \\\\ for a backslash, or '...' for text without escapes", {}, true};
    }
    const bool at_end = c.at >= c.text.size() || c.text[c.at] == '\n' || c.text[c.at] == '\r';
    const std::string_view rest = c.text.substr(std::min(begin, c.text.size()));
    const bool many_lines = rest.starts_with("\"\"\"") || rest.starts_with("'''");
    if (!at_end) return {c.at, std::string(c.description), {}, {}, false};
    return {begin, "this string is not closed",
            many_lines ? "close it with the same three quotes" : "close it on its own line", {},
            !many_lines};
}

// ---- keys and headers

// "service ssh" of xinetd's files is read as the beginning of a key.
Finding explain_missing_equals(const Case& c) {
    const Statement* statement = c.statement();
    const std::size_t begin = statement ? statement->begin : c.at;
    const std::string_view all = c.line_from(begin);
    const std::string_view line = trim(all.substr(0, all.find('{')));
    const std::string_view rest = c.text.substr(std::min(c.at, c.text.size()));
    if (line.starts_with("service ") || line == "defaults") {
        const auto name = trim(line.substr(std::min(line.size(), std::size_t{8})));
        return {begin, "this is not TOML but looks like xinetd's form",
                line == "defaults" ? "write [defaults]"
                                   : "write [service." + escape(name) + "]",
                {}, false};
    }
    if (rest.starts_with("+=") || rest.starts_with("-=")) {
        return {c.at, "a key is set with \"=\"",
                "a list is edited by { add = [\"...\"], remove = [\"...\"] }", {}, false};
    }
    if (rest.starts_with(':'))
        return {c.at, "a key is set with \"=\", not \":\"", {}, {}, true};
    return {c.at, "\"=\" is missing after the key", "a line is KEY = VALUE or [TABLE]", {},
            false};
}

Finding explain_header(const Case& c) {
    const Statement* statement = c.statement();
    const std::size_t begin = statement ? statement->begin : c.at;
    Finding out{c.at, "\"]\" is missing in this header", {}, {}, false};
    const std::string_view line = c.line_from(begin);
    const std::string_view inner = trim(line.substr(1, line.find_first_of("]#") - 1));
    const auto words = split(inner, ' ');
    if (words.size() == 2 && !words[1].empty()) {
        out.at = begin;
        out.message = "the parts of a header are joined by dots";
        out.suggestion = "write [" + escape(words[0]) + '.' + escape(words[1]) + ']';
    }
    return out;
}

Finding explain_list(const Case& c) {
    Finding out{c.at, "a comma is missing here, or \"]\" before it", {}, {}, false};
    if (c.says("saw comma")) out.message = "a comma without a value before it";
    if (c.context.bracket != ScanContext::nowhere) out.other = c.context.bracket;
    return out;
}

Finding explain_inline_table(const Case& c) {
    if (c.says("dangling comma")) {
        return {c.at, "no comma stands before \"}\"", {}, {}, true};
    }
    const bool at_end = c.at >= c.text.size() || c.text[c.at] == '\n' || c.text[c.at] == '\r';
    if (at_end) {
        return {c.context.bracket == ScanContext::nowhere ? c.at : c.context.bracket,
                "a table in { } stands on one line",
                "close it there, or write it as a [table] of its own", {}, false};
    }
    return {c.at, std::string(c.description), {}, {}, false};
}

Finding explain_extra(const Case& c) {
    Finding out{c.at, "something follows the value on its line", {}, {}, true};
    if (c.at < c.text.size() && (c.text[c.at] == '"' || c.text[c.at] == '\'')) {
        out.suggestion = "a list stands in [ ], its items separated by commas";
    }
    return out;
}

Finding explain_line(const Case& c) {
    return {c.at, "a line is KEY = VALUE or [TABLE], and this begins neither",
            "a key of other characters than A to Z, a to z, 0 to 9, _ and - stands in quotes",
            {}, false};
}

// ---- which of them

using Explainer = Finding (*)(const Case&);

struct Rule {
    std::string_view words;
    Explainer explain;
};

// The first whose words are in the parser's sentence.
constexpr std::array<Rule, 22> rules{{{"cannot redefine", explain_redefinition},
        {"cannot insert", explain_redefinition}, {"leading zero", explain_leading_zero},
        {"not representable", explain_large_number},
        {"parsing key-value pair: expected value", explain_value},
        {"parsing key-value pair: expected a comment", explain_extra},
        {"parsing key-value pair", explain_missing_equals},
        {"parsing table header: expected ']'", explain_header},
        {"parsing string", explain_string}, {"parsing literal string", explain_string},
        {"parsing inline table", explain_inline_table}, {"parsing array", explain_list},
        {"parsing boolean", explain_value}, {"parsing value", explain_value},
        {"integer", explain_value}, {"floating-point", explain_value},
        {"parsing time", explain_value}, {"parsing date", explain_value},
        {"parsing inf", explain_value}, {"parsing nan", explain_value},
        {"parsing offset", explain_value}, {"parsing root table", explain_line}}};

Finding find(const Case& c) {
    for (const Rule& rule : rules) {
        if (c.says(rule.words)) return rule.explain(c);
    }
    std::string_view words = c.description;
    constexpr std::string_view prefix = "Error while parsing ";
    if (words.starts_with(prefix)) words.remove_prefix(prefix.size());
    return {c.at, "in a " + escape(words), {}, {}, false};
}

// A message of the parser's own may hold bytes of the file.
std::string clean(const std::string& message) {
    constexpr std::string_view prefix = "Error while parsing ";
    if (!message.starts_with(prefix)) return message;
    return "in a " + escape(std::string_view(message).substr(prefix.size()));
}

Position position(std::string_view text, const std::string& path, std::size_t offset) {
    const TextPlace place = place_of(text, offset);
    return {path, place.line, place.column};
}

}  // namespace

std::string line_text(std::string_view text, std::uint32_t line) {
    const std::size_t begin = offset_of(text, {line, 1});
    std::string_view out =
            text.substr(begin, std::min(text.find('\n', begin), text.size()) - begin);
    if (out.ends_with('\r')) out.remove_suffix(1);
    return std::string(out);
}

ParseExplanation explain(
        std::string_view text, const std::string& path, const ParseFailure& failure) {
    const std::size_t at = offset_of(text, failure.at);
    const Case c{text, failure.description, at, context_at(text, at)};
    const Finding finding = find(c);

    ParseExplanation out;
    Diagnostic& diagnostic = out.diagnostic;
    diagnostic.at = position(text, path, finding.at);
    diagnostic.message = clean(finding.message);
    diagnostic.suggestion = finding.suggestion;
    diagnostic.source_line = line_text(text, diagnostic.at.line);
    if (finding.other) diagnostic.other = position(text, path, *finding.other);

    const Statement* statement = c.statement();
    const bool one_line = statement && finding.line_is_all &&
                          statement->kind == Statement::Kind::key_value &&
                          place_of(text, statement->begin).line == failure.at.line;
    if (one_line) {
        out.skip = std::pair(
                statement->begin, statement->begin + c.line_from(statement->begin).size());
    }
    return out;
}

}  // namespace superd
