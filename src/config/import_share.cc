// SPDX-License-Identifier: MIT
// Which settings of an import's services stand better in [defaults] or in a profile.
#include <algorithm>
#include <functional>
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

// ---- profiles

// What of a service's settings a profile might say, by key.
using Shareable = std::map<std::string, std::string, std::less<>>;

// Below this many lines saved, a name more to look up costs the reader more than it spares.
constexpr std::ptrdiff_t least_saved = 6;
// Only the commonest sets are tried: a host has few kinds of services, and files are long.
constexpr std::size_t most_tried = 32, most_profiles = 8;

Shareable shareable_of(const ImportService& service) {
    Shareable found;
    if (!counts(service)) return found;
    for (const ImportSetting& setting : service.settings) {
        const bool own = !setting.off.empty() || !setting.comments.empty() ||
                         says_who_it_is(setting.key) || setting.value.starts_with("{ add");
        if (!own && find_option(setting.key, in_profile) != nullptr)
            found.emplace(setting.key, setting.value);
    }
    return found;
}

bool holds_all(const Shareable& service, const Shareable& set) {
    return std::all_of(set.begin(), set.end(), [&](const auto& one) {
        const auto found = service.find(one.first);
        return found != service.end() && found->second == one.second;
    });
}

// A set, and the services that have all of it.
struct Sharing {
    Shareable set;
    std::vector<std::size_t> holders;
};

// The sets that are all of a service, the commonest first.
std::vector<Sharing> commonest_sets(const std::vector<Shareable>& services) {
    std::map<Shareable, std::size_t> counted;
    for (const Shareable& one : services)
        if (one.size() > 1) ++counted[one];
    std::vector<std::pair<Shareable, std::size_t>> sorted(counted.begin(), counted.end());
    std::stable_sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second > b.second; });
    std::vector<Sharing> sets;
    for (auto& [set, count] : sorted) {
        if (sets.size() == most_tried) break;
        std::vector<std::size_t> holders;
        for (std::size_t i = 0; i < services.size(); ++i)
            if (holds_all(services[i], set)) holders.push_back(i);
        sets.push_back({std::move(set), std::move(holders)});
    }
    return sets;
}

// A line for each setting of each holder, for one in each holder and a table: its settings, its
// header, a comment and an empty line.
std::ptrdiff_t lines_saved(const Sharing& sharing) {
    const auto n = static_cast<std::ptrdiff_t>(sharing.holders.size());
    const auto k = static_cast<std::ptrdiff_t>(sharing.set.size());
    return n < 3 ? 0 : n * k - (n + k + 3);
}

// A service has one profile.
void take_off(std::vector<Sharing>& sets, const std::vector<std::size_t>& taken) {
    for (Sharing& one : sets)
        std::erase_if(one.holders, [&](std::size_t index) {
            return std::binary_search(taken.begin(), taken.end(), index);
        });
}

ImportProfile make_profile(std::string name, const Sharing& sharing, Import& import) {
    ImportProfile profile{std::move(name), {}, {}};
    const std::size_t others = sharing.holders.size() - 2;
    profile.comments.push_back("what " + import.services[sharing.holders[0]].name + ", " +
                               import.services[sharing.holders[1]].name + " and " +
                               std::to_string(others) + " other" + (others == 1 ? "" : "s") +
                               " share");
    for (const auto& [key, value] : sharing.set)
        profile.settings.push_back({key, value, {}, {}, {}});
    for (const std::size_t index : sharing.holders) {
        ImportService& service = import.services[index];
        std::erase_if(service.settings, [&](const ImportSetting& setting) {
            return std::any_of(profile.settings.begin(), profile.settings.end(),
                    [&](const ImportSetting& one) { return one.key == setting.key; });
        });
        service.set("profile", toml_text(profile.name));
    }
    return profile;
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

std::vector<ImportProfile> make_import_profiles(Import& import) {
    std::vector<Shareable> services;
    for (const ImportService& service : import.services)
        services.push_back(shareable_of(service));
    std::vector<Sharing> sets = commonest_sets(services);
    std::vector<ImportProfile> profiles;
    while (!sets.empty() && profiles.size() < most_profiles) {
        const Sharing best = *std::max_element(
                sets.begin(), sets.end(), [](const Sharing& a, const Sharing& b) {
                    return lines_saved(a) < lines_saved(b);
                });
        if (lines_saved(best) < least_saved) break;
        const std::size_t number = profiles.size() + 1;
        profiles.push_back(make_profile(
                number == 1 ? "shared" : "shared_" + std::to_string(number), best, import));
        take_off(sets, best.holders);
    }
    return profiles;
}

}  // namespace superd
