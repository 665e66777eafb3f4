// SPDX-License-Identifier: MIT
// Values with a form of their own: commands, hours, outputs, priorities, groups.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/units.h"
#include "config/values.h"

namespace superd {

namespace {

// ---- hours

constexpr std::array<std::string_view, 7> days{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::string_view hours_form = R"(write "08:00-18:00" or "Mon..Fri 07:00-19:00")";

std::optional<unsigned> day_index(std::string_view name) {
    for (unsigned i = 0; i < days.size(); ++i)
        if (days[i] == name) return i;
    return std::nullopt;
}

// "Mon", "Mon..Fri", "Sat..Mon" as bits.
std::optional<std::uint8_t> day_range(std::string_view text) {
    const auto dots = text.find("..");
    const auto from = day_index(text.substr(0, dots));
    const auto to = dots == std::string_view::npos ? from : day_index(text.substr(dots + 2));
    if (!from || !to) return std::nullopt;
    unsigned bits = 0;
    for (unsigned day = *from;; day = (day + 1) % 7) {
        bits |= 1u << day;
        if (day == *to) return static_cast<std::uint8_t>(bits);
    }
}

std::optional<std::uint8_t> day_list(std::string_view text) {
    unsigned bits = 0;
    for (const std::string_view part : split(text, ',')) {
        const auto range = day_range(part);
        if (!range) return std::nullopt;
        bits |= *range;
    }
    return static_cast<std::uint8_t>(bits);
}

// "07:30" in minutes, up to 24:00; -1 where it is no time.
int time_of_day(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon > 2 || text.size() != colon + 3)
        return -1;
    const auto hour = parse_decimal(text.substr(0, colon)),
               minute = parse_decimal(text.substr(colon + 1));
    if (!hour || !minute || *minute > 59 || *hour > 24 || (*hour == 24 && *minute > 0))
        return -1;
    return static_cast<int>(*hour * 60 + *minute);
}

}  // namespace

std::optional<std::vector<std::string>> split_command(std::string_view text) {
    std::vector<std::string> words;
    bool in_word = false;
    char quote = 0;
    for (const char c : text) {
        const bool blank = c == ' ' || c == '\t' || c == '\n';
        if (quote == 0 && blank) {
            in_word = false;
            continue;
        }
        if (!in_word) words.emplace_back();
        in_word = true;
        if (quote == 0 && (c == '"' || c == '\''))
            quote = c;
        else if (quote != 0 && c == quote)
            quote = 0;
        else
            words.back() += c;
    }
    if (quote != 0) return std::nullopt;
    return words;
}

bool is_variable_name(std::string_view name) {
    const auto letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    if (name.empty() || !letter(name.front())) return false;
    return std::all_of(name.begin(), name.end(),
            [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::optional<std::vector<std::string>> Values::command(const Node& node) {
    std::vector<std::string> argv;
    if (const auto* array = std::get_if<ArrayValue>(&node.value)) {
        for (const auto& item : array->items) {
            const std::string* word = text(*item, "each word of exec");
            if (word == nullptr) return std::nullopt;
            argv.push_back(*word);
        }
    } else if (const std::string* line = text(node, "exec")) {
        auto words = split_command(*line);
        if (!words)
            return report_.error(node.at, "a quote in exec is not closed"), std::nullopt;
        argv = std::move(*words);
    } else {
        return std::nullopt;
    }
    if (argv.empty())
        return report_.error(node.at, "exec is empty", R"(write exec = ["/path/of/program"])"),
               std::nullopt;
    if (argv[0].starts_with('/')) return argv;
    report_.error(node.at, "the program's path must be absolute",
            "write \"/usr/bin/" + escape(argv[0]) + "\" or where it is");
    return std::nullopt;
}

std::optional<HoursWindow> Values::hours(const Node& node) {
    const std::string* text = this->text(node, "hours");
    if (text == nullptr) return std::nullopt;
    const std::string_view all = trim(*text);
    const auto blank = all.find(' ');
    HoursWindow window;
    window.origin = origin(node.at);
    std::string_view times = all;
    if (blank != std::string_view::npos) {
        const auto bits = day_list(all.substr(0, blank));
        if (!bits) {
            report_.error(node.at, quoted(all.substr(0, blank)) + " is not a day",
                    "the days are Mon Tue Wed Thu Fri Sat Sun, as in \"Mon..Fri\" or "
                    "\"Sat,Sun\"");
            return std::nullopt;
        }
        window.days = *bits;
        times = trim(all.substr(blank));
    }
    const auto dash = times.find('-');
    const int from = time_of_day(times.substr(0, dash));
    const int to = dash == std::string_view::npos ? -1 : time_of_day(times.substr(dash + 1));
    if (from < 0 || to < 0 || from == 24 * 60) {
        report_.error(
                node.at, quoted(*text) + " is not a time of the week", std::string(hours_form));
        return std::nullopt;
    }
    if (from == to)
        return report_.error(node.at, quoted(*text) + " begins when it ends",
                       "write \"00:00-24:00\" for a whole day"),
               std::nullopt;
    window.from = static_cast<std::uint16_t>(from);
    window.to = static_cast<std::uint16_t>(to);
    return window;
}

std::optional<Output> Values::output(const Node& node, const Option& option) {
    const std::string* text = this->text(node, option.key);
    if (text == nullptr) return std::nullopt;
    constexpr std::string_view file = "file:";
    if (*text == "log") return Output{OutputKind::log, {}};
    if (*text == "null") return Output{OutputKind::null, {}};
    if (*text == "pipe") return Output{OutputKind::pipe, {}};
    if (*text == "socket" && option.key == "stderr") return Output{OutputKind::socket, {}};
    if (text->starts_with(file) && text->size() > file.size() + 1 &&
            (*text)[file.size()] == '/')
        return Output{OutputKind::file, text->substr(file.size())};
    std::string hint = option.key == "stderr"
                               ? R"(write "log", "pipe", "socket", "null" or "file:/path")"
                               : R"(write "log", "pipe", "null" or "file:/path")";
    if (text->starts_with('/')) hint = "write \"file:" + escape(*text) + "\"";
    report_.error(node.at, quoted(*text) + " is not a value of " + std::string(option.key),
            std::move(hint));
    return std::nullopt;
}

std::optional<Frequency> Values::frequency(const Node& node, std::string_view what) {
    if (const auto* bare = std::get_if<IntegerValue>(&node.value)) {
        if (bare->value <= 0)
            report_.error(node.at,
                    std::string(what) +
                            (bare->value == 0 ? " = 0 would let nobody in" : " is negative"),
                    bare->value == 0 ? R"(write "unlimited" for no bound)" : "");
        else
            report_.error(node.at, std::string(what) + " is so many in a period",
                    "write \"" + std::to_string(bare->value) + "/s\"");
        return std::nullopt;
    }
    const std::string* text = this->text(node, what);
    if (text == nullptr) return std::nullopt;
    const auto parsed = parse_frequency(*text);
    if (!parsed) return report_.error(node.at, parsed.error()), std::nullopt;
    return *parsed;
}

std::optional<Values::IoPriority> Values::ionice(const Node& node) {
    const std::string* text = this->text(node, "ionice");
    if (text == nullptr) return std::nullopt;
    if (*text == "idle") return IoPriority{3, 0};
    const auto colon = text->find(':');
    const std::string_view name = std::string_view(*text).substr(0, colon);
    const auto level = colon == std::string::npos
                               ? std::optional<std::uint64_t>(4)
                               : parse_decimal(std::string_view(*text).substr(colon + 1));
    const bool known = name == "best-effort" || name == "realtime";
    if (known && level && *level <= 7)
        return IoPriority{static_cast<std::uint8_t>(name == "realtime" ? 1 : 2),
                static_cast<std::uint8_t>(*level)};
    report_.error(node.at, quoted(*text) + " is not a disk priority",
            R"(write "idle", "best-effort:0" to "best-effort:7" or "realtime:0" to "realtime:7")");
    return std::nullopt;
}

std::optional<std::uint32_t> Values::percent(const Node& node, const Option& option) {
    const std::string* text = this->text(node, option.key);
    if (text == nullptr) return std::nullopt;
    const auto number =
            text->ends_with('%')
                    ? parse_decimal(std::string_view(*text).substr(0, text->size() - 1))
                    : std::nullopt;
    if (number && *number >= static_cast<std::uint64_t>(option.low) &&
            *number <= static_cast<std::uint64_t>(option.high))
        return static_cast<std::uint32_t>(*number);
    report_.error(node.at, quoted(*text) + " is not a share of processors",
            R"(write "50%", or "200%" for two of them)");
    return std::nullopt;
}

bool Values::cpus(const Node& node, std::vector<std::uint32_t>& into) {
    constexpr std::uint64_t highest = 1023;  // CPU_SETSIZE - 1
    std::optional<std::uint64_t> from, to;
    if (const auto* number = std::get_if<IntegerValue>(&node.value)) {
        if (number->value >= 0) from = to = static_cast<std::uint64_t>(number->value);
    } else if (const std::string* text = this->text(node, "cpu_affinity")) {
        const auto dash = text->find('-');
        from = parse_decimal(std::string_view(*text).substr(0, dash));
        to = dash == std::string::npos
                     ? from
                     : parse_decimal(std::string_view(*text).substr(dash + 1));
    } else {
        return false;
    }
    if (!from || !to || *from > *to || *to > highest) {
        report_.error(node.at, "that is not a processor or a range of them",
                R"(write 0, [0, 2] or "0-3"; at most 1023)");
        return false;
    }
    for (std::uint64_t cpu = *from; cpu <= *to; ++cpu)
        into.push_back(static_cast<std::uint32_t>(cpu));
    return true;
}

std::optional<std::string> Values::directory_name(const Node& node, std::string_view what) {
    const std::string* text = this->text(node, what);
    if (text == nullptr) return std::nullopt;
    if (text->starts_with('/')) {
        const auto last = text->rfind('/');
        report_.error(node.at, std::string(what) + " is a name, not a path",
                "write \"" + escape(text->substr(last + 1)) + "\"");
        return std::nullopt;
    }
    for (const std::string_view part : split(*text, '/'))
        if (part.empty() || part == "." || part == "..")
            return report_.error(node.at, quoted(*text) + " is not a directory's name"),
                   std::nullopt;
    if (text->size() <= 255) return *text;
    report_.error(node.at, std::string(what) + " is too long: at most 255 bytes");
    return std::nullopt;
}

std::optional<std::string> Values::variable_name(const Node& node) {
    const std::string* text = this->text(node, "pass_environment");
    if (text == nullptr) return std::nullopt;
    if (is_variable_name(*text)) return *text;
    report_.error(node.at, quoted(*text) + " is not the name of a variable");
    return std::nullopt;
}

std::optional<std::string> Values::multicast(const Node& node) {
    const std::string* text = this->text(node, "join");
    if (text == nullptr) return std::nullopt;
    const auto percent = text->find('%');
    const auto ip = IpAddress::parse(std::string_view(*text).substr(0, percent));
    if (!ip)
        return report_.error(node.at, quoted(*text) + " is not an IP address"), std::nullopt;
    const bool v4 = ip->is_v4();
    const bool multicast = v4 ? (ip->bytes[12] & 0xf0) == 0xe0 : ip->bytes[0] == 0xff;
    if (!multicast)
        return report_.error(node.at, quoted(*text) + " is not a multicast group",
                       "groups are 224.0.0.0/4 and ff00::/8"),
               std::nullopt;
    if (percent == std::string::npos || percent + 1 < text->size()) return *text;
    report_.error(node.at, "the interface behind '%' is missing");
    return std::nullopt;
}

std::optional<Values::Wrappers> Values::wrappers(const Node& node) {
    if (const auto* asked = std::get_if<bool>(&node.value)) return Wrappers{*asked, {}};
    const std::string* text = this->text(node, "tcp_wrappers");
    if (text == nullptr) return std::nullopt;
    // What separates and closes names in hosts.allow cannot be part of one.
    if (!text->empty() && text->size() < 128 &&
            text->find_first_of(" \t\n,:@") == std::string::npos)
        return Wrappers{true, *text};
    report_.error(node.at, quoted(*text) + " is not a name for hosts.allow",
            "write true for the program's own name");
    return std::nullopt;
}

}  // namespace superd
