// SPDX-License-Identifier: MIT
// What an import came to, as text for tables of tests.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "config/import.h"

namespace superd::test {

// "tcp:21{mode="0600"} unix:/x": the listeners of a service.
inline std::string listen_text(const ImportService& service) {
    std::string text;
    for (const ImportListener& listener : service.listeners) {
        text += (text.empty() ? "" : " ") + listener.address;
        std::string options;
        for (const ImportSetting& option : listener.options)
            options += (options.empty() ? "" : ", ") + option.key + "=" + option.value;
        if (!options.empty()) text += "{" + options + "}";
    }
    return text;
}

// TOML text of one setting; empty: not set.
inline std::string value_of(const ImportService& service, std::string_view key) {
    const ImportSetting* setting = service.find(key);
    return setting == nullptr ? "" : setting->value;
}

// True where a note of that severity has `words` in what it read, made or says.
inline bool has_note(const Import& import, ImportSeverity severity, std::string_view words) {
    return std::any_of(import.notes.begin(), import.notes.end(), [&](const ImportNote& note) {
        return note.severity == severity &&
               (note.read + "|" + note.made + "|" + note.message).find(words) !=
                       std::string::npos;
    });
}

// The same, of a note that is about that line.
inline bool has_note_at(const Import& import, std::uint32_t line, ImportSeverity severity,
        std::string_view words) {
    return std::any_of(import.notes.begin(), import.notes.end(), [&](const ImportNote& note) {
        return note.at.line == line && note.severity == severity &&
               (note.read + "|" + note.made + "|" + note.message).find(words) !=
                       std::string::npos;
    });
}

// Why the service comes in disabled, a reason a line; empty: it does not.
inline std::string reasons_of(const ImportService& service) {
    std::string text;
    for (const std::string& reason : service.disabled)
        text += (text.empty() ? "" : "\n") + reason;
    return text;
}

// "1 4 9": the lines of what could not be read.
inline std::string error_lines(const Import& import) {
    std::string text;
    for (const ImportPlace& place : import.errors_at)
        text += (text.empty() ? "" : " ") + std::to_string(place.line);
    return text;
}

}  // namespace superd::test
