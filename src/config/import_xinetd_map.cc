// SPDX-License-Identifier: MIT
// One service of xinetd in superd's words.
#include "config/import_xinetd_map.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "base/text.h"
#include "base/units.h"

namespace superd {

XinetdMapping::XinetdMapping(
        const XinetdService& source, const XinetdHost& facts, ImportHost& host, Import& import)
        : source_(source), facts_(facts), host_(host), import_(import) {
    out_.name = source.name;
    out_.at = source.entry->at;
    out_.comments = source.entry->comments;
    out_.disabled = source.switched_off;
    switched_off_ = !out_.disabled.empty() || lower_case(source.word("disable")) == "yes";
}

// ---- notes, settings, refusals

void XinetdMapping::note(ImportSeverity severity, const XinetdValue& value, std::string made,
        std::string message) {
    // What defaults says is told once, with the first service that takes it.
    if (value.inherited && severity == ImportSeverity::info) return;
    import_.notes.push_back({severity, value.at, value.inherited ? "" : source_.name,
            value.text, std::move(made), std::move(message)});
}

void XinetdMapping::note_service(ImportSeverity severity, std::string message) {
    import_.notes.push_back(
            {severity, source_.entry->at, source_.name, {}, {}, std::move(message)});
}

void XinetdMapping::set(const XinetdValue* from, std::string key, std::string value,
        std::string message, ImportSeverity severity) {
    const ImportPlace at = from != nullptr ? from->at : ImportPlace{};
    ImportSetting& setting = out_.set(key, value, at);
    if (from == nullptr) return;
    if (!from->inherited)
        setting.comments.insert(
                setting.comments.end(), from->comments.begin(), from->comments.end());
    note(severity, *from, key + " = " + value, std::move(message));
}

void XinetdMapping::refuse(const std::string& why) {
    const std::string reason = "xinetd refuses it: " + why;
    if (std::find(out_.disabled.begin(), out_.disabled.end(), reason) != out_.disabled.end())
        return;
    out_.disabled.push_back(reason);
    // Where it is switched off on purpose nobody misses it.
    if (switched_off_)
        note_service(ImportSeverity::info, reason);
    else
        note_service(ImportSeverity::warning, reason + "; the service comes in disabled");
}

void XinetdMapping::refuse(const XinetdValue& value, const std::string& why) {
    const bool elsewhere = value.at.file != source_.entry->at.file;
    refuse((elsewhere ? value.at.file + ":" : "line ") + std::to_string(value.at.line) + ": " +
            why);
}

std::optional<bool> XinetdMapping::boolean(std::string_view attribute) {
    const XinetdValue* value = source_.find(attribute);
    if (value == nullptr || value->words.empty()) return std::nullopt;
    const std::string word = lower_case(value->words.front());
    if (word == "yes") return true;
    if (word != "no")
        refuse(*value, std::string(attribute) + " is yes or no, not " + quote_value(word));
    return word == "no" ? std::optional(false) : std::nullopt;
}

std::optional<std::uint64_t> XinetdMapping::number(
        std::string_view attribute, std::uint64_t highest) {
    const XinetdValue* value = source_.find(attribute);
    if (value == nullptr || value->words.empty()) return std::nullopt;
    const auto found = parse_decimal(value->words.front());
    if (found && *found <= highest) return found;
    refuse(*value,
            quote_value(value->words.front()) + " is not a value of " + std::string(attribute));
    return std::nullopt;
}

// ---- what it is

void XinetdMapping::read_kind() {
    static constexpr std::array<std::string_view, 7> types{
            "RPC", "INTERNAL", "UNLISTED", "TCPMUX", "TCPMUXPLUS", "SPECIAL", ""};
    static constexpr std::array<std::string_view, 13> flags{"REUSE", "INTERCEPT", "NORETRY",
            "IDONLY", "NAMEINARGS", "NODELAY", "KEEPALIVE", "NOLIBWRAP", "SENSOR", "IPV4",
            "IPV6", "LABELED", ""};
    const auto check = [&](std::string_view attribute, const auto& known) {
        const XinetdValue* value = source_.find(attribute);
        if (value == nullptr) return;
        for (const std::string& word : value->words)
            if (std::find(known.begin(), known.end(), upper_case(word)) == known.end())
                refuse(*value,
                        quote_value(word) + " is not a value of " + std::string(attribute));
    };
    check("type", types);
    check("flags", flags);
    internal_ = has_type("INTERNAL") || has_flag("SENSOR");
    redirect_ = source_.find("redirect") != nullptr;
    tcpmux_ = has_type("TCPMUX") || has_type("TCPMUXPLUS");
    const auto wait = boolean("wait");
    if (!wait && source_.find("wait") == nullptr) refuse("it does not say wait");
    const XinetdValue* said = source_.find("wait");
    if (said != nullptr && said->unseen) refuse(*said, "wait counts as not said");
    waits_ = wait.value_or(false);
    read_socket();
}

void XinetdMapping::read_socket() {
    const std::string type = lower_case(source_.word("socket_type"));
    std::string protocol = lower_case(source_.word("protocol"));
    if (type.empty() && protocol.empty())
        refuse("it says neither socket_type nor protocol; tcp is taken");
    if (protocol.empty()) protocol = type == "dgram" ? "udp" : "tcp";
    if (protocol == "tcp6" || protocol == "udp6") {
        refuse("there is no protocol " + protocol + "; flags = IPv6 is meant");
        protocol.pop_back();
    }
    const bool known = (type.empty() || type == "stream" || type == "dgram") &&
                       (protocol == "tcp" || protocol == "udp");
    if (!known) {
        out_.disabled.push_back("superd has no sockets of socket_type " + quote_value(type) +
                                " and protocol " + quote_value(protocol));
        note_service(ImportSeverity::lost, out_.disabled.back());
        return;
    }
    if ((type == "dgram" && protocol == "tcp") || (type == "stream" && protocol == "udp"))
        refuse("its socket_type and its protocol do not belong together");
    protocol_ = protocol;
    if (protocol == "udp" && !waits_ && !internal_)
        note_service(ImportSeverity::warning,
                "a process for each datagram: superd starts one worker, which is given the "
                "socket, "
                "as with wait = yes");
}

// ---- where it listens

std::optional<std::uint32_t> XinetdMapping::find_port() {
    const XinetdValue* said = source_.find("port");
    const auto listed = host_.port_of(source_.entry->name, protocol_);
    auto port = number("port", 65535);
    if (has_type("RPC")) return port.value_or(0);
    if (said != nullptr && said->unseen && has_type("UNLISTED"))
        refuse(*said, "port counts as not said");
    if (has_type("UNLISTED") || tcpmux_) {
        if (said == nullptr && !tcpmux_) refuse("an UNLISTED service needs its port");
        if (port) return port;
        return listed;
    }
    if (!listed && said != nullptr)
        refuse(
                fmt::format("{}/{} is not in /etc/services and type = UNLISTED is missing; "
                            "superd needs neither",
                        source_.entry->name, protocol_));
    else if (!listed)
        refuse(fmt::format("it has no port and {}/{} is not in /etc/services",
                source_.entry->name, protocol_));
    else if (port && *port != *listed)
        refuse(fmt::format("port = {}, but /etc/services has {}", *port, *listed));
    if (port) return port;
    return listed;
}

// "tcp4:22", "tcp:[::1]:22"; v6only as the manual promises it.
std::string XinetdMapping::address_of(std::uint32_t port) {
    const bool v4 = has_flag("IPV4") && !has_flag("IPV6");
    const auto v6only = boolean("v6only");
    const XinetdValue* said = source_.find("v6only");
    if (said != nullptr && v6only == false && !v4)
        note(ImportSeverity::warning, *said, {},
                "xinetd takes IPv6 clients only, whatever v6only says; superd does what the "
                "manual promises and takes both");
    const std::string suffix = v4 ? "4" : v6only == true ? "6" : "";
    if (const XinetdValue* bind = source_.find("bind"))
        if (const auto ip = bind_address(*bind)) return with_address(*ip, suffix, port);
    if (v4 && v6only == true)
        note(ImportSeverity::info, *said, {}, "means nothing for an IPv4 socket");
    return protocol_ + suffix + ":" + std::to_string(port);
}

std::string XinetdMapping::with_address(
        const IpAddress& ip, const std::string& suffix, std::uint32_t port) const {
    if (ip.is_unspecified()) {
        const std::string family = ip.is_v4() ? "4" : suffix;
        return protocol_ + family + ":" + std::to_string(port);
    }
    return fmt::format(
            fmt::runtime(ip.is_v4() ? "{}:{}:{}" : "{}:[{}]:{}"), protocol_, ip.text(), port);
}

std::optional<IpAddress> XinetdMapping::bind_address(const XinetdValue& bind) {
    const std::string& word = bind.words.front();
    if (word == "0.0.0.0") return IpAddress::v4(0);
    if (const auto ip = IpAddress::parse(word)) return ip;
    const auto found = host_.addresses_of(word);
    const bool v4 = has_flag("IPV4"), v6 = has_flag("IPV6");
    for (const IpAddress& ip : found)
        if (v4 == v6 || ip.is_v4() == v4) {
            note(ImportSeverity::warning, bind, ip.text(),
                    "a listener needs the address itself; write it anew when the host moves");
            return ip;
        }
    refuse(bind, quote_value(word) + " has no address here");
    return std::nullopt;
}

void XinetdMapping::map_listener() {
    if (protocol_.empty()) return;
    const auto port = find_port();
    if (tcpmux_) return map_tcpmux();
    if (!port) return;
    ImportListener listener{address_of(*port), {}};
    if (const XinetdValue* bind = source_.find("bind")) {
        const auto ip = IpAddress::parse(bind->words.front());
        const bool v4 = ip && ip->is_v4();
        const bool multicast =
                ip && (v4 ? (ip->bytes[12] & 0xf0) == 0xe0 : ip->bytes[0] == 0xff);
        if (multicast)
            listener.options.push_back({"join", toml_text(ip->text()), {}, bind->at, {}});
        note(ImportSeverity::info, *bind, "listen = " + toml_text(listener.address), {});
    }
    if (has_type("RPC")) map_rpc();
    if (const XinetdValue* said = source_.find("port"))
        note(ImportSeverity::info, *said, "listen = " + toml_text(listener.address), {});
    out_.listeners.push_back(std::move(listener));
}

void XinetdMapping::map_tcpmux() {
    const XinetdValue* type = source_.find("type");
    if (!has_type("UNLISTED") || protocol_ != "tcp")
        refuse("a TCPMUX service is UNLISTED and tcp");
    set(type, "tcpmux", has_type("TCPMUXPLUS") ? "\"plus\"" : "\"plain\"");
}

void XinetdMapping::map_rpc() {
    const XinetdValue* type = source_.find("type");
    const auto given = number("rpc_number", 0xffffffffu);
    std::string program = toml_text(source_.entry->name);
    if (given)
        program = std::to_string(*given);
    else if (has_type("UNLISTED"))
        refuse("an UNLISTED RPC service needs its rpc_number");
    else if (!host_.rpc_number_of(source_.entry->name))
        refuse(quote_value(source_.entry->name) + " is not in /etc/rpc");
    const std::string versions = source_.word("rpc_version");
    const auto dash = versions.find('-');
    const auto low = parse_decimal(std::string_view(versions).substr(0, dash));
    const auto high = dash == std::string::npos
                              ? low
                              : parse_decimal(std::string_view(versions).substr(dash + 1));
    if (!low || !high || *high < *low)
        return refuse("an RPC service needs its rpc_version, N or N-M");
    const std::string range =
            *low == *high ? std::to_string(*low) : fmt::format("\"{}-{}\"", *low, *high);
    set(type, "rpc", fmt::format("{{ program = {}, versions = {} }}", program, range));
}

ImportService XinetdMapping::run() {
    for (const std::string& why : source_.refusals)
        refuse(why);
    const auto disable = boolean("disable");
    const XinetdValue* said = source_.find("disable");
    if (disable == true) {
        out_.disabled.emplace_back("it says disable = yes");
        note(said->unseen ? ImportSeverity::warning : ImportSeverity::info, *said,
                "enabled = false", said->unseen ? "xinetd serves it all the same" : "");
    }
    read_kind();
    map_listener();
    map_program();
    map_flags();
    map_identity();
    map_limits();
    map_access();
    map_logging();
    return std::move(out_);
}

ImportService map_xinetd_service(const XinetdService& service, const XinetdHost& facts,
        ImportHost& host, Import& import) {
    return XinetdMapping(service, facts, host, import).run();
}

}  // namespace superd
