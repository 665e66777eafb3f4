// SPDX-License-Identifier: MIT
// Reading xinetd's configuration: files, defaults, services, what holds for all of them.
#include "config/import_xinetd.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <unordered_map>

#include <fmt/core.h>

#include "base/text.h"

namespace superd {

namespace {

constexpr std::string_view usual_file = "/etc/xinetd.conf";
constexpr const char* inetd_file = "/etc/inetd.conf";  // of -inetd_compat

// ---- the options that the host starts xinetd with

class Options {
public:
    Options(ImportHost& host, Import& import) : host_(host), import_(import) {}

    void read() {
        // Debian's script makes -inetd_compat of it.
        read("/etc/default/xinetd", "INETD_COMPAT");
        read("/etc/default/xinetd", "XINETD_OPTS");
        read("/etc/sysconfig/xinetd", "EXTRAOPTIONS");
        read("/etc/sysconfig/xinetd", "XINETD_OPTIONS");
    }

    // xinetd's own place where nothing names one; superd's would be standard error, which
    // --background closes.
    void log_as_xinetd() {
        if (std::none_of(import_.daemon.begin(), import_.daemon.end(),
                    [](const ImportSetting& one) { return one.key == "log"; }))
            import_.daemon.push_back({"log", "\"syslog:daemon.info\"",
                    {"where xinetd logs unless it is told otherwise"}, {}, {}});
    }

    std::string file;     // of -f; empty: the usual one
    bool compat = false;  // /etc/inetd.conf is read too

private:
    void read(const std::string& path, std::string_view variable) {
        const auto content = host_.read(path);
        if (content.error == ENOENT) return;
        if (content.error != 0)
            return note(ImportSeverity::warning, {path, 0}, {}, {}, "cannot be read");
        std::uint32_t number = 0;
        for (const std::string_view line : split(content.text, '\n')) {
            ++number;
            std::string_view text = trim(line);
            const auto sign = text.find('=');
            if (sign == std::string_view::npos || text.substr(0, sign) != variable) continue;
            text = trim(text.substr(sign + 1));
            std::string words(text);
            std::erase_if(words, [](char c) { return c == '"' || c == '\''; });
            if (variable == "INETD_COMPAT")
                compat = words.starts_with('Y') || words.starts_with('y');
            else
                take({path, number}, xinetd_words(words));
        }
    }

    void note(ImportSeverity severity, const ImportPlace& at, std::string option,
            std::string made, std::string message) {
        import_.notes.push_back(
                {severity, at, {}, std::move(option), std::move(made), std::move(message)});
    }

    void take(const ImportPlace& at, const std::vector<std::string>& words) {
        for (std::size_t i = 0; i < words.size(); ++i) {
            const std::string& option = words[i];
            const bool has_value = takes_value(option);
            const std::string value = has_value && i + 1 < words.size() ? words[++i] : "";
            take(at, option, value, has_value ? option + " " + value : option);
        }
    }

    static bool takes_value(std::string_view option) {
        static constexpr std::array<std::string_view, 8> options{"-syslog", "-filelog", "-f",
                "-pidfile", "-limit", "-logprocs", "-cc", "-shutdownprocs"};
        return std::find(options.begin(), options.end(), option) != options.end();
    }

    void set(const ImportPlace& at, const std::string& read, const std::string& key,
            const std::string& value) {
        std::erase_if(import_.daemon, [&](const ImportSetting& one) { return one.key == key; });
        import_.daemon.push_back({key, value, {}, at, {}});
        note(ImportSeverity::info, at, read, "[superd] " + key + " = " + value, {});
    }

    void take(const ImportPlace& at, const std::string& option, const std::string& value,
            const std::string& read) {
        if (option == "-syslog")
            set(at, read, "log", toml_text("syslog:" + lower_case(value)));
        else if (option == "-filelog")
            set(at, read, "log", toml_text("file:" + value));
        else if (option == "-limit" && parse_decimal(value).value_or(0) > 0)
            set(at, read, "max_processes", std::to_string(*parse_decimal(value)));
        else if (option == "-f")
            file = value;
        else if (option == "-pidfile")
            note(ImportSeverity::warning, at, read, {},
                    "start superd with --pid-file " + value + " where something reads it");
        else if (option == "-inetd_compat")
            compat = true;
        else
            note(ImportSeverity::info, at, read, {}, "superd needs nothing of the kind");
    }

    ImportHost& host_;
    Import& import_;
};

// ---- all services

class XinetdImport {
public:
    XinetdImport(ImportHost& host, Import& import) : host_(host), import_(import) {}

