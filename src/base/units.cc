// SPDX-License-Identifier: MIT
// Durations, sizes, rates and modes as superd.toml writes them.
#include "base/units.h"

#include <array>
#include <limits>
#include <optional>

#include "base/text.h"

namespace superd {

namespace {

using namespace std::chrono_literals;

struct Unit {
    std::string_view name;
    Nanoseconds length;
};

// Largest first; the first name of a length is the one that is written.
constexpr std::array<Unit, 8> units{{{"w", 24h * 7}, {"d", 24h}, {"h", 1h}, {"m", 1min},
        {"min", 1min}, {"s", 1s}, {"ms", 1ms}, {"us", 1us}}};

// What people write for a unit, and ours for it; for suggestions only.
struct ForeignUnit {
    std::string_view name, ours;
};

constexpr std::array<ForeignUnit, 24> foreign_units{{{"second", "s"}, {"seconds", "s"},
        {"sec", "s"}, {"secs", "s"}, {"S", "s"}, {"minute", "m"}, {"minutes", "m"},
        {"mins", "m"}, {"M", "m"}, {"hour", "h"}, {"hours", "h"}, {"hr", "h"}, {"H", "h"},
        {"day", "d"}, {"days", "d"}, {"D", "d"}, {"week", "w"}, {"weeks", "w"}, {"msec", "ms"},
        {"millisecond", "ms"}, {"milliseconds", "ms"}, {"usec", "us"}, {"microseconds", "us"},
        {"\u00b5s", "us"}}};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string quoted(std::string_view text) {
    return '"' + escape(text) + '"';
}

const Unit* find_unit(std::string_view name) {
    for (const Unit& unit : units) {
        if (unit.name == name) return &unit;
    }
    return nullptr;
}

// The digits at the front of text, taken off it.
std::string_view take_digits(std::string_view& text) {
    std::size_t n = 0;
    while (n < text.size() && is_digit(text[n]))
        ++n;
    const std::string_view digits = text.substr(0, n);
    text.remove_prefix(n);
    return digits;
}

// What is not a digit at the front of text, taken off it.
std::string_view take_word(std::string_view& text) {
    std::size_t n = 0;
    while (n < text.size() && !is_digit(text[n]))
        ++n;
    const std::string_view word = text.substr(0, n);
    text.remove_prefix(n);
    return word;
}

std::optional<std::int64_t> multiply(std::uint64_t count, std::int64_t by) {
    constexpr auto max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (count > max / static_cast<std::uint64_t>(by)) return std::nullopt;
    return static_cast<std::int64_t>(count) * by;
}

enum class Scan { good, wrong, too_long };

// Reads text as a duration; what parse_duration does without its words.
Scan scan_duration(std::string_view text, std::int64_t& total) {
    Nanoseconds smallest = Nanoseconds::max();
    total = 0;
    do {
        const std::string_view digits = take_digits(text);
        const Unit* unit = find_unit(take_word(text));
        if (digits.empty() || !unit || unit->length >= smallest) return Scan::wrong;
        smallest = unit->length;
        const auto count = parse_decimal(digits);
        const auto part = count ? multiply(*count, unit->length.count()) : std::nullopt;
        if (!part || __builtin_add_overflow(total, *part, &total)) return Scan::too_long;
    } while (!text.empty());
    return Scan::good;
}

// "5 minutes", "1 hour 30 min" as superd writes it; nothing where even that is not clear.
std::optional<std::string> guess_duration(std::string_view text) {
    std::string out;
    while (!(text = trim(text)).empty()) {
        const std::string_view digits = take_digits(text);
        const std::string_view word = trim(take_word(text));
        if (digits.empty()) return std::nullopt;
        const Unit* unit = find_unit(word.empty() ? "s" : word);
        std::string_view name = unit ? unit->name : std::string_view{};
        if (name == "min") name = "m";
        for (const ForeignUnit& foreign : foreign_units) {
            if (foreign.name == word) name = foreign.ours;
        }
        if (name.empty()) return std::nullopt;
        out.append(digits).append(name);
    }
    std::int64_t total = 0;
    if (out.empty() || scan_duration(out, total) != Scan::good) return std::nullopt;
    return out;
}

tl::unexpected<Wrong> not_a_duration(std::string_view text) {
    const std::string start = quoted(text) + " is not a duration; write ";
    if (parse_decimal(text)) {
        return tl::unexpected(
                quoted(text) + " has no unit; write \"" + std::string(text) + "s\"");
    }
    if (const auto guess = guess_duration(text)) return tl::unexpected(start + quoted(*guess));
    if (text == "unlimited") return tl::unexpected(quoted(text) + " is not a duration");
    for (const Unit& unit : units) {
        if (unit.name == text) return tl::unexpected(start + "\"1" + std::string(text) + '"');
    }
    return tl::unexpected(start + "a number and a unit, such as \"250ms\" or \"1h30m\"");
}

void append_unit(std::string& out, Nanoseconds& rest, const Unit& unit) {
    const std::int64_t count = rest / unit.length;
    if (count == 0) return;
    rest -= count * unit.length;
    out += std::to_string(count);
    out += unit.name;
}

std::string two_units(Nanoseconds duration, std::string_view larger, std::string_view smaller) {
    std::string out;
    append_unit(out, duration, *find_unit(larger));
    append_unit(out, duration, *find_unit(smaller));
    return out;
}

tl::unexpected<Wrong> not_a_period(
        std::string_view text, std::string_view number, std::string_view period) {
    std::string start = quoted(text) + " is not a rate; ";
    for (const ForeignUnit& foreign : foreign_units) {
        if (foreign.name != period) continue;
        return tl::unexpected(start + "write " +
                              quoted(std::string(number) + '/' + std::string(foreign.ours)));
    }
    return tl::unexpected(start +
                          "after the slash stands a unit or a duration, such as \"s\", "
                          "\"min\" or \"10s\"");
}

constexpr std::string_view size_letters = "KMGT";

// "10MB", "512 MiB", "4k" as superd writes them.
std::optional<std::string> guess_size(std::string_view text) {
    text = trim(text);
    const std::string_view digits = take_digits(text);
    text = trim(text);
    if (digits.empty() || text.empty() || text.size() > 5) return std::nullopt;
    const char letter = static_cast<char>(text.front() & ~0x20);
    if (letter == 'B') return std::string(digits);
    if (size_letters.find(letter) == std::string_view::npos) return std::nullopt;
    const std::string_view tail = text.substr(1);
    constexpr std::array<std::string_view, 7> tails{"", "B", "b", "iB", "ib", "i", "byte"};
    for (const std::string_view known : tails) {
        if (tail == known) return std::string(digits) + letter;
    }
    return std::nullopt;
}

tl::unexpected<Wrong> not_a_size(std::string_view text) {
    const std::string start = quoted(text) + " is not a size; write ";
    if (const auto guess = guess_size(text)) return tl::unexpected(start + quoted(*guess));
    return tl::unexpected(start + "bytes, or a number and K, M, G or T, such as \"512M\"");
}

void append_digits(std::string& out, unsigned value, unsigned width) {
    std::array<char, 10> digits{};
    for (unsigned i = width; i > 0; --i, value /= 10)
        digits.at(i - 1) = static_cast<char>('0' + value % 10);
    out.append(digits.data(), width);
}

}  // namespace

Parsed<Nanoseconds> parse_duration(std::string_view text) {
    std::int64_t total = 0;
    switch (scan_duration(text, total)) {
        case Scan::wrong: return not_a_duration(text);
        case Scan::too_long: return tl::unexpected(quoted(text) + " is too long a time");
        case Scan::good: break;
    }
    return Nanoseconds(total);
}

std::string format_duration(Nanoseconds duration) {
    std::string out;
    for (const Unit& unit : units) {
        if (unit.name != "w" && unit.name != "min") append_unit(out, duration, unit);
    }
    return out.empty() ? "0s" : out;
}

std::string approximate_duration(Nanoseconds duration) {
    if (duration < 1us) return "0s";
    if (duration < 1ms) return two_units(duration, "us", "us");
    if (duration < 1s) return two_units(duration, "ms", "ms");
    if (duration < 10s) {
        const auto tenths = duration / 100ms;
        std::string out = std::to_string(tenths / 10);
        if (tenths % 10 != 0) out.append(".").append(std::to_string(tenths % 10));
        return out + "s";
    }
    if (duration < 1h) return two_units(duration, "m", "s");
    if (duration < 24h) return two_units(duration, "h", "m");
    return two_units(duration, "d", "h");
}

Parsed<std::uint64_t> parse_size(std::string_view text) {
    std::string_view rest = text;
    const std::string_view digits = take_digits(rest);
    const std::size_t letter = rest.empty() ? 0 : size_letters.find(rest.front());
    if (digits.empty() || rest.size() > 1 || letter == std::string_view::npos) {
        return not_a_size(text);
    }
    const unsigned shift = rest.empty() ? 0 : 10 * (static_cast<unsigned>(letter) + 1);
    const auto count = parse_decimal(digits);
    if (!count || *count > std::numeric_limits<std::uint64_t>::max() >> shift) {
        return tl::unexpected(quoted(text) + " is too large a size");
    }
    return *count << shift;
}

std::string format_size(std::uint64_t bytes) {
    std::size_t steps = 0;
    while (bytes != 0 && bytes % 1024 == 0 && steps < size_letters.size()) {
        bytes /= 1024;
        ++steps;
    }
    std::string out = std::to_string(bytes);
    if (steps > 0) out += size_letters[steps - 1];
    return out;
}

Parsed<Frequency> parse_frequency(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string_view number = text.substr(0, slash);
    const auto count = parse_decimal(number);
    if (slash == std::string_view::npos || !count) {
        const std::string suggestion = count ? quoted(std::string(number) + "/s")
                                             : std::string("\"50/s\" or \"6/min\"");
        return tl::unexpected(quoted(text) + " is not a rate; write " +
                              (count ? "" : "so many in a period, such as ") + suggestion);
    }
    if (*count == 0 || *count > std::numeric_limits<std::uint32_t>::max()) {
        return tl::unexpected(quoted(text) + ": the number must be from 1 to 4294967295");
    }
    const std::string_view period = text.substr(slash + 1);
    const Unit* unit = find_unit(period);
    const auto length = unit ? Parsed<Nanoseconds>(unit->length) : parse_duration(period);
    if (!length) return not_a_period(text, number, period);
    if (*length == Nanoseconds(0)) {
        return tl::unexpected(quoted(text) + ": the period must be longer than nothing");
    }
    return Frequency{static_cast<std::uint32_t>(*count), *length};
}

std::string format_frequency(const Frequency& frequency) {
    std::string out = std::to_string(frequency.count) + '/';
    if (frequency.period == 1min) return out + "min";
    for (const Unit& unit : units) {
        if (unit.length == frequency.period) return out.append(unit.name);
    }
    return out + format_duration(frequency.period);
}

Parsed<std::uint32_t> parse_mode(std::string_view text) {
    const auto mode = parse_octal(text);
    if (mode && *mode <= 07777) return *mode;
    if (text.substr(0, 2) == "0o") {
        const auto plain = parse_octal(text.substr(2));
        if (plain && *plain <= 07777) {
            return tl::unexpected(
                    quoted(text) + " is not a mode; write " + quoted(format_mode(*plain)));
        }
    }
    return tl::unexpected(
            quoted(text) + " is not a mode; write up to four octal digits, such as \"0660\"");
}

std::string format_mode(std::uint32_t mode) {
    std::string out = "0000";
    for (std::size_t i = 4; i > 0; --i, mode >>= 3)
        out[i - 1] = static_cast<char>('0' + (mode & 7));
    return out;
}

std::string format_timestamp(Wall time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(
            std::chrono::duration_cast<std::chrono::milliseconds>(time - day));
    std::string out;
    out.reserve(24);
    append_digits(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
    out += '-';
    append_digits(out, static_cast<unsigned>(date.month()), 2);
    out += '-';
    append_digits(out, static_cast<unsigned>(date.day()), 2);
    out += 'T';
    append_digits(out, static_cast<unsigned>(clock.hours().count()), 2);
    out += ':';
    append_digits(out, static_cast<unsigned>(clock.minutes().count()), 2);
    out += ':';
    append_digits(out, static_cast<unsigned>(clock.seconds().count()), 2);
    out += '.';
    append_digits(out, static_cast<unsigned>(clock.subseconds().count()), 3);
    out += 'Z';
    return out;
}

}  // namespace superd
