// SPDX-License-Identifier: MIT
// Which number a service with dynamic_user runs under.
#include "config/dynamic_users.h"

#include "base/text.h"

namespace superd {

namespace {

constexpr std::uint32_t count = last_dynamic_user - first_dynamic_user + 1;

bool in_range(std::uint64_t number) {
    return number >= first_dynamic_user && number <= last_dynamic_user;
}

// FNV-1a: the same on every host and in every version.
std::uint32_t hash(std::string_view name) {
    std::uint32_t value = 2166136261U;
    for (const char c : name)
        value = (value ^ static_cast<unsigned char>(c)) * 16777619U;
    return value;
}

}  // namespace

std::string dynamic_users_text(const DynamicNumbers& numbers) {
    std::string text;
    for (const auto& [name, number] : numbers)
        text += (text.empty() ? "" : " ") + name + "=" + std::to_string(number);
    return text;
}

void DynamicUsers::remember(std::string_view former) {
    for (const std::string_view pair : split(former, ' ')) {
        const auto sign = pair.find('=');
        if (sign == std::string_view::npos) continue;
        const auto number = parse_decimal(pair.substr(sign + 1));
        if (!number || !in_range(*number)) continue;
        const auto uid = static_cast<std::uint32_t>(*number);
        if (taken_.insert(uid).second) former_.emplace(pair.substr(0, sign), uid);
    }
}

void DynamicUsers::reserve(std::uint32_t number) {
    reserved_.insert(number);
}

std::optional<std::uint32_t> DynamicUsers::take(
        const std::string& service, const Test& is_account, const Test& in_use) {
    const auto had = former_.find(service);
    if (had != former_.end() && !reserved_.contains(had->second) && !is_account(had->second))
        return had->second;
    const std::uint32_t start = hash(service) % count;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint32_t number = first_dynamic_user + (start + i) % count;
        if (taken_.contains(number) || reserved_.contains(number) || is_account(number) ||
                in_use(number))
            continue;
        taken_.insert(number);
        return number;
    }
    return std::nullopt;
}

}  // namespace superd
