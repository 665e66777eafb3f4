// SPDX-License-Identifier: MIT
// Addresses that nobody may connect from for a time.
#include "policy/denials.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

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

// Kept in one line of a file: no control characters, and not too long.
std::string cut(std::string_view text) {
    std::string kept = escape(text);
    if (kept.size() > denial_text_limit) kept.resize(denial_text_limit);
    return kept;
}

}  // namespace

std::string denial_text(const Denial& denial) {
    const std::string end = denial.until == 0 ? "for good" : "until " + time_text(denial.until);
    const std::string_view gap = denial.reason.empty() ? "" : ": ";
    return fmt::format("{}{}{}, {}", denial.by, gap, denial.reason, end);
}

std::string format_denial(const Denial& denial) {
    return fmt::format("{} {} {} {} {}", denial.source.text(), denial.since, denial.until,
            denial.by, denial.reason);
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
    denial.by = take_word(rest);
    denial.reason = rest;
    // Escaped twice is not the same: texts are kept as they stand and must be clean.
    const auto clean = [](std::string_view text) {
        return text.size() <= denial_text_limit &&
               std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
    };
    if (denial.by.empty() || !clean(denial.by) || !clean(denial.reason)) return std::nullopt;
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
