// SPDX-License-Identifier: MIT
// Moments of the calendar as `at` has them: "[WEEKDAYS] [MONTHS] [day DAYS] TIMES".
#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "config/values.h"

namespace superd {

namespace {

constexpr std::array<std::string_view, 7> weekday_names{
        "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 12> month_names{
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<unsigned, 12> month_lengths{
        31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
constexpr std::string_view calendar_form =
        R"(write "03:30", "Mon..Fri 06:00,18:00" or "Jan,Jul day 1,15 03:30")";
constexpr std::size_t most_times = 1440;

template <std::size_t size>
std::optional<unsigned> index_of(
        const std::array<std::string_view, size>& names, std::string_view name) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return std::nullopt;
    return static_cast<unsigned>(found - names.begin());
}

// "Mon", "Fri..Mon,Wed": as bits; ranges go on at the beginning where they come to the end.
template <std::size_t size>
std::optional<unsigned> name_bits(
        const std::array<std::string_view, size>& names, std::string_view text) {
    unsigned bits = 0;
    for (const std::string_view part : split(text, ',')) {
        const auto dots = part.find("..");
        const auto from = index_of(names, part.substr(0, dots));
        const auto to =
                dots == std::string_view::npos ? from : index_of(names, part.substr(dots + 2));
        if (!from || !to) return std::nullopt;
        for (unsigned i = *from;; i = (i + 1) % size) {
            bits |= 1u << i;
            if (i == *to) break;
        }
    }
    return bits;
}

std::optional<unsigned> day_number(std::string_view text) {
    const auto number = parse_decimal(text);
    if (!number || *number < 1 || *number > 31) return std::nullopt;
    return static_cast<unsigned>(*number);
}

// "1", "1,15", "1..7,last": bits 1 to 31, bit 0 for the last.
std::optional<std::uint32_t> day_bits(std::string_view text) {
    std::uint32_t bits = 0;
    for (const std::string_view part : split(text, ',')) {
        if (part == "last") {
            bits |= 1u;
            continue;
        }
        const auto dots = part.find("..");
        const auto from = day_number(part.substr(0, dots));
        const auto to =
                dots == std::string_view::npos ? from : day_number(part.substr(dots + 2));
        if (!from || !to || *from > *to) return std::nullopt;
        for (unsigned day = *from; day <= *to; ++day)
            bits |= 1u << day;
    }
    return bits;
}

// "03:30" or "03:30:15" in seconds.
std::optional<std::uint32_t> second_of_day(std::string_view text) {
    constexpr std::array<std::uint64_t, 3> most{23, 59, 59};
    std::uint32_t seconds = 0;
    std::size_t count = 0;
    for (const std::string_view part : split(text, ':')) {
        const auto number = parse_decimal(part);
        if (count == most.size() || !number || *number > most[count] || part.size() > 2 ||
                (count > 0 && part.size() != 2))
            return std::nullopt;
        seconds = seconds * 60 + static_cast<std::uint32_t>(*number);
        ++count;
    }
    if (count < 2) return std::nullopt;
    return count == 2 ? seconds * 60 : seconds;
}

std::optional<std::vector<std::uint32_t>> times_of(std::string_view text) {
    std::vector<std::uint32_t> times;
    for (const std::string_view part : split(text, ',')) {
        const auto time = second_of_day(part);
        if (!time || times.size() == most_times) return std::nullopt;
        times.push_back(*time);
    }
    std::sort(times.begin(), times.end());
    times.erase(std::unique(times.begin(), times.end()), times.end());
    return times;
}

// A day of one of the months that has it; February has 29.
bool ever_comes(const CalendarRule& rule) {
    for (unsigned month = 0; month < month_lengths.size(); ++month) {
        if ((rule.months >> month & 1u) == 0) continue;
        if ((rule.days & 1u) != 0 || (rule.days & ((2u << month_lengths[month]) - 2)) != 0)
            return true;
    }
    return false;
}

// What others' calendars call it, in the words of this one; empty: it is none of theirs.
std::string_view translation_of(std::string_view text) {
    if (text == "hourly" || text == "@hourly") return R"(write every = "1h")";
    if (text == "daily" || text == "@daily" || text == "midnight" || text == "@midnight")
        return R"(write "00:00")";
    if (text == "weekly") return R"(write "Mon 00:00")";
    if (text == "@weekly") return R"(write "Sun 00:00")";
    if (text == "monthly" || text == "@monthly") return R"(write "day 1 00:00")";
    if (text == "yearly" || text == "@yearly") return R"(write "Jan day 1 00:00")";
    if (text.find('*') != std::string_view::npos)
        return R"(neither cron's nor systemd's form is read; write "03:30", "Mon..Fri 03:30" or every = "15m")";
    return {};
}

class CalendarReader {
public:
    explicit CalendarReader(std::string_view text) : text_(text) {}

    // Nothing: wrong() says what.
    std::optional<CalendarRule> read() {
        std::vector<std::string> words;
        for (const std::string_view word : split(text_, ' '))
            if (!word.empty()) words.emplace_back(word);
        if (words.empty()) return std::nullopt;
        const auto times = times_of(words.back());
        if (!times) return fail(words.back(), "is not a time of the day");
        rule_.times = *times;
        rule_.text = join(words, " ");
        words.pop_back();
        for (std::size_t i = 0; i < words.size(); ++i) {
            const bool days = words[i] == "day";
            if (days && ++i == words.size()) return fail("day", "has no number behind it");
            if (!(days ? take_days(words[i]) : take_names(words[i]))) return std::nullopt;
        }
        if (!ever_comes(rule_)) return fail(text_, "never comes: no such month has such a day");
        return rule_;
    }

    [[nodiscard]] const std::string& wrong() const { return wrong_; }

private:
    std::optional<CalendarRule> fail(std::string_view word, std::string_view why) {
        wrong_word(word, why);
        return std::nullopt;
    }

    bool take_days(std::string_view word) {
        const auto bits = day_bits(word);
        if (!bits) return wrong_word(word, "is not a day of the month");
        if (std::exchange(has_days_, true)) return twice(word);
        rule_.days = *bits;
        return true;
    }

    bool take_names(std::string_view word) {
        if (const auto bits = name_bits(weekday_names, word)) {
            if (std::exchange(has_weekdays_, true)) return twice(word);
            rule_.weekdays = static_cast<std::uint8_t>(*bits);
            return true;
        }
        const auto bits = name_bits(month_names, word);
        if (!bits) return wrong_word(word, "is neither a day of the week nor a month");
        if (std::exchange(has_months_, true)) return twice(word);
        rule_.months = static_cast<std::uint16_t>(*bits);
        return true;
    }

    bool wrong_word(std::string_view word, std::string_view why) {
        wrong_ = quoted(word) + " " + std::string(why);
        return false;
    }

    bool twice(std::string_view word) {
        return wrong_word(word, "is one too many: write a list with commas");
    }

    std::string_view text_;
    CalendarRule rule_;
    std::string wrong_;
    bool has_weekdays_ = false, has_months_ = false, has_days_ = false;
};

}  // namespace

std::optional<CalendarRule> Values::calendar(const Node& node) {
    const std::string* text = this->text(node, "at");
    if (text == nullptr) return std::nullopt;
    if (const std::string_view other = translation_of(trim(*text)); !other.empty()) {
        report_.error(node.at, quoted(*text) + " is not a moment", std::string(other));
        return std::nullopt;
    }
    CalendarReader reader(*text);
    auto rule = reader.read();
    if (!rule)
        report_.error(node.at,
                reader.wrong().empty() ? quoted(*text) + " is not a moment" : reader.wrong(),
                std::string(calendar_form));
    return rule;
}

}  // namespace superd
