// SPDX-License-Identifier: MIT
// A TOML document as plain values with positions: all that the rest of superd sees of TOML.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/diagnostics.h"

namespace superd {

// Line and column in one of Document's files. Both from 1; line 0: nowhere.
struct Place {
    std::uint32_t file = 0;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

struct Node;

struct Member {
    std::string key;
    Place at;  // of the key
    std::unique_ptr<Node> value;
};

struct TableValue {
    std::vector<Member> members;  // in the order of the file
    bool is_inline = false;
    [[nodiscard]] const Member* find(std::string_view key) const;
};

struct ArrayValue {
    std::vector<std::unique_ptr<Node>> items;
};

// An integer as written: 0o22 and 18 differ for modes.
struct IntegerValue {
    std::int64_t value = 0;
    bool octal = false;
};

// A date or time: superd.toml has none; kept so that the error can show what was written.
struct DateTimeValue {
    std::string text;
};

struct Node {
    Place at;  // of the value; for a [table] of its header
    std::variant<bool, IntegerValue, double, std::string, DateTimeValue, ArrayValue, TableValue>
            value;
};

// "a string", "an integer", "a table" ...
[[nodiscard]] std::string_view type_name(const Node& node);

// One file that was read.
struct SourceFile {
    std::string path;                // as messages show it
    std::vector<std::string> lines;  // for carets
    std::unique_ptr<Node> root;      // a table; empty where the file could not be parsed
};

// The main file and its includes, in the order of reading: main first, then depth first.
struct Document {
    std::vector<SourceFile> files;
    [[nodiscard]] Position position(const Place& place) const;
};

// Gives every diagnostic about one of the document's files its source line, for the caret.
void attach_source_lines(const Document& document, Diagnostics& diagnostics);

struct LoadOptions {
    std::string path;
    std::string as;  // see ReadOptions
    bool check_ownership = false;
    std::string copies{};  // see ReadOptions
};

// Loads path and what it includes. Everything that is wrong with files as files, with TOML as
// TOML and with `include` itself ends in diagnostics; what could be read is returned.
[[nodiscard]] Document load_document(const LoadOptions& options, Diagnostics& diagnostics);

// One file's text as TOML; for the loader, unit tests and the fuzzer. Never throws, never
// crashes, whatever the text: size and nesting are bounded before the parser sees it.
[[nodiscard]] std::unique_ptr<Node> parse_toml(std::string_view text, std::uint32_t file,
        const std::string& path, Diagnostics& diagnostics);

}  // namespace superd
