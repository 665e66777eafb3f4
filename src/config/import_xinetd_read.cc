// SPDX-License-Identifier: MIT
// Entries as xinetd holds them: what it ignores, what it refuses, what is inherited.
#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/text.h"
#include "config/import_xinetd.h"

namespace superd {

namespace {

// How many words an attribute takes: a number, at least one, or any number.
constexpr int some = -1, any = -2;

// Of one attribute, over all its lines. A line of xinetd has 16 KiB at most.
constexpr std::size_t most_words = 4000;

enum Traits : unsigned {
    plain = 0,
    is_set = 1,      // += and -= edit it, = says it anew
    in_default = 2,  // may stand in defaults
    set_there = 4,   // += and -= edit it in defaults only
    only_there = 8,  // may stand in defaults only
    verbatim = 16    // '#' is a word like any other
};

struct Attribute {
    std::string_view name;
    int words;
    unsigned traits;
};

constexpr std::array attributes{Attribute{"id", 1, plain}, Attribute{"type", some, plain},
        Attribute{"flags", some, plain}, Attribute{"disable", 1, plain},
        Attribute{"socket_type", 1, plain}, Attribute{"protocol", 1, plain},
        Attribute{"wait", 1, plain}, Attribute{"user", 1, plain}, Attribute{"group", 1, plain},
        Attribute{"groups", 1, in_default}, Attribute{"instances", 1, in_default},
        Attribute{"nice", 1, plain}, Attribute{"server", 1, plain},
        Attribute{"server_args", some, verbatim}, Attribute{"libwrap", 1, plain},
        Attribute{"only_from", any, is_set | in_default},
        Attribute{"no_access", any, is_set | in_default},
        Attribute{"access_times", some, plain},
        Attribute{"log_type", any, in_default | set_there},
        Attribute{"log_on_success", any, is_set | in_default},
        Attribute{"log_on_failure", any, is_set | in_default},
        Attribute{"rpc_version", 1, plain}, Attribute{"rpc_number", 1, plain},
        Attribute{"env", any, is_set}, Attribute{"passenv", any, is_set | in_default},
        Attribute{"port", 1, plain}, Attribute{"redirect", 2, plain},
        Attribute{"bind", 1, in_default}, Attribute{"mdns", 1, plain},
        Attribute{"banner", 1, in_default}, Attribute{"banner_success", 1, in_default},
        Attribute{"banner_fail", 1, in_default}, Attribute{"per_source", 1, in_default},
        Attribute{"cps", 2, in_default}, Attribute{"max_load", 1, in_default},
        Attribute{"rlimit_as", 1, plain}, Attribute{"rlimit_cpu", 1, plain},
        Attribute{"rlimit_data", 1, plain}, Attribute{"rlimit_rss", 1, plain},
        Attribute{"rlimit_stack", 1, plain}, Attribute{"rlimit_files", 1, plain},
        Attribute{"deny_time", 1, plain}, Attribute{"umask", 1, in_default},
        Attribute{"v6only", 1, in_default},
        Attribute{"enabled", any, in_default | set_there | only_there},
        Attribute{"disabled", any, in_default | set_there | only_there}};

const Attribute* find_attribute(std::string_view name) {
    if (name == "interface") name = "bind";
    for (const Attribute& one : attributes)
        if (one.name == name) return &one;
    return nullptr;
}

std::string counted(int words) {
    if (words == some) return "at least one value";
    return std::to_string(words) + (words == 1 ? " value" : " values");
}

// What two words of a set are compared by.
std::string canonical(std::string_view attribute, const std::string& word) {
    if (attribute == "env") return word.substr(0, word.find('='));
    return lower_case(word);
}

class Reading {
public:
    // defaults: null while defaults itself is read.
    Reading(Import& import, std::string name, const XinetdValues* defaults)
            : import_(import), name_(std::move(name)), defaults_(defaults) {}

