// SPDX-License-Identifier: MIT
#include "config/values.h"

#include <cmath>

#include "base/text.h"
#include "base/units.h"

namespace superd {

namespace {

constexpr std::size_t max_path = 4095;

// The text of a bound for a message: durations and sizes in their own units.
std::string amount_text(const Option& option, std::int64_t value) {
    if (option.type == ValueType::duration || option.type == ValueType::time_bound ||
            option.type == ValueType::denial)
        return format_duration(std::chrono::milliseconds(value));
    if (option.type == ValueType::size) return format_size(static_cast<std::uint64_t>(value));
    return std::to_string(value);
}

std::string one_of(const std::vector<std::string_view>& words) {
    std::string text = "write ";
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
        text += "\"" + std::string(words[i]) + "\"";
    }
    return text;
}

// What the option of this name takes; empty where it is no option's name.
std::string what_it_takes(std::string_view name) {
    const Option* option = find_option(name);
    return option == nullptr ? "" : "it takes " + type_text(*option);
}

}  // namespace

std::string quoted(std::string_view text) {
    return "\"" + escape(text) + "\"";
}

void Values::wrong_type(const Node& node, std::string_view what, std::string_view wanted) {
    report_.error(node.at, std::string(what) + " is " + std::string(wanted) + ", not " +
                                   std::string(type_name(node)));
}

bool Values::in_range(const Node& node, const Option& option, std::int64_t value) {
    if (value >= option.low && value <= option.high) return true;
    report_.error(node.at, std::string(option.key) + " is out of range",
            "from " + amount_text(option, option.low) + " to " +
                    amount_text(option, option.high));
    return false;
}

const std::string* Values::text(const Node& node, std::string_view what) {
    const auto* text = std::get_if<std::string>(&node.value);
    if (text == nullptr) {
        const auto* number = std::get_if<IntegerValue>(&node.value);
        report_.error(node.at,
                std::string(what) + " is text, not " + std::string(type_name(node)),
                number != nullptr ? "write \"" + std::to_string(number->value) + "\""
                                  : what_it_takes(what));
        return nullptr;
    }
    if (text->find('\0') == std::string::npos) return text;
    report_.error(node.at, std::string(what) + " holds a NUL");
    return nullptr;
}

std::optional<bool> Values::boolean(const Node& node, std::string_view what) {
    if (const auto* value = std::get_if<bool>(&node.value)) return *value;
    const auto* text = std::get_if<std::string>(&node.value);
    if (text != nullptr && (*text == "yes" || *text == "true" || *text == "on"))
        report_.error(node.at, std::string(what) + " is true or false, not text",
                "write true, without quotes");
    else if (text != nullptr && (*text == "no" || *text == "false" || *text == "off"))
        report_.error(node.at, std::string(what) + " is true or false, not text",
                "write false, without quotes");
    else
        wrong_type(node, what, "true or false");
    return std::nullopt;
}

std::optional<std::int64_t> Values::integer(const Node& node, const Option& option) {
    const auto* value = std::get_if<IntegerValue>(&node.value);
    if (value == nullptr) {
        const auto* text = std::get_if<std::string>(&node.value);
        const bool number = text != nullptr && parse_decimal(*text).has_value();
        report_.error(node.at,
                std::string(option.key) + " is a number, not " + std::string(type_name(node)),
                number ? "write " + *text + ", without quotes" : "");
        return std::nullopt;
    }
    if (!in_range(node, option, value->value)) return std::nullopt;
    return value->value;
}

std::optional<double> Values::number(const Node& node, const Option& option) {
    double value = 0;
    if (const auto* whole = std::get_if<IntegerValue>(&node.value))
        value = static_cast<double>(whole->value);
    else if (const auto* real = std::get_if<double>(&node.value))
        value = *real;
    else
        return static_cast<void>(integer(node, option)), std::nullopt;  // says what it is
    if (std::isfinite(value) && value > static_cast<double>(option.low) &&
            value <= static_cast<double>(option.high))
        return value;
    report_.error(node.at, std::string(option.key) + " is out of range",
            "write a number above " + std::to_string(option.low));
    return std::nullopt;
}

std::optional<Bound> Values::bound(const Node& node, const Option& option) {
    const auto* text = std::get_if<std::string>(&node.value);
    if (text != nullptr && *text == "unlimited") return Bound{std::nullopt, origin(node.at)};
    const auto* zero = std::get_if<IntegerValue>(&node.value);
    if (zero != nullptr && zero->value == 0) {
        report_.error(node.at, std::string(option.key) + " = 0 would let nobody in",
                R"(write "unlimited" for no bound, or enabled = false)");
        return std::nullopt;
    }
    if (text != nullptr) {
        const bool number = parse_decimal(*text).has_value();
        report_.error(node.at, quoted(*text) + " is not a bound",
                number ? "write " + *text + ", without quotes"
                       : R"(write a number or "unlimited")");
        return std::nullopt;
    }
    const auto value = integer(node, option);
    if (!value) return std::nullopt;
    return Bound{static_cast<std::uint32_t>(*value), origin(node.at)};
}

