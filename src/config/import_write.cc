// SPDX-License-Identifier: MIT
// The text of an import: tables by topic, comments above what they speak of.
#include "config/import_write.h"

#include <algorithm>

#include "base/text.h"
#include "config/options.h"

namespace superd {

namespace {

constexpr std::size_t comment_width = 96;
constexpr std::size_t list_width = 96;  // a longer line has its list broken

// Options in the order of the options table; what it does not have comes last.
std::size_t rank(std::string_view key, Scope scope) {
    const Option* option = find_option(key, scope);
    if (option == nullptr) return all_options().size();
    return static_cast<std::size_t>(option - all_options().data());
}

std::vector<std::size_t> in_order(const std::vector<ImportSetting>& settings, Scope scope) {
    std::vector<std::size_t> order(settings.size());
    for (std::size_t i = 0; i < order.size(); ++i)
        order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return rank(settings[a].key, scope) < rank(settings[b].key, scope);
    });
    return order;
}

std::size_t key_width(const std::vector<ImportSetting>& settings, std::size_t least) {
    constexpr std::size_t widest = 18;
    std::size_t width = least;
    for (const ImportSetting& setting : settings)
        if (setting.off.empty() && setting.key.size() <= widest)
            width = std::max(width, setting.key.size());
    return width;
}

