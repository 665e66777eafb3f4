// SPDX-License-Identifier: MIT
// The options table for people: `superctl options` and superd.toml(5).
#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/units.h"
#include "config/options.h"

namespace superd {

namespace {

using T = ValueType;

struct TypeName {
    ValueType type;
    std::string_view text;
};

constexpr std::array type_names{TypeName{T::text, "text"},
        TypeName{T::boolean, "true or false"}, TypeName{T::integer, "a number"},
        TypeName{T::number, "a number, with a fraction or without"},
        TypeName{T::bound, "a number or \"unlimited\""},
        TypeName{T::duration, "a duration like \"250ms\" or \"1h30m\""},
        TypeName{T::time_bound, "a duration like \"10m\" or \"unlimited\""},
        TypeName{T::denial, "a duration like \"10m\", \"forever\" or \"never\""},
        TypeName{T::size, "a size like \"512K\""},
        TypeName{T::mode, "permissions like \"0660\""}, TypeName{T::path, "an absolute path"},
        TypeName{T::user, "a user"}, TypeName{T::group, "a group"}, TypeName{T::name, "a name"},
        TypeName{T::profile, "the name of a profile"},
        TypeName{T::command, "a program and its arguments, a list or text"},
        TypeName{T::addresses, "an address, a table with address in it, or a list of them"},
        TypeName{T::targets, "an address to connect to, or a list of them"},
        TypeName{T::address, "an address like \"tcp:22\""},
        TypeName{T::access, "a list of addresses, blocks and names"},
        TypeName{T::hours, "a list of times like \"Mon..Fri 07:00-19:00\""},
        TypeName{T::rate, "a rate like \"50/s\", { limit, burst, pause } or \"unlimited\""},
        TypeName{T::rlimits, "a table of limits"}, TypeName{T::text_table, "a table of text"},
        TypeName{T::path_table, "a table of paths"}, TypeName{T::path_list, "a list of paths"},
        TypeName{T::directories, "a list of names"}, TypeName{T::variables, "a list of names"},
        TypeName{T::groups, "a list of groups"}, TypeName{T::output, "a place to write to"},
        TypeName{T::sinks, "a list of places to write to"},
        TypeName{T::workers, "a number, \"cores\" or { min, max, after }"},
        TypeName{T::replicas, "a number or a list of names"},
        TypeName{T::starters, "a list of \"einhorn\" and \"server_starter\""},
        TypeName{T::prestart, "a number or { count, max_age }"},
        TypeName{T::ionice, "a disk priority"},
        TypeName{T::cpus, "a list of numbers and ranges"}, TypeName{T::percent, "a percentage"},
        TypeName{T::multicast, "a list of multicast groups"},
        TypeName{T::clean_exits, "a list of exit statuses and signals"},
        TypeName{T::capabilities, "a list of capabilities"},
        TypeName{T::system_calls, "a list of system calls and groups of them"},
        TypeName{T::address_families, "a list of address families"},
        TypeName{T::frequency, "a frequency like \"5/10s\" or \"unlimited\""},
        TypeName{T::commands, "a command as a list or text, or a list of such lists"},
        TypeName{T::reload, "a signal, { signal, wait } or a command"},
        TypeName{T::ready,
                "\"exec\", \"notify\", \"fd:N\", \"listen\", \"listen:ADDRESS\" or \"exit\""},
        TypeName{T::wrappers, "true, false or a name"},
        TypeName{T::rpc, "{ program, versions }"},
        TypeName{T::mdns, "true, false or { type, name, txt }"},
        TypeName{T::calendar, "a list of moments like \"Mon..Fri 03:30\""},
        TypeName{T::services, "a list of services"},
        TypeName{T::proxy_protocol, "{ from, version, required, timeout }"},
        TypeName{T::proxy_tlvs, "a list of words"},
        TypeName{T::tls, "a profile's name or a table of [tls.NAME]'s keys"},
        TypeName{T::tls_words, "a list of OpenSSL's names"},
        TypeName{T::health,
                "a table of exec, tcp, http or unix, and every, timeout, start_delay, "
                "failures, successes, action"}};

struct ScopeName {
    Scope scope;
    std::string_view text;
};

constexpr std::array scope_names{ScopeName{in_superd, "[superd]"},
        ScopeName{in_defaults, "[defaults]"}, ScopeName{in_profile, "[profile.NAME]"},
        ScopeName{in_service, "[service.NAME]"}, ScopeName{in_override, "[override.NAME]"},
        ScopeName{in_listener, "a listener's table"}, ScopeName{in_tls, "[tls.NAME]"}};

std::string quoted_words(std::string_view words) {
    std::string text;
    for (const std::string_view word : split(words, ' ')) {
        if (!text.empty()) text += ", ";
        text += "\"" + std::string(word) + "\"";
    }
    return text;
}

std::string amount(const Option& option, std::int64_t value) {
    if (option.type == T::duration || option.type == T::time_bound)
        return "\"" + format_duration(std::chrono::milliseconds(value)) + "\"";
    if (option.type == T::size)
        return "\"" + format_size(static_cast<std::uint64_t>(value)) + "\"";
    return std::to_string(value);
}

bool has_range(const Option& option) {
    const bool counted = option.type == T::integer || option.type == T::bound ||
                         option.type == T::duration || option.type == T::time_bound ||
                         option.type == T::size || option.type == T::workers;
    return counted && option.high != std::numeric_limits<std::int64_t>::max();
}

void line(std::string& out, std::string_view label, std::string_view text) {
    if (text.empty()) return;
    out += "  ";
    out += label;
    out.append(label.size() < 10 ? 10 - label.size() : 1, ' ');
    out += text;
    out += '\n';
}

// ---- mdoc

// Text for mdoc: backslashes doubled, no request at the start of a line.
std::string mdoc(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\')
            out += "\\e";
        else if (c == '"')
            out += "\\(dq";
        else if (c == '-')
            out += "\\-";
        else
            out += c;
    }
    if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
    return out;
}

struct Topic {
    std::string_view first_key;  // the option that begins it
    std::uint8_t scope;
    std::string_view title;
};

constexpr std::array topics{Topic{"log", in_superd, "The daemon"},
        Topic{"description", in_service, "What a service is"},
        Topic{"allow", in_service, "Who may come in"}, Topic{"user", in_service, "Processes"},
        Topic{"sandbox", in_service, "What processes may not do"},
        Topic{"address", in_listener, "Listeners"},
        Topic{"certificate", in_tls, "TLS profiles"}};

void begin_topic(std::string& out, const Option& option) {
    for (const Topic& topic : topics) {
        if (topic.first_key != option.key || (option.where & topic.scope) == 0) continue;
        if (!out.empty()) out += ".El\n";
        out += ".Ss ";
        out += topic.title;
        out += "\n.Bl -tag -width Ds\n";
    }
}

void render_mdoc_item(std::string& out, const Option& option) {
    out += ".It Cm " + std::string(option.key) + "\n";
    out += mdoc(option.help) + "\n.br\n";
    std::string facts = "Takes " + type_text(option) + ".";
    if (!option.default_text.empty())
        facts += "\nDefault: " + std::string(option.default_text) + ".";
    if (const std::string modes = modes_text(option); !modes.empty())
        facts += "\nFor: " + modes + ".";
    facts += "\nIn " + scope_text(option) + ".";
    facts += "\nA change takes effect " + std::string(effect_text(option.effect)) + ".";
    out += mdoc(facts) + "\n";
}

}  // namespace

