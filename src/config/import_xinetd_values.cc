// SPDX-License-Identifier: MIT
// xinetd's values with a form of their own: addresses, hours, log types, sizes.
#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/text.h"
#include "config/import_xinetd.h"

namespace superd {

namespace {

// ---- addresses

constexpr std::size_t most_factors = 256;

std::string block(std::uint32_t host_order, unsigned bits) {
    return Network{IpAddress::v4(host_order), static_cast<std::uint8_t>(96 + bits)}.text();
}

std::optional<std::uint32_t> octet(std::string_view text) {
    const auto number = parse_decimal(text);
    if (!number || *number > 255) return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

// Octets from the left, at most four; nothing where one is none.
std::optional<std::vector<std::uint32_t>> octets(std::string_view text) {
    std::vector<std::uint32_t> found;
    for (const std::string_view part : split(text, '.')) {
        const auto number = octet(part);
        if (!number || found.size() == 4) return std::nullopt;
        found.push_back(*number);
    }
    return found;
}

std::string prefix_block(const std::vector<std::uint32_t>& parts) {
    std::uint32_t ip = 0;
    for (std::size_t i = 0; i < 4; ++i)
        ip = ip << 8 | (i < parts.size() ? parts[i] : 0);
    return block(ip, static_cast<unsigned>(8 * parts.size()));
}

// "128.138.12.{1,2,3}", "128.138.{12,13}": what is not there is a wildcard.
std::optional<XinetdAddress> read_factors(std::string_view word) {
    const auto open = word.find('{');
    if (open < 2 || word[open - 1] != '.' || !word.ends_with('}')) return std::nullopt;
    const auto head = octets(word.substr(0, open - 1));
    if (!head || head->size() > 3) return std::nullopt;
    XinetdAddress address;
    for (const std::string_view one :
            split(word.substr(open + 1, word.size() - open - 2), ',')) {
        const auto number = octet(trim(one));
        if (!number || address.entries.size() >= most_factors) return std::nullopt;
        auto parts = *head;
        parts.push_back(*number);
        address.entries.push_back(prefix_block(parts));
    }
    return address;
}

std::optional<XinetdAddress> read_block(std::string_view word) {
    const auto slash = word.find('/');
    const auto ip = IpAddress::parse(word.substr(0, slash));
    const auto bits = parse_decimal(word.substr(slash + 1));
    if (!ip || !bits) return std::nullopt;
    const bool v4 = ip->is_v4() && word.find(':') == std::string_view::npos;
    if (*bits > (v4 ? 32u : 128u)) return std::nullopt;
    const auto whole = static_cast<unsigned>(*bits) + (v4 ? 96 : 0);
    XinetdAddress address;
    const IpAddress base = mask(*ip, whole);
    address.entries.push_back(Network{base, static_cast<std::uint8_t>(whole)}.text());
    if (base != *ip) address.doubt = "its host bits are not zero; the block is meant";
    return address;
}

// Zeros on the right are wildcards; 0.0.0.0 is everybody.
XinetdAddress read_v4(std::vector<std::uint32_t> parts) {
    while (!parts.empty() && parts.back() == 0)
        parts.pop_back();
    return {{parts.empty() ? "all" : prefix_block(parts)}, {}, false};
}

// "192.168.1": inet_aton(3), and so xinetd, takes it for 192.168.0.1.
XinetdAddress read_short(const std::vector<std::uint32_t>& parts) {
    std::uint32_t ip = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
        ip |= parts[i] << (24 - 8 * i);
    const std::string alone = block(ip | parts.back(), 32);
    XinetdAddress address{{alone, prefix_block(parts)}, {}, false};
    address.doubt = fmt::format(
            "xinetd takes it for {}, probably {} is meant", alone, address.entries.back());
    return address;
}

// "300.1.2.3" is a mistyped address: no name ends in digits (RFC 1123, 2.1).
bool is_host_name(std::string_view text) {
    if (text.empty() || text.size() > 253 || text.front() == '-') return false;
    if (text.find_first_not_of("0123456789.") == std::string_view::npos) return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
               c == '_';
    });
}

std::optional<XinetdAddress> read_name(const std::string& word, ImportHost& host) {
    if (const auto network = host.network_of(word))
        return XinetdAddress{{network->text()}, {}, false};
    const std::string name = lower_case(word);
    if (name == "localhost") return XinetdAddress{{"127.0.0.1", "::1"}, {}, true};
    const bool domain = name.starts_with('.');
    const std::string_view plain = domain ? std::string_view(name).substr(1) : name;
    if (!is_host_name(plain)) return std::nullopt;
    return XinetdAddress{{(domain ? "domain:" : "host:") + std::string(plain)}, {}, true};
}

// ---- hours

// "8:30" in minutes; -1 where it is no time.
int minutes(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return -1;
    const auto hour = parse_decimal(text.substr(0, colon)),
               minute = parse_decimal(text.substr(colon + 1));
    if (!hour || !minute || *hour > 23 || *minute > 59) return -1;
    return static_cast<int>(*hour * 60 + *minute);
}

// ---- log types

constexpr std::array<std::string_view, 18> facilities{"daemon", "auth", "authpriv", "user",
        "mail", "lpr", "news", "uucp", "ftp", "local0", "local1", "local2", "local3", "local4",
        "local5", "local6", "local7", "cron"};
constexpr std::array<std::string_view, 8> levels{
        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};

template <std::size_t N>
bool is_among(const std::array<std::string_view, N>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::optional<std::string> syslog_value(
        const std::vector<std::string>& words, std::string& why) {
    const std::string facility = words.size() > 1 ? lower_case(words[1]) : "";
    const std::string level = words.size() > 2 ? lower_case(words[2]) : "info";
    if (words.size() > 3 || !is_among(facilities, facility))
        why = "SYSLOG takes a facility and perhaps a level";
    else if (!is_among(levels, level))
        why = quote_value(level) + " is not a level";
    if (!why.empty()) return std::nullopt;
    return toml_text("syslog:" + facility + "." + level);
}

std::optional<std::uint64_t> log_size(std::string_view word) {
    std::uint64_t unit = 1;
    if (word.ends_with('K') || word.ends_with('k')) unit = 1u << 10;
    if (word.ends_with('M') || word.ends_with('m')) unit = 1u << 20;
    const auto number = parse_decimal(unit == 1 ? word : word.substr(0, word.size() - 1));
    if (!number || *number > (std::uint64_t{1} << 40) / unit) return std::nullopt;
    return *number * unit;
}

// Without a hard size xinetd takes the soft one and a hundredth, 5 to 20 KiB.
std::uint64_t usual_hard_size(std::uint64_t soft) {
    constexpr std::uint64_t least = 5 << 10, most = 20 << 10;
    return soft + std::clamp(soft / 100, least, most);
}

std::optional<std::string> file_value(const std::vector<std::string>& words, std::string& why) {
    if (words.size() < 2 || words.size() > 4) why = "FILE takes a path and perhaps two sizes";
    const auto soft = words.size() > 2 ? log_size(words[2]) : std::optional<std::uint64_t>(0);
    const auto hard = words.size() > 3 ? log_size(words[3])
                                       : std::optional(usual_hard_size(soft.value_or(0)));
    if (why.empty() && (!soft || !hard || *hard < *soft)) why = "its sizes are wrong";
    if (!why.empty()) return std::nullopt;
    if (words.size() == 2) return toml_text("file:" + words[1]);
    return fmt::format(
            "{{ file = {}, soft = \"{}\", hard = \"{}\" }}", toml_text(words[1]), *soft, *hard);
}

}  // namespace

std::optional<XinetdAddress> read_xinetd_address(const std::string& word, ImportHost& host) {
    if (word.find('{') != std::string::npos) return read_factors(word);
    if (word.find('/') != std::string::npos) return read_block(word);
    if (const auto parts = octets(word))
        return parts->size() == 4 ? read_v4(*parts) : read_short(*parts);
    if (const auto ip = IpAddress::parse(word))
        return XinetdAddress{{ip->is_unspecified() ? "::/0" : ip->text()}, {}, false};
    return read_name(word, host);
}

std::optional<std::string> read_xinetd_hours(std::string_view word, bool& wraps) {
    const auto dash = word.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const int from = minutes(word.substr(0, dash)), to = minutes(word.substr(dash + 1));
    if (from < 0 || to < 0) return std::nullopt;
    wraps = to <= from;
    const int end = to + 1;
    if (end == from) return "00:00-24:00";
    return fmt::format("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, end / 60, end % 60);
}

std::optional<std::string> read_xinetd_log_type(
        const std::vector<std::string>& words, std::string& why) {
    const std::string kind = words.empty() ? "" : lower_case(words.front());
    if (kind == "syslog") return syslog_value(words, why);
    if (kind == "file") return file_value(words, why);
    why = "log_type is SYSLOG or FILE";
    return std::nullopt;
}

std::optional<std::string> read_xinetd_size(std::string_view word) {
    if (upper_case(word) == "UNLIMITED") return toml_text("unlimited");
    const bool unit =
            !word.empty() && (upper_case(word).back() == 'K' || upper_case(word).back() == 'M');
    const auto number = parse_decimal(unit ? word.substr(0, word.size() - 1) : word);
    if (!number || *number > (std::uint64_t{1} << 40)) return std::nullopt;
    return unit ? toml_text(std::to_string(*number) + upper_case(word).back())
                : std::to_string(*number);
}

}  // namespace superd
