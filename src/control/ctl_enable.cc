// SPDX-License-Identifier: MIT
// superctl enable and disable.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>

#include <fmt/core.h>
#include <unistd.h>

#include "base/text.h"
#include "config/tree.h"
#include "control/ctl.h"
#include "control/install.h"
#include "control/names.h"
#include "control/switches.h"

namespace superd {

namespace {

std::vector<std::string> strings_of(const Node& node) {
    std::vector<std::string> result;
    if (const auto* one = std::get_if<std::string>(&node.value)) result.push_back(*one);
    if (const auto* list = std::get_if<ArrayValue>(&node.value))
        for (const auto& item : list->items)
            if (const auto* text = std::get_if<std::string>(&item->value))
                result.push_back(*text);
    return result;
}

// The main file's own include patterns; empty where it has none or cannot be parsed.
std::vector<std::string> includes_of(const std::string& main_file) {
    const auto text = read_file(main_file);
    if (!text) return {};
    Diagnostics diagnostics;
    const auto root = parse_toml(*text, 0, main_file, diagnostics);
    const auto* table = root != nullptr ? std::get_if<TableValue>(&root->value) : nullptr;
    const auto* include = table != nullptr ? table->find("include") : nullptr;
    return include != nullptr ? strings_of(*include->value) : std::vector<std::string>{};
}

// The services of the file as it stands that words mean: all must be there before anything is
// written.
tl::expected<std::vector<std::string>, Outcome> find_names(
        const std::string& main_file, const std::vector<std::string>& words) {
    const auto result = read_config(ctl_read_options(main_file, ""));
    if (!result.plan) {
        std::fputs(render(result.diagnostics).c_str(), stderr);
        return tl::unexpected(Outcome{
                exit_code::failed, fmt::format("{} has errors; mend them first", main_file)});
    }
    std::vector<std::string> all;
    // Copies are switched together, where the file writes them.
    for (const auto& service : result.plan->services)
        if (service->copy.of.empty()) all.push_back(service->name);
    for (const auto& copies : result.plan->copies)
        all.push_back(copies.name);
    auto names = ctl_matching(words, all);
    if (!names) return names;
    for (const auto& name : *names)
        if (std::find(all.begin(), all.end(), name) == all.end())
            return tl::unexpected(Outcome{exit_code::no_such_service,
                    fmt::format("{} has no service {}", main_file, name)});
    return names;
}

Outcome write_switches(
        const std::string& path, const std::vector<std::string>& names, bool enabled) {
    Switches switches;
    const auto before = read_file(path);
    if (!before && before.error().code != ENOENT)
        return {exit_code::failed, before.error().text()};
    if (before) {
        auto parsed = parse_switches(*before, path);
        if (!parsed) return {exit_code::failed, parsed.error()};
        switches = std::move(*parsed);
    }
    for (const auto& name : names)
        switches[name] = enabled;
    const auto written = write_file(path, make_switches(switches));
    if (written) return {};
    const bool denied = written.error().code == EACCES || written.error().code == EPERM;
    return {denied ? exit_code::not_permitted : exit_code::failed, written.error().text()};
}

// The file as it was before, where the new one was refused.
void put_back(const std::string& path, const Result<std::string>& before) {
    if (!before)
        ::unlink(path.c_str());
    else if (const auto written = write_file(path, *before); !written)
        std::fprintf(stderr, "superctl: %s\n", written.error().text().c_str());
}

// Nobody knows whether superd has read it: it was not allowed to be asked, or took too long.
void say_that_it_stays(
        const std::string& path, const std::vector<std::string>& names, bool enabled) {
    std::fprintf(stderr, "superctl: %s keeps enabled = %s; superctl %s %s takes it back\n",
            path.c_str(), enabled ? "true" : "false", enabled ? "disable" : "enable",
            join(names, " ").c_str());
}

}  // namespace

int ctl_enable(const CtlGlobals& globals, const std::string& file,
        const std::vector<std::string>& words, bool enabled) {
    const auto main_file = ctl_config_path(globals, file);
    const auto path = switches_path(main_file);
    if (!covers(includes_of(main_file), main_file, path))
        return ctl_fail(globals,
                {exit_code::failed, fmt::format("{} does not include {}: write include = "
                                                "[\"superd.d/*.toml\"] before its first "
                                                "table, or enabled = {} in the service",
                                            main_file, path, enabled)});
    const auto names = find_names(main_file, words);
    if (!names) return ctl_fail(globals, names.error());
    const auto before = read_file(path);
    if (const auto written = write_switches(path, *names, enabled);
            written.code != exit_code::ok)
        return ctl_fail(globals, written);
    const auto after = read_config(ctl_read_options(main_file, ""));
    if (!after.plan) {
        put_back(path, before);
        std::fputs(render(after.diagnostics).c_str(), stderr);
        return ctl_fail(globals, {exit_code::failed, "nothing was changed"});
    }
    if (auto client = ControlClient::connect(globals.socket)) {
        const int code = ctl_reload(globals, false);
        if (code == exit_code::failed) {
            // Else every reload from now on would fail, and the next start.
            put_back(path, before);
            std::fprintf(stderr, "superctl: %s is as it was before\n", path.c_str());
            return code;
        }
        if (code != exit_code::ok) say_that_it_stays(path, *names, enabled);
        return code;
    }
    const std::string done = path + " is written; no superd runs that would read it now";
    if (globals.json)
        ctl_print(nlohmann::ordered_json{{"version", 1}, {"message", done}}.dump(2) + "\n");
    else
        ctl_print(done + "\n");
    return exit_code::ok;
}

}  // namespace superd
