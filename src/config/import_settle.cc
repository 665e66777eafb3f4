// SPDX-License-Identifier: MIT
// An import held against the options table, then against the checker itself, round after round,
// until nothing is left that superd would refuse.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"
#include "config/import_write.h"
#include "config/options.h"
#include "config/resolve.h"

namespace superd {

namespace {

// Without these a service does as it did, only less is said about it.
constexpr std::array<std::string_view, 6> harmless{
        "log", "log_admitted", "log_refused", "log_format", "mdns", "description"};
// Without these there is no service.
constexpr std::array<std::string_view, 8> essential{
        "exec", "user", "group", "mode", "builtin", "redirect", "tcpmux", "rpc"};

template <std::size_t N>
bool is_one_of(std::string_view key, const std::array<std::string_view, N>& keys) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool says_who_comes_in(const Option& option) {
    return is_access_rule(option) || option.key == "tcp_wrappers" || option.key == "ident";
}

// The checker asks for names; the host of the import answers.
class ImportNames final : public NameService {
public:
    explicit ImportNames(ImportHost& host) : host_(host) {}

protected:
    std::optional<UserEntry> ask_user(const std::string& name) override {
        if (!host_.user_exists(name)) return std::nullopt;
        return UserEntry{nobody, nobody, name, "/", "/bin/sh"};
    }

    std::optional<std::uint32_t> ask_group(const std::string& name) override {
        if (parse_decimal(name) || host_.group_exists(name)) return nobody;
        return std::nullopt;
    }

    std::vector<std::uint32_t> ask_groups(const std::string&, std::uint32_t gid) override {
        return {gid};
    }

    std::optional<std::uint16_t> ask_port(
            const std::string& service, const char* protocol) override {
        return host_.port_of(service, protocol);
    }

    std::optional<std::string> ask_port_name(std::uint16_t, const char*) override {
        return std::nullopt;
    }

    std::optional<std::uint32_t> ask_rpc_program(const std::string& name) override {
        return host_.rpc_number_of(name);
    }

    std::vector<std::string> ask_rpc_programs() override { return {}; }

private:
    // Whose numbers they are matters to nobody here.
    static constexpr std::uint32_t nobody = 65534;

    ImportHost& host_;
};

// ---- by the options table

class Settler {
public:
    Settler(Import& import, ImportHost& host) : import_(import), names_(host) {}

    // Without an address superd would take it for a daemon, and run with the next start what
    // nobody could ask for before.
    void by_listeners() {
        const std::string why = "it has no address to listen on";
        for (ImportService& service : import_.services) {
            if (!service.listeners.empty() || service.find("tcpmux") != nullptr) continue;
            if (service.disabled.empty())
                import_.notes.push_back({ImportSeverity::lost, service.at, service.name, {}, {},
                        why + "; the service comes in disabled"});
            disable(service, why);
        }
    }

    void by_table() {
        settle_table(import_.daemon, in_superd, nullptr);
        settle_table(import_.defaults, in_defaults, nullptr);
        for (ImportService& service : import_.services) {
            settle_table(service.settings, in_service, &service);
            for (ImportListener& listener : service.listeners)
                settle_table(listener.options, in_listener, &service);
        }
    }

    // Few mistakes are hidden behind others, so few rounds are needed; what is still refused
    // after them goes as a whole.
    void by_checker() {
        constexpr int rounds = 6, most_rounds = 100;
        // What is no TOML is seen one at a time, and hides the rest.
        for (int round = 0, all = 0; round < rounds && all < most_rounds; ++all) {
            const Diagnostics found = check();
            if (!found.has_errors()) return;
            if (readable_) ++round;
            for (const Diagnostic& one : found.all())
                if (one.severity == Severity::error) refuse(one, round == rounds);
        }
    }

private:
    void settle_table(std::vector<ImportSetting>& settings, Scope scope, ImportService* owner) {
        for (ImportSetting& setting : settings)
            if (setting.off.empty() && settle_text(setting, owner))
                settle_setting(setting, scope, owner);
        std::erase_if(settings, [](const ImportSetting& one) { return one.off == drop; });
    }

    // TOML holds text; what is not UTF-8 cannot be said. What runs stays to be seen, disabled.
    bool settle_text(ImportSetting& setting, ImportService* owner) {
        if (is_toml_text(setting.value)) return true;
        switch_off(setting, owner, setting.key + " has bytes that are not text");
        if (owner != nullptr && is_one_of(setting.key, essential)) setting.off.clear();
        return false;
    }

    void settle_setting(ImportSetting& setting, Scope scope, ImportService* owner) {
        const Option* option = find_option(setting.key, scope);
        if (option == nullptr)
            return switch_off(setting, owner, "superd has no " + setting.key + " there");
        if (option->type == ValueType::choice && !has_word(*option, setting.value))
            return switch_off(
                    setting, owner, "superd has no " + setting.key + " = " + setting.value);
        if (owner == nullptr || scope != in_service || setting.key == "mode" ||
                (option->modes & import_mode_bit(*owner)) != 0)
            return;
        const std::string what =
                setting.key + " means nothing for a " + std::string(import_mode_word(*owner));
        if (says_who_comes_in(*option)) return switch_off(setting, owner, what);
        note(ImportSeverity::info, *owner, setting, what);
        setting.off = drop;
    }