    void take(const XinetdLine& line) {
        const Attribute* attribute = find_attribute(line.name);
        if (attribute == nullptr)
            return ignored(line, "xinetd has no such attribute and ignores the line");
        if (defaults_ == nullptr ? (attribute->traits & in_default) == 0
                                 : (attribute->traits & only_there) != 0)
            return ignored(line, "it may not stand in this entry, and xinetd ignores it");
        XinetdLine clean = line;
        clean.name = attribute->name;
        bool unseen = false;
        if (!take_comment_words(clean, *attribute, unseen)) return;
        if (clean.op == "=")
            assign(clean, *attribute, unseen);
        else
            edit(clean, *attribute);
    }

    XinetdValues values;
    std::vector<std::string> refusals;

private:
    void note(ImportSeverity severity, const XinetdLine& line, const std::string& message) {
        import_.notes.push_back({severity, line.at, name_, line.text, {}, message});
    }

    void ignored(const XinetdLine& line, const std::string& message) {
        note(ImportSeverity::warning, line, message);
    }

    void refuse(const XinetdLine& line, const std::string& why) {
        note(ImportSeverity::warning, line, why);
        refusals.push_back("line " + std::to_string(line.at.line) + ": " + why);
    }

    // xinetd has no comments behind values: their words count as values. False where nothing
    // is left to take.
    bool take_comment_words(XinetdLine& line, const Attribute& attribute, bool& unseen) {
        const auto hash = std::find_if(line.values.begin(), line.values.end(),
                [](const std::string& word) { return word.starts_with('#'); });
        const bool comment = hash != line.values.end();
        const auto count = static_cast<int>(line.values.size());
        if (attribute.words >= 0) {
            const auto kept = static_cast<int>(hash - line.values.begin());
            if (count == attribute.words) return true;
            if (comment && kept == attribute.words) {
                line.values.erase(hash, line.values.end());
                unseen = true;
                note(ImportSeverity::warning, line,
                        "DANGER: xinetd has no comments behind a value, so it ignores this "
                        "line "
                        "and does as though it were not there; superd takes what it says");
                return true;
            }
            ignored(line,
                    "xinetd expects " + counted(attribute.words) + " and ignores the line");
            return false;
        }
        if (comment) take_comment_members(line, attribute, hash);
        if (!line.values.empty() || attribute.words == any) return true;
        ignored(line, "xinetd expects " + counted(some) + " and ignores the line");
        return false;
    }

    void take_comment_members(XinetdLine& line, const Attribute& attribute,
            std::vector<std::string>::iterator hash) {
        if ((attribute.traits & verbatim) != 0)
            return note(ImportSeverity::warning, line,
                    "xinetd has no comments behind values: the program is given '#' and what "
                    "follows as arguments, and so it is by superd");
        const bool list = attribute.name == "only_from" || attribute.name == "no_access" ||
                          attribute.name == "passenv" || attribute.name == "enabled" ||
                          attribute.name == "disabled";
        const std::string what =
                "DANGER: xinetd has no comments behind values: it takes the "
                "words of this one for members of the list";
        if (list)
            note(ImportSeverity::warning, line, what + "; superd leaves them out");
        else
            refuse(line, quote_value(*hash) +
                                 " is not a value: xinetd has no comments behind values");
        line.values.erase(hash, line.values.end());
    }

    [[nodiscard]] bool is_editable(const Attribute& attribute) const {
        return (attribute.traits & is_set) != 0 ||
               ((attribute.traits & set_there) != 0 && defaults_ == nullptr);
    }

    void assign(const XinetdLine& line, const Attribute& attribute, bool unseen) {
        const auto known = values.find(line.name);
        if (known != values.end() && !is_editable(attribute))
            return ignored(
                    line, "it is set above; xinetd takes the first and ignores this one");
        // In defaults, = adds to what stands above.
        if (known != values.end() && defaults_ == nullptr) return add(line, known->second);
        XinetdValue& value = values[line.name];
        auto comments = std::move(value.comments);
        value = {line.values, line.at, line.text, std::move(comments), false, unseen};
        take_comments(line, value);
    }

