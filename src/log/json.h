// SPDX-License-Identifier: MIT
// As much JSON as the log needs: writing strings, reading one flat object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace superd {

// Appends text as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
// Appends ,"key":"text" and ,"key":number; the key is not escaped.
void append_json_member(std::string& out, std::string_view key, std::string_view text);
void append_json_member(std::string& out, std::string_view key, std::int64_t number);

// Walks over one JSON text from left to right; each call takes a token or, where something else
// stands there, nothing. Bounded by the text itself: it never recurses.
class JsonScanner {
public:
    explicit JsonScanner(std::string_view text) : rest_(text) {}

    // Takes the character c (one of {}[]:,) and the blanks before it.
    [[nodiscard]] bool take(char c);
    [[nodiscard]] std::optional<std::string> string();
    // Whole numbers only.
    [[nodiscard]] std::optional<std::int64_t> number();
    [[nodiscard]] std::optional<bool> boolean();
    // True where only blanks are left.
    [[nodiscard]] bool at_end();

private:
    void skip_blanks();
    [[nodiscard]] bool escape_into(std::string& out);
    [[nodiscard]] std::optional<unsigned> hex4();

    std::string_view rest_;
};

}  // namespace superd
