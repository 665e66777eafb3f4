// SPDX-License-Identifier: MIT
// Follows statements, keys, strings and brackets of TOML text.
#include "config/toml_scan.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace superd {

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

class Scanner {
public:
    // Scans up to `stop` and keeps the statements where keep is set.
    Scanner(std::string_view text, std::size_t stop, bool keep)
            : text_(text), stop_(stop), keep_(keep) {
        if (text_.starts_with(byte_order_mark)) pos_ = byte_order_mark.size();
    }

    void run() {
        while (!problem_ && !done_ && skip_to_statement() && pos_ <= stop_)
            statement();
    }

    [[nodiscard]] std::optional<ScanProblem>& problem() { return problem_; }

    [[nodiscard]] ScanContext take_context() {
        if (!brackets_.empty()) context_.bracket = brackets_.back();
        return std::move(context_);
    }

private:
    [[nodiscard]] bool more() const { return pos_ < text_.size(); }

    [[nodiscard]] char peek() const { return text_[pos_]; }

    [[nodiscard]] bool at(std::string_view word) const {
        return text_.substr(pos_, word.size()) == word;
    }

    void skip_line() { pos_ = std::min(text_.find('\n', pos_), text_.size()); }

    void skip_blanks() {
        while (more() && (peek() == ' ' || peek() == '\t' || peek() == '\r'))
            ++pos_;
    }

    bool skip_to_statement() {
        for (; more(); ++pos_) {
            skip_blanks();
            if (!more()) return false;
            if (peek() == '#') skip_line();
            if (!more()) return false;
            if (peek() != '\n') return true;
        }
        return false;
    }

    void statement() {
        const std::size_t begin = pos_;
        context_.value = ScanContext::nowhere;
        brackets_.clear();
        if (peek() == '[') return header(begin);
        std::vector<std::string> path = table_;
        key("=#\n", path);
        record(Statement::Kind::key_value, begin, std::move(path));
        if (!more() || peek() != '=') return skip_line();
        ++pos_;
        value();
    }

    void header(std::size_t begin) {
        const bool array = at("[[");
        pos_ += array ? 2 : 1;
        std::vector<std::string> path;
        key("]#\n", path);
        if (keep_) {
            table_ = path;
            if (array) ++element_;
            if (!array && !in_element(path)) element_ = 0;
            if (array) element_path_ = path;
        }
        record(array ? Statement::Kind::array_table : Statement::Kind::table, begin,
                std::move(path));
        skip_line();
    }

    // Whether a [table] belongs to the element that the last [[header]] began.
    [[nodiscard]] bool in_element(const std::vector<std::string>& path) const {
        return element_ != 0 && path.size() > element_path_.size() &&
               std::equal(element_path_.begin(), element_path_.end(), path.begin());
    }

    void record(Statement::Kind kind, std::size_t begin, std::vector<std::string> path) {
        if (!keep_) return;
        context_.statements.push_back({kind, std::move(path), begin, element_});
    }

    // Reads a dotted key up to one of `ends`, which stays.
    void key(std::string_view ends, std::vector<std::string>& path) {
        const std::size_t begin = pos_;
        std::size_t parts = 1, part = pos_;
        for (; more() && ends.find(peek()) == std::string_view::npos; ++pos_) {
            if (peek() == '"' || peek() == '\'') {
                string();
                --pos_;
            } else if (peek() == '.') {
                add_part(part, path);
                part = pos_ + 1;
                ++parts;
            }
        }
        add_part(part, path);
        if (parts > max_key_parts) {
            complain(begin,
                    "this key has more than " + std::to_string(max_key_parts) + " parts");
        }
    }

    void add_part(std::size_t begin, std::vector<std::string>& path) const {
        if (!keep_) return;
        std::string_view part = trim(text_.substr(begin, std::min(pos_, text_.size()) - begin));
        if (part.size() >= 2 && (part.front() == '"' || part.front() == '\'')) {
            part = part.substr(1, part.size() - 2);
        }
        path.emplace_back(part);
    }

    // Reads a value to the end of its statement.
    void value() {
        while (more() && pos_ <= stop_ && !problem_ && !done_) {
            switch (peek()) {
                case '\n':
                    if (brackets_.empty()) return;
                    ++pos_;
                    break;
                case ' ':
                case '\t':
                case '\r': ++pos_; break;
                case '#': skip_line(); break;
                case '=': end_value(); break;
                case ',':
                    end_value();
                    if (!done_) inline_key();
                    break;
                case '[':
                case '{': open_bracket(); break;
                case ']':
                case '}':
                    end_value();
                    if (!done_ && !brackets_.empty()) brackets_.pop_back();
                    break;
                case '"':
                case '\'':
                    begin_value();
                    string();
                    break;
                default:
                    begin_value();
                    ++pos_;
                    break;
            }
        }
    }

    void begin_value() {
        if (context_.value == ScanContext::nowhere) context_.value = pos_;
    }

    void end_value() {
        // Whoever asks about the byte behind a value means that value.
        done_ = pos_ == stop_ && context_.value != ScanContext::nowhere;
        if (done_) return;
        // The value of the statement itself goes on; `x == 1` is one wrong value.
        if (brackets_.empty()) {
            begin_value();
        } else {
            context_.value = ScanContext::nowhere;
        }
        ++pos_;
    }

    void open_bracket() {
        begin_value();
        if (brackets_.size() == max_nesting) {
            return complain(pos_, "lists and tables are nested more than " +
                                          std::to_string(max_nesting) + " deep");
        }
        brackets_.push_back(pos_++);
        context_.value = ScanContext::nowhere;
        inline_key();
    }

