// SPDX-License-Identifier: MIT
#include "config/environment_file.h"

#include "base/text.h"
#include "config/values.h"

namespace superd {

namespace {

class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {}

    tl::expected<std::vector<Variable>, EnvironmentMistake> parse() {
        std::vector<Variable> variables;
        while (skip_to_assignment()) {
            const std::uint32_t line = line_;
            auto name = take_name();
            if (!name) return mistake(line, "that is not NAME=value");
            if (!is_variable_name(*name))
                return mistake(line, quoted(*name) + " is not the name of a variable");
            auto value = take_value();
            if (!value) return mistake(line, "a quote is not closed");
            if (value->find('\0') != std::string::npos)
                return mistake(line, "the value holds a NUL");
            variables.push_back({std::move(*name), std::move(*value), true});
        }
        return variables;
    }

private:
    static tl::unexpected<EnvironmentMistake> mistake(std::uint32_t line, std::string message) {
        return tl::make_unexpected(EnvironmentMistake{line, std::move(message)});
    }

    bool done() const { return at_ >= text_.size(); }

    char peek() const { return text_[at_]; }

    char next() {
        const char c = text_[at_++];
        if (c == '\n') ++line_;
        return c;
    }

    void skip_line() {
        while (!done() && next() != '\n') {
        }
    }

    static bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

    // False at the end of the text.
    bool skip_to_assignment() {
        for (;;) {
            while (!done() && (blank(peek()) || peek() == '\n'))
                next();
            if (done()) return false;
            if (peek() != '#' && peek() != ';') return true;
            skip_line();
        }
    }

    std::optional<std::string> take_name() {
        std::string name;
        while (!done() && peek() != '=' && peek() != '\n')
            name += next();
        if (done() || peek() == '\n') return std::nullopt;
        next();
        return std::string(trim(name));
    }

    // To the end of the line, quotes taken off; nothing where a quote stays open.
    std::optional<std::string> take_value() {
        std::string value;
        std::size_t keep = 0;  // what quotes or escapes protect from trimming
        while (!done() && blank(peek()))
            next();
        while (!done()) {
            const char c = next();
            if (c == '\n') break;
            if (c == '"' || c == '\'') {
                if (!take_quoted(c, value)) return std::nullopt;
                keep = value.size();
            } else if (c == '\\') {
                take_escape(value);
                keep = value.size();
            } else {
                value += c;
            }
        }
        while (value.size() > keep && blank(value.back()))
            value.pop_back();
        return value;
    }

    // Outside of quotes a backslash makes the next character plain, and joins lines.
    void take_escape(std::string& value) {
        if (done()) return;
        const char c = next();
        if (c != '\n') value += c;
    }

    bool take_quoted(char quote, std::string& value) {
        while (!done()) {
            const char c = next();
            if (c == quote) return true;
            if (c != '\\' || quote == '\'' || done()) {
                value += c;
                continue;
            }
            const char escaped = next();
            const bool special =
                    escaped == '"' || escaped == '\\' || escaped == '$' || escaped == '`';
            if (!special && escaped != '\n') value += '\\';
            if (escaped != '\n') value += escaped;
        }
        return false;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::uint32_t line_ = 1;
};

}  // namespace

tl::expected<std::vector<Variable>, EnvironmentMistake> parse_environment(
        std::string_view text) {
    return Parser(text).parse();
}

}  // namespace superd
