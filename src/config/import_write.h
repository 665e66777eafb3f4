// SPDX-License-Identifier: MIT
// The writer's text with what each of its lines came from, for the check of an import.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/import.h"

namespace superd {

// What a line says; numbers are indices into Import and its services, none where it says
// nothing of the kind.
struct ImportLine {
    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    enum class Of : std::uint8_t { nothing, daemon, defaults, network, service };

    Of of = Of::nothing;
    std::size_t index = none;    // of the service or network
    std::size_t setting = none;  // of the table's settings
    std::size_t listener = none;
};

struct ImportText {
    std::string text;
    std::vector<ImportLine> lines;  // of line 1 first
};

// The whole in one file, every service with all that is its own: nothing moved to [defaults].
[[nodiscard]] ImportText render_import(const Import& import);

// The bit of ModeBits for what the service is: by builtin, redirect, mode and its listeners.
[[nodiscard]] unsigned import_mode_bit(const ImportService& service);
[[nodiscard]] std::string_view import_mode_word(const ImportService& service);

// Settings that all services for which they mean something share, moved to [defaults]; ones
// that most share are moved too where the others say otherwise in so many words.
void share_import_settings(Import& import);

// A [profile.NAME] of an import.
struct ImportProfile {
    std::string name;
    std::vector<std::string> comments;
    std::vector<ImportSetting> settings;
};

// What several services share beyond [defaults], where a profile makes the file shorter: taken
// off those services, which name it.
[[nodiscard]] std::vector<ImportProfile> make_import_profiles(Import& import);

}  // namespace superd
