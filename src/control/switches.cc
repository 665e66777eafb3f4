// SPDX-License-Identifier: MIT
// The file that `superctl enable` and `disable` keep.
#include "control/switches.h"

#include <fmt/core.h>
#include <fnmatch.h>

#include "config/tree.h"

namespace superd {

namespace {

constexpr std::string_view heading =
        "# Kept by superctl enable and superctl disable; changes by hand are lost.\n";

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

const TableValue* table_of(const Node* node) {
    return node != nullptr ? std::get_if<TableValue>(&node->value) : nullptr;
}

// "enabled = true" and nothing else.
const bool* only_enabled(const Node& node) {
    const auto* table = table_of(&node);
    if (table == nullptr || table->members.size() != 1 || table->members[0].key != "enabled")
        return nullptr;
    return std::get_if<bool>(&table->members[0].value->value);
}

}  // namespace

std::string switches_path(const std::string& main_file) {
    return folder_of(main_file) + "superd.d/99-superctl.toml";
}

tl::expected<Switches, std::string> parse_switches(
        const std::string& text, const std::string& path) {
    const auto other = tl::unexpected(
            fmt::format("{} holds more than superctl wrote: move that to another "
                        "file of the folder",
                    path));
    Diagnostics diagnostics;
    const auto root = parse_toml(text, 0, path, diagnostics);
    if (diagnostics.has_errors()) return tl::unexpected(render(diagnostics));
    const auto* top = table_of(root.get());
    if (top == nullptr || top->members.empty()) return Switches{};
    const auto* overrides = table_of(top->members[0].value.get());
    if (top->members.size() != 1 || top->members[0].key != "override" || overrides == nullptr)
        return other;
    Switches switches;
    for (const auto& member : overrides->members) {
        const auto* enabled = only_enabled(*member.value);
        if (enabled == nullptr) return other;
        switches[member.key] = *enabled;
    }
    return switches;
}

std::string make_switches(const Switches& switches) {
    std::string text(heading);
    for (const auto& [name, enabled] : switches)
        text += fmt::format("\n[override.{}]\nenabled = {}\n", name, enabled);
    return text;
}

bool covers(const std::vector<std::string>& patterns, const std::string& main_file,
        const std::string& path) {
    for (const auto& pattern : patterns) {
        const auto whole = pattern.starts_with('/') ? pattern : folder_of(main_file) + pattern;
        if (::fnmatch(whole.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0) return true;
    }
    return false;
}

}  // namespace superd
