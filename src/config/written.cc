// SPDX-License-Identifier: MIT
#include "config/written.h"

#include <array>

#include "base/text.h"
#include "config/foreign.h"
#include "config/values.h"

namespace superd {

namespace {

constexpr std::size_t max_name = 63;
constexpr std::array<std::string_view, 8> top_tables{"include", "superd",
        "networks", "tls", "defaults", "profile", "service", "override"};

bool is_word(std::string_view text) {
    for (const char c : text) {
        const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!word) return false;
    }
    return !text.empty();
}

// A key that is known, but not at this place.
void misplaced(const Member& member, const Option& elsewhere, const std::string& what,
        Report& report) {
    report.error(member.at, quoted(member.key) + " may not stand in " + what,
            "it may stand in " + scope_text(elsewhere));
}

// "reload_signal" is about reload.
std::string_view about_the_same(
        std::string_view key, const std::vector<std::string_view>& known) {
    std::string_view best;
    for (const std::string_view one : known)
        if (one.size() > best.size() && key.size() > one.size() && key.starts_with(one) &&
                key[one.size()] == '_')
            best = one;
    return best;
}

void unknown_key(const Member& member, Scope scope, const std::string& what, Report& report) {
    for (const Scope other : {in_service, in_listener, in_superd, in_tls})
        if (const Option* option = find_option(member.key, other))
            return misplaced(member, *option, what, report);
    const std::string message = "unknown key " + quoted(member.key) + " in " + what;
    if (const auto foreign = find_foreign(member.key)) {
        report.error(member.at, quoted(member.key) + " is a word of " + foreign->family,
                foreign->advice);
        return;
    }
    const auto& known = option_keys(scope);
    std::string_view near = nearest(member.key, known);
    if (near.empty()) near = about_the_same(member.key, known);
    report.error(member.at, message, near.empty() ? "" : "did you mean " + quoted(near) + "?");
}

// ---- tables by kind

class Gatherer {
public:
    Gatherer(const Document& document, Report& report) : document_(document), report_(report) {}

    Config gather() {
        std::size_t services = 0;
        for (std::uint32_t i = 0; i < document_.files.size(); ++i)
            if (const TableValue* root = root_of(i))
                if (const Member* member = root->find("service"))
                    if (const auto* table = std::get_if<TableValue>(&member->value->value))
                        services += table->members.size();
        config_.services.reserve(services);
        seen_services_.reserve(services);
        for (std::uint32_t i = 0; i < document_.files.size(); ++i)
            gather_file(i);
        check_overrides();
        return std::move(config_);
    }

private:
    const TableValue* root_of(std::uint32_t file) const {
        const auto& root = document_.files[file].root;
        return root ? std::get_if<TableValue>(&root->value) : nullptr;
    }

    void gather_file(std::uint32_t file) {
        const TableValue* root = root_of(file);
        if (root == nullptr) return;
        for (const Member& member : root->members)
            gather_member(member, file);
    }

    void gather_member(const Member& member, std::uint32_t file) {
        if (member.key == "include") return;  // the loader's
        if (member.key == "superd")
            return gather_single(member, file, in_superd, config_.superd);
        if (member.key == "defaults")
            return gather_single(member, file, in_defaults, config_.defaults);
        if (member.key == "networks") return gather_networks(member);
        if (member.key == "profile" || member.key == "service" || member.key == "override" ||
                member.key == "tls")
            return gather_named(member);
        unknown_top(member);
    }

    void unknown_top(const Member& member) {
        if (find_option(member.key, in_service) != nullptr)
            return report_.error(member.at, quoted(member.key) + " stands outside of a table",
                    "write it below [service.NAME] or [defaults]");
        if (find_option(member.key, in_superd) != nullptr)
            return report_.error(member.at, quoted(member.key) + " stands outside of a table",
                    "write it below [superd]");
        const bool table = std::holds_alternative<TableValue>(member.value->value);
        const std::string message =
                std::string("unknown ") +
                (table ? "table [" + escape(member.key) + "]" : "key " + quoted(member.key));
        if (const auto foreign = find_foreign(member.key))
            return report_.error(member.at, message, foreign->advice);
        const std::string_view near = nearest(member.key, top_tables);
        report_.error(member.at, message,
                near.empty() ? "" : "did you mean [" + std::string(near) + "]?");
    }

    // The table behind a member, or an error.
    const TableValue* table_of(const Member& member, const std::string& what) {
        if (const auto* table = std::get_if<TableValue>(&member.value->value)) return table;
        report_.error(
                member.at, what + " is a table, not " + std::string(type_name(*member.value)));
        return nullptr;
    }

