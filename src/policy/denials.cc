// SPDX-License-Identifier: MIT
// Addresses that nobody may connect from for a time.
#include "policy/denials.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"

namespace superd {

namespace {

std::int64_t seconds_of(Wall time) {
    return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

bool is_over(const Denial& denial, std::int64_t now) {
    return denial.until != 0 && denial.until <= now;
}

std::string time_text(std::int64_t seconds) {
    std::tm parts{};
    const auto time = static_cast<std::time_t>(seconds);
    if (::gmtime_r(&time, &parts) == nullptr) return "?";
    std::array<char, 40> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text.data();
}

std::optional<std::int64_t> parse_seconds(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    // Up to the year 2262, where nanoseconds end.
    const bool whole = error == std::errc() && end == text.data() + text.size();
    if (!whole || value < 0 || value > 9'000'000'000) return std::nullopt;
    return value;
}

std::string_view take_word(std::string_view& rest) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    return word;
}

// The byte that the escape at the start of text stands for; text moves behind it.
std::optional<char> take_escaped(std::string_view& text) {
    const std::string_view escape = text.substr(0, text.substr(0, 2) == "\\x" ? 4 : 2);
    text.remove_prefix(escape.size());
    if (escape == "\\n") return '\n';
    if (escape == "\\t") return '\t';
    if (escape == "\\r") return '\r';
    if (escape == "\\\\") return '\\';
    if (escape.size() < 4) return std::nullopt;
    unsigned value = 0;
    const auto [end, error] =
            std::from_chars(escape.data() + 2, escape.data() + escape.size(), value, 16);
    if (error != std::errc() || end != escape.data() + escape.size()) return std::nullopt;
    return static_cast<char>(static_cast<unsigned char>(value));
}

// What escape() was given; nothing where a backslash begins none of its escapes.
std::optional<std::string> unescape(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t plain = std::min(text.find('\\'), text.size());
        out += text.substr(0, plain);
        text.remove_prefix(plain);
        if (text.empty()) break;
        const auto byte = take_escaped(text);
        if (!byte) return std::nullopt;
        out += *byte;
    }
    return out;
}

// Not too long, and not cut within a character.
std::string cut(std::string_view text) {
    std::size_t size = std::min(text.size(), denial_text_limit);
    while (size > 0 && size < text.size() && (text[size] & 0xc0) == 0x80)
        --size;
    return std::string(text.substr(0, size));
}

}  // namespace

std::string denial_text(const Denial& denial) {
    const std::string end = denial.until == 0 ? "for good" : "until " + time_text(denial.until);
    const std::string_view gap = denial.reason.empty() ? "" : ": ";
    return fmt::format("{}{}{}, {}", denial.by, gap, denial.reason, end);
}

std::string format_denial(const Denial& denial) {
    return fmt::format("{} {} {} {} {}", denial.source.text(), denial.since, denial.until,
            escape(denial.by), escape(denial.reason));
}

std::optional<Source> parse_source(std::string_view text) {
    const auto network = Network::parse(text);
    if (!network) return std::nullopt;
    const bool v4 = network->base.is_v4();
    if (network->bits != 128 && (v4 || network->bits != 64)) return std::nullopt;
    Endpoint peer;
    peer.family = Family::ip;
    peer.ip = network->base;
    return Source::of(peer);
}

std::optional<Denial> parse_denial(std::string_view line) {
    Denial denial;
    std::string_view rest = line;
    const auto source = parse_source(take_word(rest));
    const auto since = parse_seconds(take_word(rest));
    const auto until = parse_seconds(take_word(rest));
    if (!source || !since || !until) return std::nullopt;
    denial.source = *source;
    denial.since = *since;
    denial.until = *until;
    const auto by = unescape(take_word(rest)), reason = unescape(rest);
    if (!by || by->empty() || !reason) return std::nullopt;
    if (by->size() > denial_text_limit || reason->size() > denial_text_limit)
        return std::nullopt;
    denial.by = *by;
    denial.reason = *reason;
    return format_denial(denial) == line ? std::optional(denial) : std::nullopt;
}

void Denials::add(Denial denial) {
    denial.by = cut(denial.by);
    std::replace(denial.by.begin(), denial.by.end(), ' ', '_');
    denial.reason = cut(denial.reason);
    remove(denial.source);
    if (order_.size() >= limit_) remove(order_.front().source);
    order_.push_back(std::move(denial));
    by_source_[order_.back().source] = std::prev(order_.end());
}

bool Denials::remove(const Source& source) {
    const auto known = by_source_.find(source);
    if (known == by_source_.end()) return false;
    order_.erase(known->second);
    by_source_.erase(known);
    return true;
}

void Denials::clear() {
    order_.clear();
    by_source_.clear();
}

void Denials::expire(Wall now) {
    const std::int64_t seconds = seconds_of(now);
    for (auto entry = order_.begin(); entry != order_.end();) {
        const auto next = std::next(entry);
        if (is_over(*entry, seconds)) {
            by_source_.erase(entry->source);
            order_.erase(entry);
        }
        entry = next;
    }
}

const Denial* Denials::find(const Endpoint& peer, Wall now) const {
    if (order_.empty() || peer.family != Family::ip) return nullptr;
    const auto known = by_source_.find(Source::of(peer));
    if (known == by_source_.end()) return nullptr;
    return is_over(*known->second, seconds_of(now)) ? nullptr : &*known->second;
}

Denials::InForce Denials::in_force(Wall now) const {
    const auto second =
            std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
    InForce found;
    for (const Denial& denial : order_) {
        if (denial.until != 0 && denial.until <= second) continue;
        IpAddress address;
        address.bytes = denial.source.bytes;
        found.blocks.push_back(
                {address, address.is_v4() ? std::uint8_t{128} : std::uint8_t{64}});
        if (denial.until != 0 && (found.until == 0 || denial.until < found.until))
            found.until = denial.until;
    }
    std::sort(found.blocks.begin(), found.blocks.end());
    return found;
}

}  // namespace superd