    void run(const std::vector<std::string>& paths) {
        Options options(host_, import_);
        options.read();
        options.log_as_xinetd();
        auto files = paths;
        if (files.empty()) files.emplace_back(options.file.empty() ? usual_file : options.file);
        text_ = scan_xinetd(files, host_, import_);
        if (options.compat && paths.empty()) {
            auto more = read_inetd_compat(inetd_file, host_, import_);
            if (!more.empty()) files.emplace_back(inetd_file);
            std::move(more.begin(), more.end(), std::back_inserter(text_.services));
        }
        import_.comments.push_back(
                "Made by superctl import xinetd from " + join(files, ", ") + ".");
        append(import_.comments, text_.comments);
        take_defaults();
        read_services();
        look_at_lists();
        find_duplicates();
        facts_.wrappers = HostsAccess(host_);
        for (const XinetdService& service : services_)
            import_.services.push_back(map_xinetd_service(service, facts_, host_, import_));
        write_beside();
        say_what_holds_for_all();
    }

private:
    // What differs is told in the file too, above the service that it is about.
    void write_beside() {
        std::unordered_map<std::string_view, ImportService*> services;
        for (ImportService& service : import_.services)
            services.emplace(service.name, &service);
        for (const ImportNote& note : import_.notes) {
            const auto found = services.find(note.service);
            if (note.severity == ImportSeverity::info || note.read.empty() ||
                    found == services.end())
                continue;
            found->second->comments.push_back(note.read + ": " + note.message);
        }
    }

    static void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
        to.insert(to.end(), from.begin(), from.end());
    }

    void take_defaults() {
        if (text_.defaults.at.line == 0) return;
        defaults_ = read_xinetd_defaults(text_.defaults, import_);
        append(import_.comments, text_.defaults.comments);
        for (const auto& [name, value] : defaults_) {
            append(import_.comments, value.comments);
            import_.notes.push_back({ImportSeverity::info, value.at, {}, value.text, {},
                    "holds for every service that says nothing else"});
        }
        fatal_ = text_.defaults.refusals;
        find_bad_defaults();
        for (const std::string& why : fatal_)
            import_.notes.push_back(
                    {ImportSeverity::warning, text_.defaults.at, {}, "defaults", {},
                            "xinetd does not start with it (" + why +
                                    "); every service comes in disabled"});
    }

    // A wrong value in defaults is the end of xinetd, not of one service.
    void find_bad_defaults() {
        static constexpr std::array<std::string_view, 6> success{
                "PID", "HOST", "USERID", "EXIT", "DURATION", "TRAFFIC"};
        static constexpr std::array<std::string_view, 3> failure{"HOST", "USERID", "ATTEMPT"};
        check_words("log_on_success", success);
        check_words("log_on_failure", failure);
    }

    template <std::size_t N>
    void check_words(std::string_view name, const std::array<std::string_view, N>& known) {
        const auto value = defaults_.find(name);
        if (value == defaults_.end()) return;
        std::erase_if(value->second.words, [&](const std::string& word) {
            if (std::find(known.begin(), known.end(), upper_case(word)) != known.end())
                return false;
            fatal_.push_back(fmt::format("{}:{}: {} is not a value of {}",
                    value->second.at.file, value->second.at.line, quote_value(word), name));
            return true;
        });
    }

    static std::string id_of(const XinetdEntry& entry) {
        for (const XinetdLine& line : entry.lines)
            if (line.name == "id" && line.op == "=" && !line.values.empty())
                return line.values.front();
        return entry.name;
    }

    void read_services() {
        ServiceNames names;
        services_.reserve(text_.services.size());
        for (const XinetdEntry& entry : text_.services) {
            services_.push_back(
                    read_xinetd_service(entry, names.make(id_of(entry)), defaults_, import_));
            XinetdService& service = services_.back();
            for (const std::string& why : fatal_)
                service.switched_off.push_back("xinetd does not start with defaults: " + why);
        }
    }

    // enabled and disabled name ids: only those of the first run, less those of the second.
    void look_at_lists() {
        const auto enabled = defaults_.find("enabled"), disabled = defaults_.find("disabled");
        const auto has = [](const XinetdValue& value, const std::string& id) {
            return std::find(value.words.begin(), value.words.end(), id) != value.words.end();
        };
        for (XinetdService& service : services_) {
            if (enabled != defaults_.end() && !has(enabled->second, service.id))
                service.switched_off.push_back(service.id + " is not in the list enabled");
            if (disabled != defaults_.end() && has(disabled->second, service.id))
                service.switched_off.push_back(service.id + " is in the list disabled");
        }
    }

