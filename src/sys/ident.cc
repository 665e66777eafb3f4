// SPDX-License-Identifier: MIT
// The Identification Protocol's question and answer.
#include "sys/ident.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace superd {

namespace {

// The text before the next ':', which is taken away; nothing where there is none.
std::optional<std::string_view> take_field(std::string_view& rest) {
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const std::string_view field = trim(rest.substr(0, colon));
    rest.remove_prefix(colon + 1);
    return field;
}

bool is_about(std::string_view ports, std::uint32_t peer_port, std::uint32_t local_port) {
    const auto parts = split(ports, ',');
    return parts.size() == 2 && parse_decimal(trim(parts[0])) == peer_port &&
           parse_decimal(trim(parts[1])) == local_port;
}

bool is_word(std::string_view text, std::string_view word) {
    return std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) {
        return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b;
    });
}

// A NUL would end the text for whoever reads it as C does.
std::string cut(std::string_view text, std::size_t limit) {
    return std::string(text.substr(0, std::min(text.find('\0'), limit)));
}

IdentReply reply(IdentStatus status, std::string_view text, std::string_view system = {}) {
    std::string kept = cut(trim(text), ident_user_limit);
    if (kept.empty()) return {};
    return {status, std::move(kept), cut(system, ident_system_limit)};
}

}  // namespace

std::string ident_question(std::uint32_t peer_port, std::uint32_t local_port) {
    return std::to_string(peer_port) + ", " + std::to_string(local_port) + "\r\n";
}

IdentReply parse_ident_reply(
        std::string_view line, std::uint32_t peer_port, std::uint32_t local_port) {
    const auto ports = take_field(line);
    const auto kind = ports ? take_field(line) : std::nullopt;
    if (!kind || !is_about(*ports, peer_port, local_port)) return {};
    if (is_word(*kind, "ERROR")) return reply(IdentStatus::error, line);
    const auto system = is_word(*kind, "USERID") ? take_field(line) : std::nullopt;
    if (!system) return {};
    return reply(IdentStatus::user, line, *system);
}

}  // namespace superd
