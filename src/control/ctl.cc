// SPDX-License-Identifier: MIT
// What the verbs of superctl share.
#include "control/ctl.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include <fmt/core.h>
#include <fnmatch.h>

#include "base/text.h"
#include "control/names.h"

namespace superd {

namespace {

bool is_glob(const std::string& word) {
    return word.find_first_of("*?[") != std::string::npos;
}

}  // namespace

int ctl_fail(const CtlGlobals& globals, const Outcome& outcome) {
    if (globals.json) {
        const nlohmann::ordered_json error{{"version", 1},
                {"error", {{"code", outcome.code}, {"message", outcome.message}}}};
        ctl_print(error.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    } else {
        std::fflush(stdout);
        std::fprintf(stderr, "superctl: %s\n", outcome.message.c_str());
    }
    return outcome.code;
}

void ctl_say(const CtlGlobals& globals, const std::string& message) {
    if (!globals.json) return ctl_print(escape(message) + "\n");
    const nlohmann::ordered_json said{{"version", 1}, {"message", message}};
    ctl_print(said.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void ctl_print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
}

Nanoseconds ctl_read_timeout(const CtlGlobals& globals) {
    return globals.timeout == no_timeout ? std::chrono::seconds(10) : globals.timeout;
}

std::string ctl_lines(const std::string& text) {
    std::string out;
    for (const auto line : split(text, '\n'))
        out += escape(line) + "\n";
    while (out.ends_with("\n\n"))
        out.pop_back();
    return out;
}

namespace {

// The service of that name, or the copies of the one that has no process of that name itself.
// What is not known is asked for all the same: superd says so.
void add_meant(std::vector<std::string>& names, const std::string& word,
        const std::vector<std::string>& all) {
    const auto before = names.size();
    const bool itself = std::find(all.begin(), all.end(), word) != all.end();
    for (const auto& name : all)
        if (!itself && name.starts_with(word + "@")) names.push_back(name);
    if (names.size() == before) names.push_back(word);
}

}  // namespace

tl::expected<std::vector<std::string>, Outcome> ctl_names(const CtlGlobals& globals,
        ControlClient& client, const std::vector<std::string>& words) {
    const auto all = client.list(ctl_read_timeout(globals));
    if (!all) return tl::unexpected(all.error());
    if (words.empty()) return *all;
    return ctl_matching(words, *all);
}

tl::expected<std::vector<std::string>, Outcome> ctl_matching(
        const std::vector<std::string>& words, const std::vector<std::string>& all) {
    std::vector<std::string> names;
    for (const auto& word : words) {
        const auto before = names.size();
        if (!is_glob(word)) add_meant(names, word, all);
        for (const auto& name : all)
            if (is_glob(word) && ::fnmatch(word.c_str(), name.c_str(), 0) == 0)
                names.push_back(name);
        if (names.size() == before)
            return tl::unexpected(Outcome{exit_code::no_such_service,
                    fmt::format("no service matches {}; see superctl list", word)});
    }
    return names;
}

}  // namespace superd
