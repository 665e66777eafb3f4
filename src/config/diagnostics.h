// SPDX-License-Identifier: MIT
// A user's mistakes, collected: file:line:column, the source line, a caret, a suggestion.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace superd {

enum class Severity : std::uint8_t { warning, error };

struct Position {
    std::string file;
    std::uint32_t line = 0;    // from 1; 0: the file as a whole
    std::uint32_t column = 0;  // from 1, in characters
};

struct Diagnostic {
    Severity severity = Severity::error;
    Position at;
    std::string message;      // one sentence, no full stop
    std::string suggestion;   // what to write instead; may be empty
    std::string source_line;  // the text of that line, for the caret; may be empty
    Position other;           // a second place ("first defined here"); file empty: none
};

// Bounded: after the first 1,000 one entry says that there are more, and none is added.
class Diagnostics {
public:
    void add(Diagnostic diagnostic);
    void error(Position at, std::string message, std::string suggestion = {});
    void warning(Position at, std::string message, std::string suggestion = {});

    [[nodiscard]] bool has_errors() const { return errors_ > 0; }

    [[nodiscard]] const std::vector<Diagnostic>& all() const { return all_; }

    // By file, then line, then column.
    void sort();
    // Gives those that have a line but no source_line the text that line_of returns, unless it
    // is longer than anybody reads (16 KiB).
    void fill_source_lines(const std::function<std::string(const Position&)>& line_of);

private:
    std::vector<Diagnostic> all_;
    std::size_t errors_ = 0;
};

// file:line:column: error: message
//     source line
//         ^
//     suggestion
// The one place where such a message is made. colour: ANSI, for terminals.
[[nodiscard]] std::string render(const Diagnostic& diagnostic, bool colour = false);
[[nodiscard]] std::string render(const Diagnostics& diagnostics, bool colour = false);
// "file:line: message"
[[nodiscard]] std::string diagnostic_line(const Diagnostic& diagnostic);
// The first error in one line; in general words where there is none.
[[nodiscard]] std::string first_error(const Diagnostics& diagnostics);

}  // namespace superd
