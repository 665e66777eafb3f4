// SPDX-License-Identifier: MIT
// Host names as text.
#include "base/host_name.h"

#include <algorithm>

#include "base/text.h"

namespace superd {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

bool is_label(std::string_view label) {
    return !label.empty() && label.size() <= 63 && label.front() != '-' &&
           label.back() != '-' && std::all_of(label.begin(), label.end(), is_name_character);
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::optional<std::string> parse_host_name(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty() || text.size() > host_name_limit) return std::nullopt;
    std::string name(text);
    std::transform(name.begin(), name.end(), name.begin(), lower);
    const auto labels = split(name, '.');
    if (!std::all_of(labels.begin(), labels.end(), is_label)) return std::nullopt;
    // No top-level domain is a number: "192.0.2.7" and "10" are addresses.
    const std::string_view last = labels.back();
    if (std::all_of(last.begin(), last.end(), is_digit)) return std::nullopt;
    return name;
}

bool is_below(std::string_view name, std::string_view domain) {
    return name.size() > domain.size() + 1 && name.ends_with(domain) &&
           name[name.size() - domain.size() - 1] == '.';
}

}  // namespace superd
