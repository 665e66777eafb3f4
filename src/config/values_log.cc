// SPDX-License-Identifier: MIT
// Where lines go and what they carry: the values of log, log_admitted and log_refused.
#include <array>

#include "base/text.h"
#include "config/values.h"

namespace superd {

namespace {

// syslog.h's facilities by their number, without those that are the kernel's and syslogd's own.
constexpr std::array<std::string_view, 24> facilities{"", "user", "mail", "daemon", "auth", "",
        "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "", "", "local0", "local1",
        "local2", "local3", "local4", "local5", "local6", "local7"};
constexpr std::array<std::string_view, 8> severities{
        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

constexpr std::array<std::string_view, 7> facts{
        "pid", "host", "user", "exit", "duration", "traffic", "attempt"};

template <std::size_t N>
std::optional<std::uint8_t> index_of(
        const std::array<std::string_view, N>& words, std::string_view word) {
    for (std::size_t i = 0; i < N; ++i)
        if (!word.empty() && words[i] == word) return static_cast<std::uint8_t>(i);
    return std::nullopt;
}

// "local4.info" behind "syslog:".
std::optional<SinkPlan> parse_syslog(std::string_view text) {
    SinkPlan plan{SinkKind::syslog, {}};
    const std::size_t dot = text.find('.');
    const auto facility = index_of(facilities, text.substr(0, dot));
    if (!facility) return std::nullopt;
    plan.facility = *facility;
    if (dot == std::string_view::npos) return plan;
    plan.severity = index_of(severities, text.substr(dot + 1));
    return plan.severity ? std::optional(plan) : std::nullopt;
}

std::optional<SinkPlan> parse_sink(std::string_view text) {
    constexpr std::string_view file = "file:", syslog = "syslog:";
    if (text == "stderr") return SinkPlan{SinkKind::stderr_text, {}};
    if (text == "syslog") return SinkPlan{SinkKind::syslog, {}};
    if (text == "journal") return SinkPlan{SinkKind::journal, {}};
    if (text.starts_with(syslog)) return parse_syslog(text.substr(syslog.size()));
    const std::string_view path = text.substr(text.starts_with(file) ? file.size() : 0);
    if (text.starts_with(file) && path.size() > 1 && path.front() == '/')
        return SinkPlan{SinkKind::file, std::string(path)};
    return std::nullopt;
}

constexpr std::int64_t most_kept = 100'000;
constexpr std::uint64_t least_rotated = 4096;
constexpr Nanoseconds least_age = std::chrono::seconds(1);

// What a file's sizes are to one another; empty: well.
std::string_view sizes_trouble(const SinkPlan& plan) {
    if (plan.rotation && (plan.soft_size || plan.hard_size))
        return "a file that is rotated does not fill up: write either soft and hard or "
               "rotate_size";
    if (plan.hard_size.value_or(1) == 0 || plan.soft_size > plan.hard_size.value_or(~0ull))
        return "hard is above 0, and soft is not above it";
    if (plan.rotation && plan.path.rfind('/') == 0)
        return "a file that is rotated lies in a directory below /";
    if (plan.rotation && plan.rotation->size < least_rotated)
        return "rotate_size is at least 4K";
    if (plan.rotation && plan.rotation->age && *plan.rotation->age < least_age)
        return "rotate_age is at least 1s";
    return {};
}

}  // namespace

std::string sink_text(const SinkPlan& sink) {
    switch (sink.kind) {
        case SinkKind::stderr_text: return "stderr";
        case SinkKind::file: return "file:" + sink.path;
        case SinkKind::journal: return "journal";
        case SinkKind::syslog: break;
    }
    if (sink == SinkPlan{SinkKind::syslog, {}}) return "syslog";
    std::string text = "syslog:" + std::string(facilities[sink.facility % facilities.size()]);
    if (sink.severity) text += "." + std::string(severities[*sink.severity & 7]);
    return text;
}

std::vector<std::string_view> log_fact_words(std::uint8_t bits) {
    std::vector<std::string_view> words;
    for (std::size_t i = 0; i < facts.size(); ++i)
        if ((bits & 1u << i) != 0) words.push_back(facts[i]);
    return words;
}

std::optional<SinkPlan> Values::sink(const Node& node) {
    if (std::holds_alternative<TableValue>(node.value)) return sized_file(node);
    const std::string* text = this->text(node, "log");
    if (text == nullptr) return std::nullopt;
    if (auto plan = parse_sink(*text)) return plan;
    std::string hint =
            R"(write "stderr", "syslog", "syslog:local4.info", "journal", "file:/path" or { file = "/path", rotate_size = "10M" })";
    if (text->starts_with('/')) hint = "write \"file:" + escape(*text) + "\"";
    report_.error(node.at, quoted(*text) + " is not a place for the log", std::move(hint));
    return std::nullopt;
}

// One key of a file that superd-log rotates. False: said to be wrong. Nothing: another key.
std::optional<bool> Values::rotation_key(
        std::string_view key, const Node& value, RotationPlan& into) {
    if (key == "rotate_size") {
        const auto bytes = size(value, key);
        into.size = bytes.value_or(into.size);
        return bytes.has_value();
    }
    if (key == "keep_size") {
        into.keep_size = size(value, key);
        return into.keep_size.has_value();
    }
    if (key == "rotate_age") {
        into.age = duration(value, key);
        return into.age.has_value();
    }
    if (key == "compress") {
        const auto wanted = boolean(value, key);
        into.compress = wanted.value_or(true);
        return wanted.has_value();
    }
    if (key != "keep") return std::nullopt;
    const auto* number = std::get_if<IntegerValue>(&value.value);
    if (number == nullptr || number->value < 0 || number->value > most_kept) {
        report_.error(value.at, "keep is a number of files, 0 to " + std::to_string(most_kept));
        return false;
    }
    into.keep = static_cast<std::uint32_t>(number->value);
    return true;
}

// { file = "/path", soft = "1M", hard = "2M" }, { file = "/path", rotate_size = "10M" }
std::optional<SinkPlan> Values::sized_file(const Node& node) {
    constexpr std::string_view form = R"(write { file = "/path", rotate_size = "10M" })";
    SinkPlan plan{SinkKind::file, {}};
    RotationPlan rotation;
    bool good = true;
    const auto take_size = [&](const Member& member, std::optional<std::uint64_t>& into) {
        into = size(*member.value, member.key);
        good = good && into.has_value();
    };
    for (const Member& member : std::get<TableValue>(node.value).members) {
        if (member.key == "file") {
            plan.path = path(*member.value, "file").value_or("");
            good = good && !plan.path.empty();
        } else if (member.key == "soft") {
            take_size(member, plan.soft_size);
        } else if (member.key == "hard") {
            take_size(member, plan.hard_size);
        } else if (const auto taken = rotation_key(member.key, *member.value, rotation)) {
            good = good && *taken;
            plan.rotation = rotation;
        } else {
            report_.error(member.at, "a log file has no key " + quoted(member.key),
                    std::string(form) +
                            ", or one of soft, hard, rotate_age, keep, keep_size, "
                            "compress");
            good = false;
        }
    }
    if (!good) return std::nullopt;
    if (plan.path.empty()) {
        report_.error(node.at, "the log file has no name", std::string(form));
        return std::nullopt;
    }
    if (const std::string_view trouble = sizes_trouble(plan); !trouble.empty()) {
        report_.error(node.at, std::string(trouble));
        return std::nullopt;
    }
    return plan;
}

std::optional<std::uint8_t> Values::log_fact(const Node& node, const Option& option) {
    const std::string* text = this->text(node, option.key);
    if (text == nullptr) return std::nullopt;
    const std::vector<std::string_view> allowed = split(option.words, ' ');
    for (const std::string_view word : allowed)
        if (word == *text) return static_cast<std::uint8_t>(1u << *index_of(facts, word));
    std::string hint = "write some of";
    for (const std::string_view word : allowed)
        hint += " " + quoted(word);
    report_.error(node.at, quoted(*text) + " is not a value of " + std::string(option.key),
            std::move(hint));
    return std::nullopt;
}

}  // namespace superd