    void edit(const XinetdLine& line, const Attribute& attribute) {
        if (line.name == "env" && line.op == "-=")
            return refuse(line, "xinetd has no -= for env and disables the service");
        if (!is_editable(attribute))
            return ignored(line,
                    "xinetd has no " + line.op + " for " + line.name + " and ignores the line");
        auto known = values.find(line.name);
        if (known == values.end()) known = values.emplace(line.name, inherited(line)).first;
        if (line.op == "+=")
            add(line, known->second);
        else
            remove(line, known->second);
    }

    XinetdValue inherited(const XinetdLine& line) const {
        if (defaults_ != nullptr)
            if (const auto found = defaults_->find(line.name); found != defaults_->end())
                return {found->second.words, line.at, line.text, {}, false, false};
        return {{}, line.at, line.text, {}, false, false};
    }

    void add(const XinetdLine& line, XinetdValue& value) {
        std::unordered_set<std::string> known;
        for (const std::string& word : value.words)
            known.insert(canonical(line.name, word));
        for (const std::string& word : line.values) {
            const std::string key = canonical(line.name, word);
            if (known.insert(key).second)
                value.words.push_back(word);
            else
                replace(line, value, key, word);
        }
        take_comments(line, value);
        if (value.words.size() <= most_words) return;
        refuse(line, "more than " + std::to_string(most_words) + " values");
        value.words.resize(most_words);
    }

    static void replace(const XinetdLine& line, XinetdValue& value, const std::string& key,
            const std::string& word) {
        for (std::string& other : value.words)
            if (canonical(line.name, other) == key) other = word;
    }

    static void remove(const XinetdLine& line, XinetdValue& value) {
        std::unordered_set<std::string> gone;
        for (const std::string& word : line.values)
            gone.insert(canonical(line.name, word));
        std::erase_if(value.words, [&](const std::string& other) {
            return gone.contains(canonical(line.name, other));
        });
        take_comments(line, value);
    }

    static void take_comments(const XinetdLine& line, XinetdValue& value) {
        value.comments.insert(value.comments.end(), line.comments.begin(), line.comments.end());
        value.text = line.text;
    }

    Import& import_;
    std::string name_;
    const XinetdValues* defaults_;
};

}  // namespace

const XinetdValue* XinetdService::find(std::string_view attribute) const {
    const auto found = values.find(attribute);
    return found == values.end() ? nullptr : &found->second;
}

std::string XinetdService::word(std::string_view attribute) const {
    const XinetdValue* value = find(attribute);
    return value == nullptr || value->words.empty() ? "" : value->words.front();
}

bool XinetdService::has_word(std::string_view attribute, std::string_view word) const {
    const XinetdValue* value = find(attribute);
    return value != nullptr &&
           std::any_of(value->words.begin(), value->words.end(),
                   [&](const std::string& one) { return upper_case(one) == word; });
}

XinetdValues read_xinetd_defaults(XinetdEntry& entry, Import& import) {
    Reading reading(import, {}, nullptr);
    for (const XinetdLine& line : entry.lines)
        reading.take(line);
    entry.refusals.insert(
            entry.refusals.end(), reading.refusals.begin(), reading.refusals.end());
    return std::move(reading.values);
}

XinetdService read_xinetd_service(const XinetdEntry& entry, std::string name,
        const XinetdValues& defaults, Import& import) {
    Reading reading(import, name, &defaults);
    for (const XinetdLine& line : entry.lines)
        reading.take(line);
    XinetdService service{
            &entry, entry.name, std::move(name), std::move(reading.values), entry.refusals, {}};
    service.refusals.insert(
            service.refusals.end(), reading.refusals.begin(), reading.refusals.end());
    for (const auto& [key, value] : defaults) {
        const auto [place, fresh] = service.values.emplace(key, value);
        if (fresh) place->second.inherited = true;
    }
    if (const XinetdValue* id = service.find("id"); id != nullptr && !id->words.empty())
        service.id = id->words.front();
    return service;
}

}  // namespace superd