std::string type_text(const Option& option) {
    if (option.type == T::choice) return "one of " + quoted_words(option.words);
    if (option.type == T::log_facts) return "a list of " + quoted_words(option.words);
    for (const TypeName& name : type_names) {
        if (name.type != option.type) continue;
        std::string text(name.text);
        if (has_range(option))
            text += ", " + amount(option, option.low) + " to " + amount(option, option.high);
        return text;
    }
    return {};
}

std::string scope_text(const Option& option) {
    std::string text;
    for (const ScopeName& name : scope_names) {
        if ((option.where & name.scope) == 0) continue;
        if (!text.empty()) text += ", ";
        text += name.text;
    }
    return text;
}

std::string_view effect_text(Effect effect) {
    switch (effect) {
        case Effect::at_once: return "at once";
        case Effect::next_start: return "with the next start of a process";
        case Effect::rebind: return "by binding the address again";
    }
    return {};
}

std::string modes_text(const Option& option) {
    if (option.where == in_superd || option.modes == for_all_modes) return {};
    std::string text;
    const auto add = [&](std::uint8_t bit, std::string_view name) {
        if ((option.modes & bit) == 0) return;
        if (!text.empty()) text += ", ";
        text += name;
    };
    add(for_handler, "handlers");
    add(for_worker, "workers");
    add(for_daemon, "services without listen");
    add(for_builtin, "builtins");
    add(for_redirect, "redirects");
    return text;
}

std::string render_option(const Option& option) {
    std::string out = option_name(option) + "\n";
    out += "  " + std::string(option.help) + "\n";
    line(out, "takes", type_text(option));
    line(out, "default", option.default_text);
    line(out, "where", scope_text(option));
    line(out, "for", modes_text(option));
    line(out, "effect", effect_text(option.effect));
    line(out, "xinetd", option.xinetd);
    line(out, "inetd", option.inetd);
    line(out, "systemd", option.systemd);
    return out;
}

std::string render_option_list() {
    std::size_t width = 0;
    for (const Option& option : all_options())
        width = std::max(width, option_name(option).size());
    std::string out;
    for (const Option& option : all_options()) {
        std::string name = option_name(option);
        name.resize(width + 2, ' ');
        out += name + std::string(option.help) + "\n";
    }
    return out;
}

std::string render_options_mdoc() {
    std::string out;
    for (const Option& option : all_options()) {
        begin_topic(out, option);
        render_mdoc_item(out, option);
    }
    return out + ".El\n";
}

}  // namespace superd
