// SPDX-License-Identifier: MIT
// The fields of a line of inetd.conf.
#include <array>
#include <limits>

#include "base/text.h"
#include "config/import_inetd.h"

namespace superd {

namespace {

using D = InetdDialect;

constexpr std::array<std::string_view, 5> socket_types{
        "stream", "dgram", "seqpacket", "rdm", "raw"};

std::string shown(std::string_view word) {
    return "\"" + escape(word) + "\"";
}

std::optional<std::uint32_t> small_number(std::string_view text) {
    const auto number = parse_decimal(text);
    if (!number || *number > 0x7fffffff) return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

InetdMistake take_buffer(InetdEntry& entry, std::string_view option) {
    const auto equals = option.find('=');
    const std::string_view key = option.substr(0, equals);
    const auto size = equals == std::string_view::npos
                              ? std::nullopt
                              : parse_inetd_size(option.substr(equals + 1));
    if (!size || (key != "sndbuf" && key != "rcvbuf"))
        return shown(option) + " is not sndbuf=SIZE or rcvbuf=SIZE";
    (key == "sndbuf" ? entry.send_buffer : entry.receive_buffer) = *size;
    return std::nullopt;
}

// "name/1-3" of an RPC service.
InetdMistake take_versions(InetdEntry& entry) {
    const auto slash = entry.service.find('/');
    const std::string_view versions =
            slash == std::string::npos ? std::string_view{}
                                       : std::string_view(entry.service).substr(slash + 1);
    const auto dash = versions.find('-');
    const auto low = small_number(versions.substr(0, dash));
    const auto high =
            dash == std::string_view::npos ? low : small_number(versions.substr(dash + 1));
    if (!low || !high || *low > *high)
        return "an RPC service needs its versions, as in " + shown("rstatd/1-3");
    entry.versions = std::string(versions);
    entry.service.resize(slash);
    return std::nullopt;
}

// FreeBSD's "/CHILDREN/PER-MINUTE/PER-SOURCE"; 0 is no bound.
InetdMistake take_slashed(InetdEntry& entry, std::string_view word, std::string_view numbers) {
    const auto parts = split(numbers, '/');
    const std::array<std::optional<std::uint32_t>*, 3> into{
            &entry.most, &entry.source_per_minute, &entry.per_source};
    if (parts.size() > into.size()) return shown(word) + " has too many numbers";
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto number = small_number(parts[i]);
        if (!number) return shown(parts[i]) + " in " + shown(word) + " is not a number";
        if (*number != 0) *into[i] = number;
    }
    if (!entry.wait || !entry.most) return std::nullopt;
    if (*entry.most != 1)
        entry.remark(ImportSeverity::warning, std::string(word),
                "a service that waits has one process; the number counts for nothing");
    entry.most.reset();
    return std::nullopt;
}

// ".N" or ":N", starts a minute.
InetdMistake take_starts(InetdEntry& entry, std::string_view word, std::string_view number,
        const InetdRules& rules) {
    const auto starts = small_number(number);
    if (!starts) return shown(number) + " in " + shown(word) + " is not a number";
    entry.per_minute = starts;
    if (*starts != 0 || rules.dialect == D::busybox) return std::nullopt;
    if (rules.dialect == D::netbsd)
        entry.disabled.push_back("at most 0 starts a minute: inetd never started it");
    else
        entry.remark(ImportSeverity::warning, std::string(word),
                "releases differ in what 0 starts a minute means; no bound was taken");
    return std::nullopt;
}

InetdMistake take_wait(InetdEntry& entry, std::string_view word, const InetdRules& rules) {
    const std::string_view marks = rules.dialect == D::freebsd  ? "/"
                                   : rules.dialect == D::netbsd ? ":."
                                                                : ".";
    const auto mark = word.find_first_of(marks);
    const std::string_view plain = word.substr(0, mark);
    if (plain != "wait" && plain != "nowait") return shown(word) + " is not wait or nowait";
    entry.wait = plain == "wait";
    if (mark == std::string_view::npos) return std::nullopt;
    const std::string_view behind = word.substr(mark + 1);
    return rules.dialect == D::freebsd ? take_slashed(entry, word, behind)
                                       : take_starts(entry, word, behind, rules);
}

void take_arguments(InetdEntry& entry, InetdText& text, const InetdRules& rules) {
    while (auto word = text.word()) {
        if (word->starts_with('#'))
            entry.remark(ImportSeverity::warning, *word,
                    "there are no comments behind fields: inetd hands this to the program, and "
                    "so does superd");
        entry.args.push_back(std::move(*word));
    }
    if (entry.args.size() > rules.most_arguments)
        entry.remark(ImportSeverity::warning, entry.read,
                "inetd itself drops what follows the first " +
                        std::to_string(rules.most_arguments) + " arguments; superd does not");
}

bool is_protocol(std::string_view name) {
    constexpr std::array<std::string_view, 4> families{"", "4", "6", "46"};
    if (name == "unix" || name == "tcp6only" || name == "udp6only") return true;
    for (const std::string_view family : families)
        if (name.size() == 3 + family.size() && name.ends_with(family) &&
                (name.starts_with("tcp") || name.starts_with("udp")))
            return true;
    return false;
}

}  // namespace

void InetdEntry::remark(ImportSeverity severity, std::string what, std::string message) {
    remarks.push_back({severity, std::move(what), std::move(message)});
}

std::optional<std::uint64_t> parse_inetd_size(std::string_view text) {
    std::uint64_t unit = 1;
    if (text.ends_with('k') || text.ends_with('K'))
        unit = 1024;
    else if (text.ends_with('m') || text.ends_with('M'))
        unit = std::uint64_t{1024} * 1024;
    if (unit != 1) text.remove_suffix(1);
    const auto number = parse_decimal(text);
    if (!number || *number == 0 || *number > 0x7fffffff / unit) return std::nullopt;
    return *number * unit;
}

InetdMistake parse_inetd_service(
        InetdEntry& entry, std::string_view word, const InetdRules& rules) {
    constexpr std::string_view mux = "tcpmux/";
    if (word.starts_with(mux)) {
        word.remove_prefix(mux.size());
        entry.mux = word.starts_with('+') ? InetdMux::plus : InetdMux::plain;
        if (word.starts_with('+')) word.remove_prefix(1);
    } else if (rules.dialect == D::freebsd && word.starts_with(':')) {
        const auto parts = split(word.substr(1), ':');
        if (parts.size() < 4 || !parts[3].starts_with('/') || !parse_octal(parts[2]))
            return shown(word) + " is not :USER:GROUP:MODE:/PATH";
        entry.node_owner = parts[0];
        entry.node_group = parts[1];
        entry.node_mode = parts[2];
        word = word.substr(static_cast<std::size_t>(parts[3].data() - word.data()));
    }
    if (word.empty()) return "the name of the service is missing";
    entry.service = std::string(word);
    return std::nullopt;
}

InetdMistake parse_inetd_socket_type(
        InetdEntry& entry, std::string_view word, const InetdRules& rules) {
    std::string_view type = word;
    if (rules.dialect == D::netbsd && word.starts_with("stream")) {
        const auto colon = word.find(':');
        if (colon != std::string_view::npos) entry.accept_filter = word.substr(colon + 1);
        type = word.substr(0, colon);
        if (const auto comma = type.find(','); comma != std::string_view::npos) {
            entry.most = small_number(type.substr(comma + 1));
            if (!entry.most) return shown(word) + ": the number behind ',' is not one";
            type = type.substr(0, comma);
        }
    }
    entry.socket_type = std::string(type);
    for (const std::string_view known : socket_types)
        if (type == known) return std::nullopt;
    return shown(word) + " is not a socket type";
}

InetdMistake parse_inetd_protocol(
        InetdEntry& entry, std::string_view word, const InetdRules& rules) {
    auto parts = split(word, ',');
    std::string_view name = parts.front();
    if (name.starts_with("faith/")) {
        name.remove_prefix(6);
        entry.remark(ImportSeverity::warning, std::string(word),
                "faith/ translated addresses for KAME's gateway and is left out");
    }
    const bool rpc = name.starts_with("rpc/");
    if (rpc) name.remove_prefix(4);
    if (!is_protocol(name) || (name.ends_with("6only") && rules.dialect != D::gnu))
        return shown(word) + " is not a protocol that superd knows";
    entry.protocol = std::string(name);
    parts.erase(parts.begin());
    for (const std::string_view part : parts)
        if (auto mistake = take_buffer(entry, part)) return mistake;
    return rpc ? take_versions(entry) : std::nullopt;
}

InetdMistake parse_inetd_user(
        InetdEntry& entry, std::string_view word, const InetdRules& rules) {
    if (rules.dialect == D::freebsd)
        if (const auto slash = word.find('/'); slash != std::string_view::npos) {
            entry.login_class = std::string(word.substr(slash + 1));
            word = word.substr(0, slash);
        }
    auto mark = word.find(':');
    if (mark == std::string_view::npos && rules.dialect != D::freebsd) mark = word.find('.');
    entry.user = std::string(word.substr(0, mark));
    if (mark != std::string_view::npos) entry.group = std::string(word.substr(mark + 1));
    if (entry.user.empty()) return "the user is missing";
    return std::nullopt;
}

InetdMistake check_inetd_entry(const InetdEntry& entry) {
    const bool udp = entry.protocol.starts_with("udp"), tcp = entry.protocol.starts_with("tcp");
    if ((entry.socket_type == "stream" && udp) || (entry.socket_type == "dgram" && tcp))
        return entry.socket_type + " and " + entry.protocol + " do not go together";
    if (entry.socket_type == "rdm" || entry.socket_type == "raw")
        return "superd has no " + entry.socket_type + " sockets";
    if (entry.socket_type == "seqpacket" && entry.protocol != "unix")
        return "superd has seqpacket for UNIX sockets only";
    if (entry.protocol == "unix" && !entry.service.starts_with('/'))
        return "the service of a UNIX socket is its absolute path";
    if (entry.mux != InetdMux::none && (!tcp || entry.socket_type != "stream"))
        return "a service behind tcpmux is stream and tcp";
    if (entry.mux != InetdMux::none && entry.wait) return "a service behind tcpmux is nowait";
    if (entry.mux != InetdMux::none && (entry.send_buffer != 0 || entry.receive_buffer != 0))
        return "a service behind tcpmux has no buffer sizes of its own";
    return std::nullopt;
}

InetdMistake parse_inetd_fields(
        InetdEntry& entry, const std::string& type, InetdText& text, const InetdRules& rules) {
    if (auto mistake = parse_inetd_socket_type(entry, type, rules)) return mistake;
    const auto protocol = text.word();
    if (!protocol) return "the protocol is missing";
    if (auto mistake = parse_inetd_protocol(entry, *protocol, rules)) return mistake;
    const auto wait = text.word();
    if (!wait) return "wait or nowait is missing";
    if (auto mistake = take_wait(entry, *wait, rules)) return mistake;
    const auto user = text.word();
    if (!user) return "the user is missing";
    if (auto mistake = parse_inetd_user(entry, *user, rules)) return mistake;
    auto server = text.word();
    if (!server || server->empty()) return "the program is missing";
    entry.server = std::move(*server);
    take_arguments(entry, text, rules);
    if (text.take_unclosed_quote())
        entry.remark(ImportSeverity::warning, entry.read,
                "a quote is not closed: it was read to the end of its line, as inetd does");
    return check_inetd_entry(entry);
}

}  // namespace superd