    void gather_single(const Member& member, std::uint32_t file, Scope scope,
            std::optional<Section>& into) {
        const std::string what = "[" + member.key + "]";
        const TableValue* table = table_of(member, what);
        if (table == nullptr) return;
        Section section{member.key, member.at, read_settings(*table, scope, what, report_)};
        if (file == 0) {
            into = std::move(section);
            return;
        }
        report_.error(member.at, what + " may stand only in the main file",
                "move it to " + document_.files[0].path);
        config_.unused.push_back(std::move(section));
    }

    void gather_networks(const Member& member) {
        const TableValue* table = table_of(member, "[networks]");
        if (table == nullptr) return;
        for (const Member& network : table->members) {
            check_name(
                    network, "network");  // what a wrong name stands for is read all the same
            const auto [seen, fresh] = seen_networks_.try_emplace(network.key, network.at);
            if (!fresh)
                report_.conflict(network.at,
                        "network " + quoted(network.key) + " is defined twice", seen->second);
            else
                config_.networks.push_back({network.key, network.at, network.value.get()});
        }
    }

    void gather_named(const Member& member) {
        const TableValue* table = table_of(member, "[" + member.key + ".NAME]");
        if (table == nullptr) return;
        for (const Member& one : table->members) {
            const std::string what = "[" + member.key + "." + one.key + "]";
            if (!std::holds_alternative<TableValue>(one.value->value)) {
                not_a_table(member, one);
                continue;
            }
            check_name(one, member.key);
            gather_one(member.key, one, what);
        }
    }

    // `[service]` with keys in it, for `[service.NAME]`.
    void not_a_table(const Member& member, const Member& one) {
        report_.error(one.at, quoted(one.key) + " stands in [" + member.key + "] itself",
                "write the name in the header: [" + member.key + ".NAME]");
    }

    void gather_one(const std::string& kind, const Member& one, const std::string& what) {
        const auto& table = std::get<TableValue>(one.value->value);
        const auto section = [&](Scope scope) {
            return Section{one.key, one.at, read_settings(table, scope, what, report_)};
        };
        if (kind == "override") {
            config_.overrides[one.key].push_back(section(in_override));
        } else if (kind == "tls") {
            const auto [seen, fresh] = seen_tls_.try_emplace(one.key, one.at);
            if (fresh)
                config_.tls.push_back(section(in_tls));
            else
                defined_twice(section(in_tls), what, seen->second, {});
        } else if (kind == "profile") {
            const auto [seen, fresh] = config_.profiles.try_emplace(one.key);
            if (fresh)
                seen->second = section(in_profile);
            else
                defined_twice(section(in_profile), what, seen->second.at, {});
        } else {
            const auto [seen, fresh] = seen_services_.try_emplace(one.key, one.at);
            if (fresh)
                config_.services.push_back(section(in_service));
            else
                defined_twice(section(in_service), what, seen->second,
                        "to change a service of another file write [override." + one.key + "]");
        }
    }

    void defined_twice(Section again, const std::string& what, const Place& first,
            std::string suggestion) {
        report_.conflict(again.at, what + " is defined twice", first, std::move(suggestion));
        config_.unused.push_back(std::move(again));
    }

    void check_name(const Member& member, std::string_view kind) {
        if (!is_word(member.key))
            report_.error(member.at,
                    quoted(member.key) + " is not a name for a " + std::string(kind),
                    "names have letters, digits, '_' and '-'");
        else if (member.key.size() > max_name)
            report_.error(member.at, "the name has " + std::to_string(member.key.size()) +
                                             " characters; at most " +
                                             std::to_string(max_name) + " are possible");
    }

    void check_overrides() {
        std::vector<std::string_view> names;
        for (const auto& [name, sections] : config_.overrides) {
            if (seen_services_.contains(name)) continue;
            if (names.empty())
                for (const Section& service : config_.services)
                    names.push_back(service.name);
            const std::string_view near = nearest(name, names);
            for (const Section& section : sections)
                report_.warning(section.at,
                        "[override." + name +
                                "] changes nothing: there is no service of that name",
                        near.empty() ? ""
                                     : "did you mean [override." + std::string(near) + "]?");
        }
    }

    const Document& document_;
    Report& report_;
    Config config_;
    std::unordered_map<std::string, Place> seen_services_, seen_networks_, seen_tls_;
};

}  // namespace

std::vector<Setting> read_settings(
        const TableValue& table, Scope scope, const std::string& what, Report& report) {
    std::vector<Setting> settings;
    settings.reserve(table.members.size());
    for (const Member& member : table.members) {
        if (const Option* option = find_option(member.key, scope))
            settings.push_back({option, member.value.get(), member.at});
        else
            unknown_key(member, scope, what, report);
    }
    return settings;
}

Config make_config(const Document& document, Report& report) {
    return Gatherer(document, report).gather();
}

}  // namespace superd