    static bool has_word(const Option& option, std::string_view value) {
        for (const std::string_view word : split(option.words, ' '))
            if (toml_text(word) == value) return true;
        return false;
    }

    void note(ImportSeverity severity, const ImportService& service,
            const ImportSetting& setting, const std::string& message) {
        import_.notes.push_back({severity, setting.at.file.empty() ? service.at : setting.at,
                service.name, {}, setting.key + " = " + setting.value, message});
    }

    void switch_off(ImportSetting& setting, ImportService* owner, const std::string& why) {
        setting.off = why;
        if (owner == nullptr) {
            import_.notes.push_back({ImportSeverity::lost, setting.at, {}, {},
                    setting.key + " = " + setting.value, why});
            return;
        }
        const bool matters = !is_one_of(setting.key, harmless);
        note(ImportSeverity::lost, *owner, setting,
                why + (matters ? "; the service comes in disabled" : ""));
        if (matters) disable(*owner, why);
    }

    static void disable(ImportService& service, const std::string& why) {
        if (std::find(service.disabled.begin(), service.disabled.end(), why) ==
                service.disabled.end())
            service.disabled.push_back(why);
    }

    // ---- by the checker

    Diagnostics check() {
        written_ = render_import(import_);
        Diagnostics diagnostics;
        Document document;
        SourceFile file;
        file.path = "superd.toml";
        for (const std::string_view line : split(written_.text, '\n'))
            file.lines.emplace_back(line);
        file.root = parse_toml(written_.text, 0, file.path, diagnostics);
        readable_ = file.root != nullptr;
        document.files.push_back(std::move(file));
        ReadOptions options;
        options.path = "superd.toml";
        options.root = true;
        if (readable_)
            static_cast<void>(resolve_document(document, options, names_, diagnostics));
        return diagnostics;
    }

    void refuse(const Diagnostic& found, bool last) {
        if (found.at.line == 0 || found.at.line > written_.lines.size()) return;
        const ImportLine& line = written_.lines[found.at.line - 1];
        const std::string why = "superd: " + found.message;
        switch (line.of) {
            case ImportLine::Of::service:
                return refuse_service(import_.services[line.index], line, why, last);
            case ImportLine::Of::daemon:
                return switch_off(import_.daemon[line.setting], nullptr, why);
            case ImportLine::Of::defaults:
                return switch_off(import_.defaults[line.setting], nullptr, why);
            case ImportLine::Of::network:
            case ImportLine::Of::nothing: return;
        }
    }

    void refuse_service(
            ImportService& service, const ImportLine& line, const std::string& why, bool last) {
        if (!service.off.empty()) return;
        const bool own_setting = line.setting != ImportLine::none;
        if (own_setting && !last && !is_one_of(service.settings[line.setting].key, essential)) {
            ImportSetting& setting = service.settings[line.setting];
            if (setting.off.empty()) switch_off(setting, &service, why);
            return;
        }
        // A listener that belongs to another service is only refused while both are enabled.
        if (line.listener != ImportLine::none && service.disabled.empty() && !last) {
            import_.notes.push_back({ImportSeverity::lost, service.at, service.name, {}, {},
                    why + "; the service comes in disabled"});
            return disable(service, why);
        }
        const bool awaited = !service.disabled.empty();
        import_.notes.push_back({awaited ? ImportSeverity::warning : ImportSeverity::lost,
                service.at, service.name, {}, {}, why + "; the service is left as a comment"});
        service.off = found_text(why);
    }

    static std::string found_text(const std::string& why) {
        constexpr std::string_view prefix = "superd: ";
        return why.substr(prefix.size());
    }

    static constexpr std::string_view drop = "\n";  // marks what is taken out altogether

    Import& import_;
    ImportNames names_;
    ImportText written_;     // what was checked last
    bool readable_ = false;  // it was TOML
};

}  // namespace

unsigned import_mode_bit(const ImportService& service) {
    const auto bit = [](Mode mode) {
        return 1u << static_cast<unsigned>(mode);
    };
    const auto has = [&](std::string_view key) {
        const ImportSetting* setting = service.find(key);
        return setting != nullptr && setting->off.empty();
    };
    if (has("builtin")) return bit(Mode::builtin);
    if (has("redirect")) return bit(Mode::redirect);
    if (const ImportSetting* mode = service.find("mode"))
        return bit(mode->value == "\"worker\"" ? Mode::worker : Mode::handler);
    if (service.listeners.empty()) return bit(has("tcpmux") ? Mode::handler : Mode::daemon);
    const bool connections = std::any_of(service.listeners.begin(), service.listeners.end(),
            [](const ImportListener& listener) {
                const std::string_view a = listener.address;
                return a.starts_with("tcp") || a.starts_with("unix:") ||
                       a.starts_with("seqpacket") || a.starts_with("vsock");
            });
    return bit(connections ? Mode::handler : Mode::worker);
}

std::string_view import_mode_word(const ImportService& service) {
    constexpr std::array<std::string_view, 5> words{
            "handler", "worker", "service without listen", "builtin", "redirect"};
    for (std::size_t i = 0; i < words.size(); ++i)
        if (import_mode_bit(service) == 1u << i) return words[i];
    return {};
}

void settle_import(Import& import, ImportHost& host) {
    Settler settler(import, host);
    settler.by_listeners();
    settler.by_table();
    settler.by_checker();
}

}  // namespace superd
