// SPDX-License-Identifier: MIT
// What an import did, line by line, for people and as JSON.
#include <nlohmann/json.hpp>

#include <fmt/core.h>

#include "base/text.h"
#include "config/import.h"

namespace superd {

namespace {

using Ordered = nlohmann::ordered_json;

std::string_view severity_word(ImportSeverity severity) {
    switch (severity) {
        case ImportSeverity::info: return "info";
        case ImportSeverity::warning: return "warning";
        case ImportSeverity::lost: return "lost";
    }
    return {};
}

std::string place_text(const ImportPlace& at) {
    if (at.file.empty()) return "import";
    if (at.line == 0) return escape(at.file);
    return escape(at.file) + ":" + std::to_string(at.line);
}

// For a terminal. Values are quoted where they are made: their backslashes stay single.
std::string shown(std::string_view text) {
    std::string out;
    for (const std::string_view part : split(text, '\\'))
        out += escape(part) + "\\";
    out.pop_back();
    return out;
}

// "FILE:LINE: warning: [ssh] instances = 10 → max_connections = 10: why"
std::string note_line(const ImportNote& note) {
    std::string line = place_text(note.at) + ": ";
    if (note.severity != ImportSeverity::info)
        line += std::string(severity_word(note.severity)) + ": ";
    if (!note.service.empty()) line += "[" + note.service + "] ";
    std::string text = shown(note.read);
    if (!note.made.empty()) text += (text.empty() ? "" : " -> ") + shown(note.made);
    if (!note.message.empty()) text += (text.empty() ? "" : ": ") + shown(note.message);
    return line + text + "\n";
}

struct Counts {
    std::size_t services = 0, disabled = 0, off = 0, warnings = 0, lost = 0;
};

Counts count(const Import& import) {
    Counts counts;
    for (const ImportService& service : import.services) {
        ++counts.services;
        if (!service.off.empty())
            ++counts.off;
        else if (!service.disabled.empty())
            ++counts.disabled;
    }
    for (const ImportNote& note : import.notes) {
        counts.warnings += note.severity == ImportSeverity::warning ? 1 : 0;
        counts.lost += note.severity == ImportSeverity::lost && note.in_use ? 1 : 0;
    }
    return counts;
}

}  // namespace

std::string render_import_report(const Import& import) {
    std::string out;
    for (const ImportNote& note : import.notes)
        out += note_line(note);
    const Counts counts = count(import);
    out += fmt::format(
            "services: {} enabled, {} disabled, {} left as comments; {} warnings, "
            "{} lost\n",
            counts.services - counts.disabled - counts.off, counts.disabled, counts.off,
            counts.warnings, counts.lost);
    return out;
}

std::string import_report_json(const Import& import, const std::vector<ImportedFile>& files) {
    auto notes = Ordered::array();
    for (const ImportNote& note : import.notes)
        notes.push_back({{"severity", std::string(severity_word(note.severity))},
                {"file", note.at.file}, {"line", note.at.line}, {"service", note.service},
                {"read", note.read}, {"made", note.made}, {"message", note.message}});
    auto services = Ordered::array();
    for (const ImportService& service : import.services)
        services.push_back(
                {{"name", service.name}, {"file", service.at.file}, {"line", service.at.line},
                        {"enabled", service.disabled.empty() && service.off.empty()},
                        {"written", service.off.empty()}, {"disabled", service.disabled},
                        {"refused", service.off}});
    auto texts = Ordered::array();
    for (const ImportedFile& file : files)
        texts.push_back(
                {{"name", file.name.empty() ? "superd.toml" : file.name}, {"text", file.text}});
    const Ordered report{{"version", 1},
            {"import", {{"complete", !import.has_losses()}, {"services", services},
                               {"notes", notes}, {"files", texts}}}};
    return report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace superd
