// SPDX-License-Identifier: MIT
// A TOML document as plain values with positions.
#include "config/tree.h"

#include <map>

namespace superd {

const Member* TableValue::find(std::string_view key) const {
    for (const Member& member : members) {
        if (member.key == key) return &member;
    }
    return nullptr;
}

std::string_view type_name(const Node& node) {
    struct Name {
        std::string_view operator()(bool) const { return "true or false"; }

        std::string_view operator()(const IntegerValue&) const { return "an integer"; }

        std::string_view operator()(double) const { return "a number with a fraction"; }

        std::string_view operator()(const std::string&) const { return "a string"; }

        std::string_view operator()(const DateTimeValue&) const { return "a date or time"; }

        std::string_view operator()(const ArrayValue&) const { return "a list"; }

        std::string_view operator()(const TableValue&) const { return "a table"; }
    };

    return std::visit(Name{}, node.value);
}

Position Document::position(const Place& place) const {
    if (place.file >= files.size()) return {};
    return {files[place.file].path, place.line, place.line == 0 ? 0 : place.column};
}

void attach_source_lines(const Document& document, Diagnostics& diagnostics) {
    std::map<std::string_view, const SourceFile*> by_path;
    for (const SourceFile& file : document.files)
        by_path.emplace(file.path, &file);
    diagnostics.fill_source_lines([&](const Position& at) -> std::string {
        const auto found = by_path.find(at.file);
        if (found == by_path.end() || at.line > found->second->lines.size()) return {};
        return found->second->lines[at.line - 1];
    });
}

}  // namespace superd
