// SPDX-License-Identifier: MIT
// A user's mistakes, collected, and the one place where their text is made.
#include "config/diagnostics.h"

#include <algorithm>
#include <string_view>
#include <tuple>

namespace superd {

namespace {

constexpr std::size_t widest_line = 140;     // characters of a source line that are shown
constexpr std::size_t longest_line = 16384;  // bytes; a longer one is not carried along
constexpr std::size_t most = 1000;           // diagnostics that are kept
constexpr std::string_view indent = "    ";

struct Style {
    std::string_view place, error, warning, caret, off;
};

constexpr Style plain_style{};
constexpr Style colour_style{"\x1b[1m", "\x1b[1;31m", "\x1b[1;35m", "\x1b[1;32m", "\x1b[0m"};

// The characters of text; a byte that belongs to none stands for itself.
std::vector<std::string_view> characters(std::string_view text) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        std::size_t length = 1;
        while (length < text.size() && length < 4 &&
                (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80)
            ++length;
        out.push_back(text.substr(0, length));
        text.remove_prefix(length);
    }
    return out;
}

// The length of a UTF-8 character by its first byte; 0 where none begins so.
std::size_t length_by_lead(unsigned char lead) {
    if (lead < 0x80) return 1;
    if (lead < 0xc2 || lead > 0xf4) return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

// Control characters (C0, DEL, C1) and bytes that are no UTF-8 character.
bool is_control(std::string_view character) {
    const auto first = static_cast<unsigned char>(character.front());
    if (length_by_lead(first) != character.size()) return true;
    if (character.size() == 1) return (first < 0x20 && first != '\t') || first == 0x7f;
    return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

// Text for one line of a terminal: what would move its cursor becomes '?', so that the number
// of characters stays.
std::string harmless(std::string_view text) {
    std::string out;
    for (const std::string_view character : characters(text)) {
        if (is_control(character)) {
            out += '?';
        } else {
            out += character;
        }
    }
    return out;
}

std::string place_text(const Position& at) {
    std::string out = harmless(at.file);
    if (at.line != 0) out += ':' + std::to_string(at.line);
    if (at.line != 0 && at.column != 0) out += ':' + std::to_string(at.column);
    return out;
}

void append_caret(std::string& out, const Diagnostic& diagnostic, const Style& style) {
    auto shown = characters(diagnostic.source_line);
    const std::size_t caret = diagnostic.at.column == 0 ? 0 : diagnostic.at.column - 1;
    std::size_t first = 0;
    if (shown.size() > widest_line && caret > widest_line / 2) {
        first = std::min(caret, shown.size()) - widest_line / 2;
    }
    const std::size_t last = std::min(shown.size(), first + widest_line);

    out += indent;
    for (std::size_t i = first; i < last; ++i)
        out += harmless(shown[i]);
    out += '\n';
    if (diagnostic.at.column == 0) return;

    // A caret may stand right behind the last character, never further.
    out += indent;
    const std::size_t under = std::min(caret, last);
    for (std::size_t i = first; i < under; ++i)
        out += shown[i] == "\t" ? '\t' : ' ';
    out.append(style.caret).append("^").append(style.off).append("\n");
}

}  // namespace

void Diagnostics::add(Diagnostic diagnostic) {
    if (diagnostic.severity == Severity::error) ++errors_;
    if (all_.size() > most) return;
    if (all_.size() == most) {
        diagnostic = {};
        diagnostic.message =
                "there is more to say; these are the first " + std::to_string(most);
        diagnostic.severity = has_errors() ? Severity::error : Severity::warning;
    }
    all_.push_back(std::move(diagnostic));
}

void Diagnostics::error(Position at, std::string message, std::string suggestion) {
    add({Severity::error, std::move(at), std::move(message), std::move(suggestion), {}, {}});
}

void Diagnostics::warning(Position at, std::string message, std::string suggestion) {
    add({Severity::warning, std::move(at), std::move(message), std::move(suggestion), {}, {}});
}

void Diagnostics::sort() {
    std::stable_sort(all_.begin(), all_.end(), [](const Diagnostic& a, const Diagnostic& b) {
        return std::tie(a.at.file, a.at.line, a.at.column) <
               std::tie(b.at.file, b.at.line, b.at.column);
    });
}

void Diagnostics::fill_source_lines(
        const std::function<std::string(const Position&)>& line_of) {
    for (Diagnostic& diagnostic : all_) {
        if (diagnostic.at.line == 0 || !diagnostic.source_line.empty()) continue;
        std::string line = line_of(diagnostic.at);
        if (line.size() <= longest_line) diagnostic.source_line = std::move(line);
    }
}

std::string render(const Diagnostic& diagnostic, bool colour) {
    const Style& style = colour ? colour_style : plain_style;
    const bool is_error = diagnostic.severity == Severity::error;
    std::string out;
    if (!diagnostic.at.file.empty()) {
        out.append(style.place).append(place_text(diagnostic.at)).append(":");
        out.append(style.off).append(" ");
    }
    out.append(is_error ? style.error : style.warning);
    out.append(is_error ? "error:" : "warning:").append(style.off).append(" ");
    out.append(harmless(diagnostic.message)).append("\n");
    if (!diagnostic.source_line.empty() && diagnostic.at.line != 0) {
        append_caret(out, diagnostic, style);
    }
    if (!diagnostic.suggestion.empty()) {
        out.append(indent).append(harmless(diagnostic.suggestion)).append("\n");
    }
    if (!diagnostic.other.file.empty()) {
        out.append(style.place).append(place_text(diagnostic.other)).append(":");
        out.append(style.off).append(" note: the other place is here\n");
    }
    return out;
}

std::string render(const Diagnostics& diagnostics, bool colour) {
    std::string out;
    for (const Diagnostic& diagnostic : diagnostics.all())
        out += render(diagnostic, colour);
    return out;
}

std::string diagnostic_line(const Diagnostic& diagnostic) {
    std::string out = diagnostic.at.file;
    if (diagnostic.at.line > 0) out += ':' + std::to_string(diagnostic.at.line);
    return out + (out.empty() ? "" : ": ") + diagnostic.message;
}

std::string first_error(const Diagnostics& diagnostics) {
    for (const Diagnostic& diagnostic : diagnostics.all())
        if (diagnostic.severity == Severity::error) return diagnostic_line(diagnostic);
    return "the file has errors";
}

}  // namespace superd
