// SPDX-License-Identifier: MIT
// The verbs of superctl that read the file, and need no daemon.
#include <cstdio>
#include <nlohmann/json.hpp>

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "config/config.h"
#include "config/foreign.h"
#include "config/options.h"
#include "control/ctl.h"
#include "control/documents.h"
#include "control/names.h"

namespace superd {

namespace {

using Ordered = nlohmann::ordered_json;

void print_json(const Ordered& json) {
    ctl_print(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

Ordered option_json(const Option& option) {
    return {{"name", option_name(option)}, {"key", option.key}, {"type", type_text(option)},
            {"default", option.default_text}, {"where", scope_text(option)},
            {"modes", modes_text(option)}, {"effect", effect_text(option.effect)},
            {"xinetd", option.xinetd}, {"inetd", option.inetd}, {"systemd", option.systemd},
            {"help", option.help}};
}

bool has_word(std::string_view words, std::string_view word) {
    // "flags" asks for "flags=NODELAY" and the others too.
    for (const auto part : split(words, ' '))
        if (part == word ||
                (part.starts_with(word) && part.substr(word.size()).starts_with('=')))
            return true;
    return false;
}

// Options by a key of ours, or by "xinetd:instances".
std::vector<const Option*> find_options(const std::string& key) {
    std::vector<const Option*> found;
    const auto colon = key.find(':');
    const auto origin = colon == std::string::npos ? std::string() : key.substr(0, colon);
    const auto foreign = colon == std::string::npos ? std::string() : key.substr(colon + 1);
    for (const auto& option : all_options()) {
        const bool same = origin.empty()       ? option.key == key || option_name(option) == key
                          : origin == "xinetd" ? has_word(option.xinetd, foreign)
                          : origin == "inetd"  ? has_word(option.inetd, foreign)
                          : origin == "systemd" ? has_word(option.systemd, foreign)
                                                : false;
        if (same && !foreign.empty() == !origin.empty()) found.push_back(&option);
    }
    return found;
}

std::string no_option(const std::string& key) {
    std::vector<std::string_view> keys;
    for (const auto& option : all_options())
        keys.push_back(option.key);
    const auto near = nearest(key, keys);
    if (!near.empty())
        return fmt::format("no option {}; did you mean {}?", quote_value(key), near);
    return fmt::format("no option {}; superctl options lists all of them", quote_value(key));
}

int print_foreign(const CtlGlobals& globals, const ForeignWord& word) {
    if (globals.json)
        print_json({{"version", 1}, {"options", Ordered::array()},
                {"foreign", {{"family", word.family}, {"word", word.word},
                                    {"advice", word.advice}}}});
    else
        ctl_print(word.word + " of " + word.family + "\n  " + word.advice + "\n");
    return exit_code::ok;
}

void print_check_json(const ReadResult& result) {
    auto diagnostics = Ordered::array();
    for (const auto& diagnostic : result.diagnostics.all())
        diagnostics.push_back(diagnostic_json(diagnostic));
    print_json({{"version", 1},
            {"check", {{"good", result.plan.has_value()}, {"files", result.files},
                              {"diagnostics", diagnostics}}}});
}

}  // namespace

std::string ctl_config_path(const CtlGlobals& globals, const std::string& given) {
    if (!given.empty()) return given;
    if (::access(globals.socket.c_str(), W_OK) == 0) {
        if (auto client = ControlClient::connect(globals.socket)) {
            const auto answer = client->call("Describe", {}, std::chrono::seconds(5));
            const auto json = nlohmann::json::parse(answer.message, nullptr, false);
            if (answer.code == exit_code::ok && json.is_object()) {
                const auto path = json["daemon"]["config"].value("path", "");
                if (!path.empty()) return path;
            }
        }
    }
    return globals.default_file;
}

ReadOptions ctl_read_options(const std::string& path, const std::string& as) {
    ReadOptions options;
    options.path = path;
    options.as = as;

    // A file of root's is checked as root's superd would read it, whoever asks.
    struct stat facts {};

    const auto& owner = as.empty() ? path : as;
    options.root =
            ::geteuid() == 0 || (::stat(owner.c_str(), &facts) == 0 && facts.st_uid == 0);
    options.check_ownership = options.root && as.empty();
    return options;
}

int ctl_check(const CtlGlobals& globals, const std::string& file, const std::string& as) {
    const auto path = ctl_config_path(globals, file);
    ReadOptions options = ctl_read_options(path, as);
    // Only who may read the keys can say anything of them.
    struct stat facts {};

    const auto& owner = as.empty() ? path : as;
    if (::geteuid() == 0 || (::stat(owner.c_str(), &facts) == 0 && facts.st_uid == ::geteuid()))
        options.tls_program = globals.tls_program;
    const auto result = read_config(options);
    if (globals.json) {
        print_check_json(result);
    } else {
        std::fputs(render(result.diagnostics, globals.colour).c_str(), stderr);
        if (result.plan)
            ctl_print(fmt::format("{}: {} {}, no errors\n", as.empty() ? path : as,
                    result.plan->services.size(),
                    result.plan->services.size() == 1 ? "service" : "services"));
    }
    return result.plan ? exit_code::ok : exit_code::failed;
}

int ctl_options(const CtlGlobals& globals, const std::string& key) {
    if (key.empty() && !globals.json) {
        ctl_print(render_option_list());
        return exit_code::ok;
    }
    std::vector<const Option*> found;
    if (key.empty())
        for (const auto& option : all_options())
            found.push_back(&option);
    else
        found = find_options(key);
    // What no single key says: "xinetd:id", "xinetd:includedir".
    const auto foreign = key.find(':') == std::string::npos ? std::nullopt : find_foreign(key);
    if (found.empty() && foreign) return print_foreign(globals, *foreign);
    if (found.empty()) return ctl_fail(globals, {exit_code::failed, no_option(key)});
    auto all = Ordered::array();
    for (const auto* option : found) {
        if (globals.json)
            all.push_back(option_json(*option));
        else
            ctl_print((option == found.front() ? "" : "\n") + render_option(*option));
    }
    if (globals.json) print_json({{"version", 1}, {"options", all}});
    return exit_code::ok;
}

}  // namespace superd