    static bool runs(const XinetdService& service) {
        return service.switched_off.empty() && service.refusals.empty() &&
               lower_case(service.word("disable")) != "yes";
    }

    // One id, or one port, protocol and address, is for one service: the first.
    void find_duplicates() {
        std::unordered_map<std::string, const XinetdService*> ids, sockets;
        for (XinetdService& service : services_) {
            if (!runs(service)) continue;
            const auto [same, fresh] = ids.emplace(service.id, &service);
            if (!fresh) {
                service.refusals.push_back("id " + service.id + " is taken by the service at " +
                                           place(*same->second));
                continue;
            }
            const std::string key = socket_of(service);
            if (key.empty()) continue;
            const auto [other, first] = sockets.emplace(key, &service);
            if (!first)
                service.refusals.push_back("its port and address are taken by " +
                                           other->second->id + " at " + place(*other->second));
        }
    }

    static std::string place(const XinetdService& service) {
        return service.entry->at.file + ":" + std::to_string(service.entry->at.line);
    }

    [[nodiscard]] std::string socket_of(const XinetdService& service) {
        if (service.has_word("type", "RPC") || service.has_word("type", "TCPMUX") ||
                service.has_word("type", "TCPMUXPLUS"))
            return {};
        std::string protocol = lower_case(service.word("protocol"));
        if (protocol.empty())
            protocol = lower_case(service.word("socket_type")) == "dgram" ? "udp" : "tcp";
        std::string port = service.word("port");
        if (port.empty()) {
            const auto listed = host_.port_of(service.entry->name, protocol);
            if (!listed) return {};
            port = std::to_string(*listed);
        }
        return protocol + ":" + port + ":" + service.word("bind");
    }

    // ---- what holds for all

    void say(ImportSeverity severity, std::string message) {
        import_.notes.push_back({severity, {}, {}, {}, {}, std::move(message)});
    }

    void say_what_holds_for_all() {
        if (services_.empty()) return;
        say_about_wrappers();
        const bool sockets = std::any_of(import_.services.begin(), import_.services.end(),
                [](const ImportService& one) { return one.find("stderr") != nullptr; });
        if (sockets)
            say(ImportSeverity::warning,
                    R"(stderr = "socket": what programs write to descriptor 2 goes to the client, )"
                    R"(as under xinetd; without it, to the log)");
        if (std::any_of(services_.begin(), services_.end(), [](const XinetdService& one) {
                return one.find("env") == nullptr && one.find("passenv") == nullptr;
            }))
            say(ImportSeverity::warning,
                    "programs get a new environment (PATH, HOME, USER, LOGNAME, SHELL, LANG, "
                    "TZ) "
                    "and not xinetd's own; pass_environment names what else they need");
        say(ImportSeverity::warning,
                "max_per_source counts an IPv6 client by its /64, xinetd by its address");
        if (std::any_of(import_.services.begin(), import_.services.end(),
                    [](const ImportService& one) { return one.find("log") != nullptr; }))
            import_.daemon.push_back({"log_format", "\"xinetd\"",
                    {"the lines that readers of xinetd's logs know"}, {}, {}});
    }

    void say_about_wrappers() {
        if (facts_.wrappers.has_rule()) {
            say(ImportSeverity::info,
                    "hosts.allow or hosts.deny has a rule: tcp_wrappers is on for every "
                    "service "
                    "without NOLIBWRAP");
            const std::string place = facts_.wrappers.command_at();
            if (!place.empty())
                say(ImportSeverity::warning, place + ": its command runs as the service's "
                                                     "user, under xinetd as root");
            return;
        }
        const bool asked = std::any_of(services_.begin(), services_.end(),
                [](const XinetdService& one) { return !one.has_word("flags", "NOLIBWRAP"); });
        if (asked)
            import_.notes.push_back({.severity = ImportSeverity::lost,
                    .at = {},
                    .message = "hosts.allow and hosts.deny have no rule, so superd will not "
                               "ask them; should they get one, write tcp_wrappers = true",
                    .in_use = false});
    }

    ImportHost& host_;
    Import& import_;
    XinetdText text_;
    XinetdValues defaults_;
    std::vector<std::string> fatal_;  // why xinetd does not start
    std::vector<XinetdService> services_;
    XinetdHost facts_;
};

}  // namespace

Import import_xinetd(const std::vector<std::string>& paths, ImportHost& host) {
    Import import;
    XinetdImport(host, import).run(paths);
    return import;
}

}  // namespace superd