    // The key that follows '{' or ',' in an inline table; a dotted one may hide any depth.
    void inline_key() {
        if (brackets_.empty() || text_[brackets_.back()] != '{') return;
        skip_blanks();
        std::vector<std::string> ignored;
        const bool keep = std::exchange(keep_, false);
        key("=,}#\n", ignored);
        keep_ = keep;
    }

    void string() {
        const char quote = peek();
        const std::array<char, 3> triple{quote, quote, quote};
        const bool many_lines = at({triple.data(), 3});
        pos_ += many_lines ? 3 : 1;
        for (; more(); ++pos_) {
            if (peek() == '\\' && quote == '"') {
                ++pos_;
            } else if (peek() == '\n' && !many_lines) {
                return;
            } else if (peek() == quote && !many_lines) {
                ++pos_;
                return;
            } else if (many_lines && at({triple.data(), 3})) {
                // Up to two quotes may stand right before the closing three.
                const std::size_t end = text_.find_first_not_of(quote, pos_);
                pos_ += std::min<std::size_t>(std::min(end, text_.size()) - pos_, 5);
                return;
            }
        }
        pos_ = text_.size();
    }

    void complain(std::size_t at, std::string message) {
        if (!problem_) problem_ = ScanProblem{at, std::move(message), {}};
    }

    std::string_view text_;
    std::size_t stop_;
    bool keep_;
    bool done_ = false;
    std::size_t pos_ = 0;
    std::vector<std::size_t> brackets_;  // of the value being read, outermost first
    std::vector<std::string> table_;     // of the last header
    std::vector<std::string> element_path_;
    std::size_t element_ = 0;
    ScanContext context_;
    std::optional<ScanProblem> problem_;
};

std::string hex(unsigned value, unsigned digits) {
    std::string out(digits, '0');
    for (unsigned i = digits; i > 0; --i, value >>= 4)
        out[i - 1] = "0123456789ABCDEF"[value & 15];
    return out;
}

ScanProblem control_problem(std::string_view text, std::size_t at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '\r') {
        return {at, "a carriage return without a line feed",
                "end lines with a line feed, or with both"};
    }
    if (byte == 0) return {at, "a NUL byte: this is not a text file in UTF-8", {}};
    return {at, "control character U+" + hex(byte, 4),
            "in a string write \\u" + hex(byte, 4) + "; anywhere else remove it"};
}

bool is_forbidden_control(std::string_view text, std::size_t i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '\r') return i + 1 >= text.size() || text[i + 1] != '\n';
    return (byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f;
}

// The length of the character at `i`; 0 where the bytes there are no UTF-8.
std::size_t character_length(std::string_view text, std::size_t i) {
    const auto byte = [&](std::size_t n) {
        return i + n < text.size() ? static_cast<unsigned char>(text[i + n]) : 0U;
    };
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    unsigned point = lead & (0xffU >> (length + 1));
    for (std::size_t n = 1; n < length; ++n) {
        if ((byte(n) & 0xc0) != 0x80) return 0;
        point = point << 6 | (byte(n) & 0x3f);
    }
    constexpr std::array<unsigned, 5> least{0, 0, 0x80, 0x800, 0x10000};
    const bool valid = lead >= 0xc2 && lead <= 0xf4 && point >= least.at(length) &&
                       point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    return valid ? length : 0;
}

std::optional<ScanProblem> find_wrong_bytes(std::string_view text) {
    if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
        return ScanProblem{0, "this file is in UTF-16", "save it as UTF-8"};
    }
    std::size_t dots = 0;
    for (std::size_t i = 0; i < text.size();) {
        if (is_forbidden_control(text, i)) return control_problem(text, i);
        if (text[i] == '\n') dots = 0;
        if (text[i] == '.' && ++dots > max_dots_in_line) {
            return ScanProblem{i,
                    "this line has more than " + std::to_string(max_dots_in_line) + " dots",
                    "break it into several lines"};
        }
        const std::size_t length = character_length(text, i);
        if (length == 0) {
            const auto byte = static_cast<unsigned char>(text[i]);
            return ScanProblem{
                    i, "byte 0x" + hex(byte, 2) + " is not UTF-8", "save the file as UTF-8"};
        }
        i += length;
    }
    return std::nullopt;
}

bool begins_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

}  // namespace

TextPlace place_of(std::string_view text, std::size_t offset) {
    TextPlace place;
    const std::size_t first = text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
    for (std::size_t i = first; i < std::min(offset, text.size()); ++i) {
        if (text[i] == '\n') {
            place = {place.line + 1, 1};
        } else if (begins_character(text[i])) {
            ++place.column;
        }
    }
    return place;
}

std::size_t offset_of(std::string_view text, TextPlace place) {
    std::size_t at = text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
    for (std::uint32_t line = 1; line < place.line; ++line) {
        at = text.find('\n', at);
        if (at == std::string_view::npos) return text.size();
        ++at;
    }
    for (std::uint32_t column = 1; column < place.column && at < text.size(); ++column) {
        if (text[at] == '\n') return at;
        ++at;
        while (at < text.size() && !begins_character(text[at]))
            ++at;
    }
    return at;
}

std::optional<ScanProblem> find_problem(std::string_view text) {
    if (auto wrong = find_wrong_bytes(text)) return wrong;
    Scanner scanner(text, text.size(), false);
    scanner.run();
    return std::move(scanner.problem());
}

ScanContext context_at(std::string_view text, std::size_t offset) {
    Scanner scanner(text, offset, true);
    scanner.run();
    return scanner.take_context();
}

}  // namespace superd
