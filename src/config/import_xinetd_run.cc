// SPDX-License-Identifier: MIT
// What a service of xinetd runs, as whom and within which limits, in superd's words.
#include <algorithm>
#include <array>
#include <map>

#include <fmt/core.h>

#include "base/text.h"
#include "base/units.h"
#include "config/import_xinetd_map.h"
#include "config/values.h"

namespace superd {

namespace {

std::string base_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

}  // namespace

void XinetdMapping::map_program() {
    const XinetdValue* redirect = source_.find("redirect");
    if (redirect != nullptr)
        map_redirect(*redirect);
    else if (internal_)
        map_builtin();
    else
        map_server();
}

void XinetdMapping::map_builtin() {
    static constexpr std::array<std::string_view, 5> both{
            "echo", "discard", "chargen", "daytime", "time"};
    const std::string& name = source_.entry->name;
    const XinetdValue* type = source_.find("type");
    argv0_ = name;
    if (has_flag("SENSOR")) {
        if (type == nullptr || !has_type("INTERNAL"))
            if (source_.find("server") == nullptr)
                return refuse("beside SENSOR it wants type = INTERNAL or a server");
        set(source_.find("flags"), "builtin", "\"sensor\"");
        const XinetdValue* time = source_.find("deny_time");
        if (time == nullptr) return;
        const std::string word = upper_case(time->words.front());
        if (word == "FOREVER" || word == "NEVER")
            return set(time, "deny_for", toml_text(lower_case(word)));
        if (const auto minutes = number("deny_time", 5'000'000))
            set(time, "deny_for",
                    toml_text(*minutes == 0 ? "never" : std::to_string(*minutes) + "m"));
        return;
    }
    const bool known = std::find(both.begin(), both.end(), name) != both.end() ||
                       (name == "tcpmux" && protocol_ == "tcp");
    if (!known) return refuse("it has no internal service " + quote_value(name));
    set(type, "builtin", toml_text(name));
}

void XinetdMapping::map_redirect(const XinetdValue& redirect) {
    const std::string& name = redirect.words[0];
    argv0_ = source_.entry->name;
    if (waits_) refuse(redirect, "redirect needs wait = no");
    if (internal_) refuse(redirect, "an INTERNAL service cannot redirect");
    auto port = parse_decimal(redirect.words[1]);
    if (!port)
        if (const auto listed = host_.port_of(redirect.words[1], protocol_)) port = *listed;
    if (!port || *port == 0 || *port > 65535)
        refuse(redirect, quote_value(redirect.words[1]) + " is not a port");
    const std::string host = name.find(':') == std::string::npos ? name : "[" + name + "]";
    const std::string target = (protocol_.empty() ? "tcp" : protocol_) + ":" + host + ":" +
                               (port ? std::to_string(*port) : redirect.words[1]);
    set(&redirect, "redirect", toml_text(target));
    if (source_.find("server") != nullptr)
        note(ImportSeverity::info, *source_.find("server"), {},
                "xinetd does not run it: it redirects");
}

void XinetdMapping::map_server() {
    const XinetdValue* server = source_.find("server");
    if (server == nullptr) return refuse("it names no server");
    const std::string& path = server->words.front();
    if (server->unseen) refuse(*server, "server counts as not said");
    if (!path.starts_with('/'))
        refuse(*server, quote_value(path) + " is not an absolute path");
    else if (!host_.is_executable(path))
        refuse(*server, quote_value(path) + " is not executable here");
    map_arguments(path);
    if (waits_ || protocol_ == "udp") {
        if (protocol_ == "tcp") {
            set(nullptr, "mode", "\"worker\"");
            set(nullptr, "pass", "\"stdin\"");
        }
        return;
    }
    set(nullptr, "stderr", "\"socket\"");
}

void XinetdMapping::map_arguments(const std::string& server) {
    std::vector<std::string> argv{server};
    const XinetdValue* args = source_.find("server_args");
    if (args != nullptr) argv.insert(argv.end(), args->words.begin(), args->words.end());
    argv0_ = base_name(server);
    if (has_flag("NAMEINARGS")) {
        if (args == nullptr)
            refuse("NAMEINARGS needs server_args");
        else {
            argv0_ = args->words.front();
            argv.erase(argv.begin() + 1);
        }
    }
    warn_of_quotes(args);
    set(source_.find("server"), "exec", toml_array(argv));
    if (args != nullptr) note(ImportSeverity::info, *args, "exec = " + toml_array(argv), {});
    if (argv0_ != server) set(nullptr, "argv0", toml_text(argv0_));
}

// Who writes "hello world" there means one argument.
void XinetdMapping::warn_of_quotes(const XinetdValue* args) {
    const auto quotes = [](const std::string& word) {
        return word.find_first_of("\"'") != std::string::npos;
    };
    if (args != nullptr && std::any_of(args->words.begin(), args->words.end(), quotes))
        note(ImportSeverity::warning, *args, {},
                "quotes mean nothing to xinetd: it splits at each blank and gives them to the "
                "program, and so does superd");
}

void XinetdMapping::map_flags() {
    if (boolean("mdns") == true) set(source_.find("mdns"), "mdns", "true");
    const XinetdValue* flags = source_.find("flags");
    if (flags == nullptr) return;
    const bool tcp = protocol_ == "tcp";
    if (has_flag("KEEPALIVE") && tcp) set(flags, "keepalive", "true");
    if (has_flag("NODELAY") && tcp) set(flags, "no_delay", "true");
    if (has_flag("LABELED")) set(flags, "peer_label", "true");
    if (has_flag("NORETRY"))
        note(ImportSeverity::info, *flags, {},
                "superd does not try a failed start again for the same connection either");
    if (has_flag("INTERCEPT") && !internal_ && waits_)
        note(ImportSeverity::info, *flags, {},
                "the kernel holds every client of a worker against allow and deny");
    if (has_flag("REUSE"))
        note(ImportSeverity::info, *flags, {}, "superd always does what REUSE says");
}

void XinetdMapping::map_identity() {
    if (internal_ || redirect_) return;
    const XinetdValue* user = source_.find("user");
    const XinetdValue* group = source_.find("group");
    if (user == nullptr) {
        refuse("it says no user");
    } else {
        const std::string& name = user->words.front();
        if (user->unseen) refuse(*user, "user counts as not said");
        if (!host_.user_exists(name)) refuse(*user, "there is no user " + quote_value(name));
        set(user, "user", toml_text(name));
        if (group == nullptr && parse_decimal(name)) set(nullptr, "group", toml_text(name));
    }
    if (group != nullptr) {
        const std::string& name = group->words.front();
        if (!host_.group_exists(name)) refuse(*group, "there is no group " + quote_value(name));
        set(group, "group", toml_text(name));
    }
    map_groups();
    map_surroundings();
    map_rlimits();
}

// Without groups = yes xinetd takes all supplementary groups away. With it the user's own group
// stays one of them where `group` takes its place; in superd it would be gone.
void XinetdMapping::map_groups() {
    const XinetdValue* groups = source_.find("groups");
    if (boolean("groups") != true) return set(groups, "groups", "[]");
    const auto own = host_.group_of(source_.word("user"));
    if (own && source_.find("group") != nullptr && *own != source_.word("group"))
        return set(groups, "groups", "{ add = [" + toml_text(*own) + "] }");
    note(ImportSeverity::info, *groups, {}, "superd gives the user's groups by itself");
}

void XinetdMapping::map_surroundings() {
    if (const XinetdValue* umask = source_.find("umask")) {
        const auto bits = parse_octal(umask->words.front());
        if (!bits || *bits > 0777)
            refuse(*umask, quote_value(umask->words.front()) + " is not an octal umask");
        else
            set(umask, "umask", toml_text(format_mode(*bits)));
    }
    if (const XinetdValue* nice = source_.find("nice")) {
        const std::string& word = nice->words.front();
        const bool negative = word.starts_with('-');
        const auto value = parse_decimal(negative ? word.substr(1) : word);
        if (!value)
            refuse(*nice, quote_value(word) + " is not a number");
        else
            set(nice, "nice",
                    (negative && *value != 0 ? "-" : "") +
                            std::to_string(std::min<std::uint64_t>(*value, negative ? 20 : 19)),
                    negative ? "xinetd sets it after the user has changed, so that it has no "
                               "effect but for root"
                             : "");
    }
    map_environment();
    const XinetdValue* pass = source_.find("passenv");
    if (pass == nullptr || pass->words.empty()) return;
    std::vector<std::string> names;
    for (const std::string& name : pass->words)
        if (is_variable_name(name))
            names.push_back(name);
        else
            note(ImportSeverity::lost, *pass, {},
                    quote_value(name) + " is not the name of a variable");
    set(pass, "pass_environment", toml_list(names));
}

void XinetdMapping::map_environment() {
    const XinetdValue* env = source_.find("env");
    if (env == nullptr) return;
    std::map<std::string, std::string> variables;  // the last of a name counts
    for (const std::string& word : env->words) {
        const auto sign = word.find('=');
        const std::string name = word.substr(0, sign);
        if (sign == std::string::npos)
            refuse(*env, quote_value(word) + " is not VARIABLE=value");
        else if (!is_variable_name(name))
            note(ImportSeverity::lost, *env, {},
                    quote_value(name) + " is not the name of a variable");
        else
            variables[name] = toml_text(word.substr(sign + 1));
    }
    std::string table;
    for (const auto& [name, value] : variables)
        table += (table.empty() ? "" : ", ") + name + " = " + value;
    if (!table.empty()) set(env, "environment", "{ " + table + " }");
}

void XinetdMapping::map_rlimits() {
    struct Limit {
        std::string_view attribute, name;
    };

    std::string table;
    const XinetdValue* last = nullptr;
    for (const Limit& limit : {Limit{"rlimit_as", "as"}, Limit{"rlimit_cpu", "cpu"},
                 Limit{"rlimit_data", "data"}, Limit{"rlimit_rss", "rss"},
                 Limit{"rlimit_stack", "stack"}, Limit{"rlimit_files", "nofile"}}) {
        const XinetdValue* value = source_.find(limit.attribute);
        if (value == nullptr) continue;
        auto text = read_xinetd_size(value->words.front());
        if (!text) {
            refuse(*value, quote_value(value->words.front()) + " is not a limit");
            continue;
        }
        // Seconds, and numbers of files, have no K and M in superd.
        if (limit.name == "cpu" && !text->starts_with('"')) text = toml_text(*text + "s");
        if ((limit.name == "cpu" || limit.name == "nofile") &&
                (text->ends_with("K\"") || text->ends_with("M\""))) {
            note(ImportSeverity::lost, *value, {}, "a limit of this kind has no K or M");
            continue;
        }
        const std::string entry = std::string(limit.name) + " = " + *text;
        note(ImportSeverity::info, *value, "rlimits = { " + entry + " }", {});
        table += (table.empty() ? "" : ", ") + entry;
        last = value;
    }
    if (last != nullptr) out_.set("rlimits", "{ " + table + " }", last->at);
}

}  // namespace superd
