// SPDX-License-Identifier: MIT
// What readers of foreign configurations share: TOML text, names, settings.
#include "config/import.h"

#include <algorithm>

#include <fmt/core.h>

namespace superd {

namespace {

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-';
}

// Length of the well-formed UTF-8 sequence at the front of text; 0 where there is none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    const unsigned first = byte(0);
    const std::size_t length = first < 0x80    ? 1
                               : first < 0xc2  ? 0
                               : first < 0xe0  ? 2
                               : first < 0xf0  ? 3
                               : first <= 0xf4 ? 4
                                               : 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    const bool overlong =
            (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
    const bool beyond = (first == 0xed && byte(1) > 0x9f) || (first == 0xf4 && byte(1) > 0x8f);
    return overlong || beyond ? 0 : length;
}

// TOML has no way to write a byte that is not text: it becomes the replacement character, which
// is written so for nothing else.
constexpr std::string_view not_text = "\\uFFFD";

void append_character(std::string& out, std::string_view& text) {
    const std::size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0)
        out += not_text;
    else if (c == '"' || c == '\\')
        (out += '\\') += c;
    else if (c == '\n')
        out += "\\n";
    else if (c == '\t')
        out += "\\t";
    else if (length == 1 && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f))
        out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    else
        out += text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
}

}  // namespace

std::string toml_text(std::string_view text) {
    std::string out = "\"";
    while (!text.empty())
        append_character(out, text);
    return out + "\"";
}

bool is_toml_text(std::string_view value) {
    for (std::size_t i = 0; i + 1 < value.size(); ++i) {
        if (value[i] != '\\') continue;
        if (value.substr(i).starts_with(not_text)) return false;
        ++i;
    }
    return true;
}

std::string toml_array(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const std::string& text : texts)
        out += (out.size() > 1 ? ", " : "") + toml_text(text);
    return out + "]";
}

std::string toml_list(const std::vector<std::string>& texts) {
    return texts.size() == 1 ? toml_text(texts.front()) : toml_array(texts);
}

std::string toml_key(std::string_view text) {
    const bool bare = !text.empty() && std::all_of(text.begin(), text.end(), is_name_character);
    return bare ? std::string(text) : toml_text(text);
}

std::string ServiceNames::make(std::string_view wanted) {
    constexpr std::size_t longest = 60;
    std::string name;
    for (const char c : wanted.substr(0, longest))
        name += is_name_character(c) ? c : '_';
    if (name.find_first_not_of('_') == std::string::npos) name = "service";
    std::string unique = name;
    unsigned& number = next_.try_emplace(name, 2).first->second;
    for (; !taken_.insert(unique).second; ++number)
        unique = name + "-" + std::to_string(number);
    return unique;
}

ImportSetting& ImportService::set(std::string key, std::string value, ImportPlace from) {
    for (ImportSetting& setting : settings)
        if (setting.key == key) {
            setting.value = std::move(value);
            return setting;
        }
    return settings.emplace_back(
            ImportSetting{std::move(key), std::move(value), {}, std::move(from), {}});
}

const ImportSetting* ImportService::find(std::string_view key) const {
    for (const ImportSetting& setting : settings)
        if (setting.key == key) return &setting;
    return nullptr;
}

bool Import::has_losses() const {
    return !errors_at.empty() ||
           std::any_of(notes.begin(), notes.end(), [](const ImportNote& note) {
               return note.severity == ImportSeverity::lost && note.in_use;
           });
}

}  // namespace superd