std::optional<Nanoseconds> Values::duration(const Node& node, std::string_view what) {
    if (const auto* bare = std::get_if<IntegerValue>(&node.value)) {
        if (bare->value < 0)
            report_.error(node.at, std::string(what) + " is negative");
        else
            report_.error(node.at, std::string(what) + " is a duration and needs its unit",
                    "write \"" + std::to_string(bare->value) + "s\"");
        return std::nullopt;
    }
    const std::string* text = this->text(node, what);
    if (text == nullptr) return std::nullopt;
    const auto parsed = parse_duration(*text);
    if (parsed) return *parsed;
    report_.error(node.at, parsed.error());
    return std::nullopt;
}

std::optional<std::optional<Nanoseconds>> Values::denial(
        const Node& node, const Option& option) {
    const auto* text = std::get_if<std::string>(&node.value);
    if (text != nullptr && *text == "never") return std::optional<Nanoseconds>{};
    if (text != nullptr && *text == "forever") return std::optional<Nanoseconds>{0};
    const auto value = duration(node, option);
    if (!value) return std::nullopt;
    return value;
}

std::optional<std::optional<Nanoseconds>> Values::time_bound(
        const Node& node, const Option& option) {
    const auto* text = std::get_if<std::string>(&node.value);
    if (text != nullptr && *text == "unlimited") return std::optional<Nanoseconds>{};
    const auto value = duration(node, option);
    if (!value) return std::nullopt;
    return value;
}

std::optional<Nanoseconds> Values::duration(const Node& node, const Option& option) {
    const auto value = duration(node, option.key);
    if (!value) return std::nullopt;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(*value).count();
    if (!in_range(node, option, ms)) return std::nullopt;
    return value;
}

std::optional<std::uint64_t> Values::size(const Node& node, std::string_view what) {
    if (const auto* bytes = std::get_if<IntegerValue>(&node.value)) {
        if (bytes->value >= 0) return static_cast<std::uint64_t>(bytes->value);
        report_.error(node.at, std::string(what) + " is negative");
        return std::nullopt;
    }
    const std::string* text = this->text(node, what);
    if (text == nullptr) return std::nullopt;
    const auto parsed = parse_size(*text);
    if (parsed) return *parsed;
    report_.error(node.at, parsed.error());
    return std::nullopt;
}

std::optional<std::uint64_t> Values::size(const Node& node, const Option& option) {
    const auto value = size(node, option.key);
    if (!value) return std::nullopt;
    const auto clamped = *value > static_cast<std::uint64_t>(INT64_MAX)
                                 ? INT64_MAX
                                 : static_cast<std::int64_t>(*value);
    if (!in_range(node, option, clamped)) return std::nullopt;
    return value;
}

std::optional<std::uint32_t> Values::mode(const Node& node, const Option& option) {
    std::optional<std::uint32_t> value;
    if (const auto* number = std::get_if<IntegerValue>(&node.value)) {
        if (!number->octal) {
            const std::string digits = std::to_string(number->value);
            const bool octal = parse_octal(digits).has_value();
            report_.error(node.at,
                    std::string(option.key) +
                            " is octal: a decimal number means something else",
                    octal ? "write \"0" + digits + "\" or 0o" + digits : "");
            return std::nullopt;
        }
        value = number->value < 0 || number->value > 07777
                        ? 010000
                        : static_cast<std::uint32_t>(number->value);
    } else if (const std::string* text = this->text(node, option.key)) {
        const auto parsed = parse_mode(*text);
        if (!parsed) return report_.error(node.at, parsed.error()), std::nullopt;
        value = *parsed;
    }
    if (!value) return std::nullopt;
    if (static_cast<std::int64_t>(*value) <= option.high) return value;
    report_.error(node.at, std::string(option.key) + " is out of range",
            "at most \"" + format_mode(static_cast<std::uint32_t>(option.high)) + "\"");
    return std::nullopt;
}

std::optional<std::size_t> Values::choice(const Node& node, const Option& option) {
    const auto words = split(option.words, ' ');
    const std::string* text = std::get_if<std::string>(&node.value);
    if (text == nullptr) {
        report_.error(node.at,
                std::string(option.key) + " is a word, not " + std::string(type_name(node)),
                one_of(words));
        return std::nullopt;
    }
    for (std::size_t i = 0; i < words.size(); ++i)
        if (words[i] == *text) return i;
    report_.error(node.at, quoted(*text) + " is not a value of " + std::string(option.key),
            one_of(words));
    return std::nullopt;
}

std::optional<std::string> Values::path(const Node& node, std::string_view what) {
    const std::string* text = this->text(node, what);
    if (text == nullptr) return std::nullopt;
    if (!text->starts_with('/')) {
        report_.error(node.at, std::string(what) + " must be an absolute path",
                text->empty() ? "" : "write \"/" + escape(*text) + "\" with all its folders");
        return std::nullopt;
    }
    for (const std::string_view part : split(*text, '/'))
        if (part == "..")
            return report_.error(node.at, std::string(what) + " may not go up with \"..\""),
                   std::nullopt;
    if (text->size() <= max_path) return *text;
    report_.error(node.at,
            std::string(what) + " is too long: at most " + std::to_string(max_path) + " bytes");
    return std::nullopt;
}

std::optional<std::string> Values::line(const Node& node, const Option& option) {
    const std::string* text = this->text(node, option.key);
    if (text == nullptr) return std::nullopt;
    const auto limit = static_cast<std::uint64_t>(option.high);
    if (text->size() <= limit) return *text;
    report_.error(node.at, std::string(option.key) + " is too long: at most " +
                                   std::to_string(limit) + " bytes");
    return std::nullopt;
}

}  // namespace superd
