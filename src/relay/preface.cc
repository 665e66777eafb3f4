// SPDX-License-Identifier: MIT
#include "relay/preface.h"

#include <algorithm>

#include "base/text.h"

namespace superd {

namespace {

// Without its "\r\n" or "\n".
std::string_view content(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    const auto number = parse_decimal(trim(text));
    if (!number || *number == 0 || *number > 65535) return std::nullopt;
    return static_cast<std::uint16_t>(*number);
}

std::string ports(const IdentQuestion& question) {
    return std::to_string(question.local) + " , " + std::to_string(question.remote);
}

}  // namespace

LineSeen find_line(std::string_view seen, std::size_t limit) {
    const std::size_t end = seen.substr(0, limit).find('\n');
    if (end != std::string_view::npos) return {LineSeen::State::complete, end + 1};
    if (seen.size() >= limit) return {LineSeen::State::too_long, seen.size()};
    return {};
}

std::optional<std::string> parse_tcpmux_line(std::string_view line) {
    const std::string_view text = content(line);
    if (text.empty()) return std::nullopt;
    std::string name;
    for (const char c : text) {
        if (c <= ' ' || c > '~') return std::nullopt;
        name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return name;
}

std::optional<IdentQuestion> parse_ident_line(std::string_view line) {
    const auto parts = split(content(line), ',');
    if (parts.size() != 2) return std::nullopt;
    const auto local = parse_port(parts[0]), remote = parse_port(parts[1]);
    if (!local || !remote) return std::nullopt;
    return IdentQuestion{*local, *remote};
}

std::string ident_answer(const IdentQuestion& question, std::string_view user) {
    return ports(question) + " : USERID : UNIX : " + std::string(user) + "\r\n";
}

std::string ident_error(const std::optional<IdentQuestion>& question, std::string_view error) {
    return (question ? ports(*question) : "0 , 0") + " : ERROR : " + std::string(error) +
           "\r\n";
}

}  // namespace superd