// The elements of an array as they are written; none where the value is no array, or ends
// otherwise than it begins.
std::vector<std::string_view> elements_of(std::string_view value) {
    if (!value.starts_with('[') || !value.ends_with(']')) return {};
    std::vector<std::string_view> elements;
    std::size_t begin = 1, depth = 0;
    bool quoted = false;
    for (std::size_t i = 1; i < value.size(); ++i) {
        const char c = value[i];
        if (quoted) {
            i += c == '\\' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if ((c == ',' || c == ']') && depth == 0) {
            const std::string_view element = trim(value.substr(begin, i - begin));
            if (!element.empty()) elements.push_back(element);
            begin = i + 1;
        } else {
            depth += c == '[' || c == '{' ? 1 : 0;
            depth -= c == ']' || c == '}' ? 1 : 0;
        }
    }
    return elements;
}

class TextWriter {
public:
    void line(std::string_view text, const ImportLine& from = {}) {
        (out_.text += text) += '\n';
        out_.lines.push_back(from);
    }

    // One comment, broken at blanks where it is long; control characters escaped.
    void comment(std::string_view text) {
        std::string rest = escape(text);
        while (rest.size() > comment_width) {
            const auto blank = rest.rfind(' ', comment_width);
            if (blank == std::string::npos || blank == 0) break;
            line("# " + rest.substr(0, blank));
            rest.erase(0, blank + 1);
        }
        line(rest.empty() ? "#" : "# " + rest);
    }

    void comments(const std::vector<std::string>& texts) {
        for (const std::string& text : texts)
            comment(text);
    }

    // Nothing further is read: every line up to end_off() becomes a comment.
    void setting(const ImportSetting& setting, std::size_t width, const ImportLine& from) {
        comments(setting.comments);
        std::string key = setting.key;
        if (key.size() < width) key.resize(width, ' ');
        if (setting.off.empty()) return assign(key, setting.value, from, "");
        comment(setting.off + ":");
        assign(setting.key, setting.value, from, "# ");
    }

    // A list that is long goes over several lines: the parser bounds what may stand in one.
    void assign(const std::string& key, const std::string& value, const ImportLine& from,
            const std::string& before) {
        const auto elements = elements_of(value);
        if (key.size() + value.size() < list_width || elements.empty())
            return line(before + key + " = " + value, from);
        line(before + key + " = [", from);
        const std::string indent = before + "   ";
        std::string row = indent;
        for (const std::string_view element : elements) {
            if (row.size() + element.size() + 2 > list_width && row.size() > indent.size()) {
                line(row, from);
                row = indent;
            }
            ((row += ' ') += element) += ',';
        }
        line(row, from);
        line(before + "]", from);
    }

    ImportText take() { return std::move(out_); }

    [[nodiscard]] std::size_t size() const { return out_.lines.size(); }

    // Turns all lines from `first` on into comments.
    void comment_out(std::size_t first) {
        std::string text;
        std::size_t number = 0;
        for (const std::string_view one : split(out_.text, '\n')) {
            if (number == out_.lines.size()) break;
            if (number++ >= first && !one.starts_with('#')) text += one.empty() ? "#" : "# ";
            (text += one) += '\n';
        }
        out_.text = std::move(text);
    }

private:
    ImportText out_;
};

void write_settings(TextWriter& out, const std::vector<ImportSetting>& settings, Scope scope,
        std::size_t width, ImportLine from) {
    for (const std::size_t i : in_order(settings, scope)) {
        from.setting = i;
        out.setting(settings[i], width, from);
    }
}

std::string listener_table(const ImportListener& listener) {
    std::string text = "{ address = " + toml_text(listener.address);
    for (const ImportSetting& option : listener.options)
        if (option.off.empty()) text += ", " + option.key + " = " + option.value;
    return text + " }";
}

bool is_plain(const ImportListener& listener) {
    return std::all_of(listener.options.begin(), listener.options.end(),
            [](const ImportSetting& option) { return !option.off.empty(); });
}

std::string listener_value(const ImportListener& listener) {
    return is_plain(listener) ? toml_text(listener.address) : listener_table(listener);
}

void write_listeners(
        TextWriter& out, const ImportService& service, std::size_t width, ImportLine from) {
    if (service.listeners.empty()) return;
    std::string key = "listen";
    key.resize(std::max(width, key.size()), ' ');
    for (const ImportListener& listener : service.listeners)
        for (const ImportSetting& option : listener.options) {
            out.comments(option.comments);
            if (!option.off.empty())
                out.comment(option.off + ": " + option.key + " = " + option.value);
        }
    from.listener = 0;
    if (service.listeners.size() == 1)
        return out.line(key + " = " + listener_value(service.listeners.front()), from);
    out.line(key + " = [", from);
    for (const ImportListener& listener : service.listeners) {
        out.line("    " + listener_value(listener) + ",", from);
        ++from.listener;
    }
    out.line("]");
}

void write_service(TextWriter& out, const ImportService& service, std::size_t index) {
    const ImportLine from{ImportLine::Of::service, index, ImportLine::none, ImportLine::none};
    const std::size_t first = out.size();
    out.comments(service.comments);
    if (!service.off.empty())
        out.comment("Not taken over, since superd refuses it as it is: " + service.off);
    out.line("[service." + toml_key(service.name) + "]", from);
    const bool disabled = !service.disabled.empty();
    const std::size_t width = key_width(service.settings, disabled ? 7 : 6);
    for (const std::string& reason : service.disabled)
        out.comment("disabled: " + reason);
    std::string key = "enabled";
    key.resize(std::max(width, key.size()), ' ');
    if (disabled) out.line(key + " = false", from);
    write_listeners(out, service, width, from);
    write_settings(out, service.settings, in_service, width, from);
    if (!service.off.empty()) out.comment_out(first);
}

void write_table(TextWriter& out, std::string_view header,
        const std::vector<ImportSetting>& settings, Scope scope, ImportLine::Of of) {
    if (settings.empty()) return;
    out.line("");
    out.line(header);
    write_settings(out, settings, scope, key_width(settings, 0),
            {of, ImportLine::none, ImportLine::none, ImportLine::none});
}

// All but the services.
void write_common(TextWriter& out, const Import& import, bool split) {
    out.comments(import.comments);
    if (split) {
        out.line("");
        out.line("include = [\"superd.d/*.toml\"]");
    }
    write_table(out, "[superd]", import.daemon, in_superd, ImportLine::Of::daemon);
    if (!import.networks.empty()) {
        out.line("");
        out.line("[networks]");
        for (std::size_t i = 0; i < import.networks.size(); ++i)
            out.assign(toml_key(import.networks[i].name), import.networks[i].value,
                    {ImportLine::Of::network, i, ImportLine::none, ImportLine::none}, "");
    }
    write_table(out, "[defaults]", import.defaults, in_defaults, ImportLine::Of::defaults);
}

void write_profiles(TextWriter& out, const std::vector<ImportProfile>& profiles) {
    for (const ImportProfile& profile : profiles) {
        out.line("");
        out.comments(profile.comments);
        out.line("[profile." + profile.name + "]");
        write_settings(out, profile.settings, in_profile, key_width(profile.settings, 0), {});
    }
}

ImportText render(const Import& import, const std::vector<ImportProfile>& profiles) {
    TextWriter out;
    write_common(out, import, false);
    write_profiles(out, profiles);
    for (std::size_t i = 0; i < import.services.size(); ++i) {
        out.line("");
        write_service(out, import.services[i], i);
    }
    return out.take();
}

}  // namespace

ImportText render_import(const Import& import) {
    return render(import, {});
}

std::vector<ImportedFile> write_import(const Import& import, bool split) {
    Import shared = import;
    share_import_settings(shared);
    const std::vector<ImportProfile> profiles = make_import_profiles(shared);
    if (!split) return {{"superd.toml", render(shared, profiles).text}};
    TextWriter common;
    write_common(common, shared, true);
    write_profiles(common, profiles);
    std::vector<ImportedFile> files{{"superd.toml", common.take().text}};
    for (std::size_t i = 0; i < shared.services.size(); ++i) {
        TextWriter out;
        write_service(out, shared.services[i], i);
        files.push_back({"superd.d/" + shared.services[i].name + ".toml", out.take().text});
    }
    return files;
}

}  // namespace superd
