// SPDX-License-Identifier: MIT
// Which settings of an import's services stand better in [defaults].
#include <algorithm>
#include <map>
#include <set>

#include "config/import_write.h"
#include "config/options.h"

namespace superd {

namespace {

struct Candidate {
    std::map<std::string, std::size_t> values;  // by text, how many services say so
    std::size_t holders = 0;
};

// Tables merge with what is inherited, so an entry that only some name would reach all.
bool merges(const Option& option) {
    return is_table(option.type) || option.type == ValueType::rate;
}

// One that inherits another's identity unnoticed would be worse than a line more.
bool says_who_it_is(std::string_view key) {
    return key == "user" || key == "group";
}

// A list that edits what is inherited would edit what the others share.
bool has_edit(const Option& option, const Candidate& candidate) {
    return !is_table(option.type) &&
           std::any_of(candidate.values.begin(), candidate.values.end(),
                   [](const auto& value) { return value.first.starts_with("{ add"); });
}

bool counts(const ImportService& service) {
    return service.off.empty();
}

std::map<std::string, Candidate> count_settings(const Import& import) {
    std::map<std::string, Candidate> found;
    for (const ImportService& service : import.services)
        for (const ImportSetting& setting : service.settings) {
            if (!counts(service) || !setting.off.empty()) continue;
            Candidate& candidate = found[setting.key];
            ++candidate.values[setting.value];
            ++candidate.holders;
        }
    return found;
}

// Services for which the key means something and that do not say it: they must not get it.
bool reaches_others(const Import& import, const Option& option) {
    for (const ImportService& service : import.services) {
        if (!counts(service)) continue;
        const ImportSetting* setting = service.find(option.key);
        if (setting != nullptr && setting->off.empty()) continue;
        if (is_access_rule(option) || (option.modes & import_mode_bit(service)) != 0)
            return true;
    }
    return false;
}

const std::string& commonest(const Candidate& candidate) {
    return std::max_element(candidate.values.begin(), candidate.values.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; })
            ->first;
}

void move_up(Import& import, const std::string& key, const std::string& value) {
    ImportSetting shared{key, value, {}, {}, {}};
    std::set<std::string> said;
    for (ImportService& service : import.services) {
        if (!counts(service)) continue;
        const auto same = [&](const ImportSetting& setting) {
            return setting.key == key && setting.value == value && setting.off.empty();
        };
        for (ImportSetting& setting : service.settings)
            if (same(setting))
                for (std::string& comment : setting.comments)
                    if (said.insert(comment).second) shared.comments.push_back(comment);
        std::erase_if(service.settings, same);
    }
    import.defaults.push_back(std::move(shared));
}

}  // namespace

void share_import_settings(Import& import) {
    for (const auto& [key, candidate] : count_settings(import)) {
        const Option* option = find_option(key, in_defaults);
        const std::string value = commonest(candidate);
        const std::size_t agreeing = candidate.values.at(value);
        const bool all = agreeing == candidate.holders;
        const bool most = 2 * agreeing > candidate.holders && agreeing > 2;
        if (option == nullptr || agreeing < 2 || !(all || most)) continue;
        if (!all && (merges(*option) || says_who_it_is(key))) continue;
        if (has_edit(*option, candidate)) continue;
        const bool given = std::any_of(import.defaults.begin(), import.defaults.end(),
                [&](const ImportSetting& one) { return one.key == key; });
        if (!given && !reaches_others(import, *option)) move_up(import, key, value);
    }
}

}  // namespace superd
