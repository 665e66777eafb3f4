// SPDX-License-Identifier: MIT
#include "config/address_spec.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "config/netlink_families.h"

namespace superd {

namespace {

using Spec = tl::expected<AddressSpec, WrongAddress>;
using Wrongly = tl::unexpected<WrongAddress>;

// unix(7): sun_path with its NUL has 108. FIFOs keep to it too: service and address together
// are the key of a listener in the saved state.
constexpr std::size_t max_path = 107;

struct Scheme {
    std::string_view name;
    ListenerKind kind;
    std::uint8_t ip_family;
};

constexpr std::array schemes{Scheme{"tcp", ListenerKind::tcp, 0},
        Scheme{"tcp4", ListenerKind::tcp, 4}, Scheme{"tcp6", ListenerKind::tcp, 6},
        Scheme{"udp", ListenerKind::udp, 0}, Scheme{"udp4", ListenerKind::udp, 4},
        Scheme{"udp6", ListenerKind::udp, 6}, Scheme{"unix", ListenerKind::unix_stream, 0},
        Scheme{"unixgram", ListenerKind::unix_dgram, 0},
        Scheme{"seqpacket", ListenerKind::unix_seqpacket, 0},
        Scheme{"fifo", ListenerKind::fifo, 0}, Scheme{"vsock", ListenerKind::vsock, 0},
        Scheme{"mqueue", ListenerKind::mqueue, 0}, Scheme{"netlink", ListenerKind::netlink, 0}};

constexpr std::array<std::string_view, schemes.size()> scheme_names = [] {
    std::array<std::string_view, schemes.size()> names;
    for (std::size_t i = 0; i < schemes.size(); ++i)
        names[i] = schemes[i].name;
    return names;
}();

const Scheme* find_scheme(std::string_view name) {
    for (const Scheme& scheme : schemes)
        if (scheme.name == name) return &scheme;
    return nullptr;
}

std::string quoted(std::string_view text) {
    return "\"" + escape(text) + "\"";
}

std::string write(std::string_view right) {
    return "write " + quoted(right);
}

Wrongly wrong(std::string message, std::string suggestion = {}) {
    return tl::make_unexpected(WrongAddress{std::move(message), std::move(suggestion)});
}

bool is_number(std::string_view text) {
    return parse_decimal(text).has_value();
}

// Letters, digits, '-', '_', '.', '+', at least one of them a letter: what services(5) may
// name.
bool is_service_name(std::string_view text) {
    bool letter = false;
    for (const char c : text) {
        const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        letter = letter || alpha;
        const bool digit = c >= '0' && c <= '9';
        if (!alpha && !digit && c != '-' && c != '_' && c != '.' && c != '+') return false;
    }
    return letter;
}

// ---- what was probably meant by an address without its scheme

bool has_dotted_prefix(std::string_view text) {
    const auto colon = text.find(':');
    return IpAddress::parse(text.substr(0, colon)).has_value();
}

// The right form of `text`, an address that names no scheme of ours; empty: no guess.
std::string guess(std::string_view text) {
    const std::string plain(text);
    if (is_number(text)) return "tcp:" + plain;
    if (text.starts_with('/')) return "unix:" + plain;
    if (text.starts_with('@')) return "unix:" + plain;
    if (text.starts_with("*:")) return "tcp:" + plain.substr(2);
    if (text.starts_with(":::") && is_number(text.substr(3))) return "tcp6:" + plain.substr(3);
    if (text.starts_with(':') && text.find(':', 1) == std::string_view::npos)
        return "tcp" + plain;
    if (text.starts_with('[') && text.find("]:") != std::string_view::npos)
        return "tcp:" + plain;
    if (text.starts_with("0.0.0.0:")) return "tcp4:" + plain.substr(8);
    if (has_dotted_prefix(text) && text.find(':') != std::string_view::npos)
        return "tcp:" + plain;
    return {};
}

// What stands behind the kind of an address.
std::string plain_form(std::string_view kind) {
    if (kind.starts_with("tcp") || kind.starts_with("udp")) return std::string(kind) + ":PORT";
    if (kind == "vsock") return "vsock:CID:PORT";
    if (kind == "mqueue") return "mqueue:/NAME";
    if (kind == "netlink") return "netlink:FAMILY:GROUPS";
    return std::string(kind) + ":/path";
}

Wrongly wrong_scheme(std::string_view text) {
    const std::string message = quoted(text) + " is not an address";
    if (const std::string right = guess(text); !right.empty())
        return wrong(message, write(right));
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) {
        if (std::find(scheme_names.begin(), scheme_names.end(), text) != scheme_names.end())
            return wrong(message, write(plain_form(text)));
        if (is_service_name(text)) return wrong(message, write("tcp:" + std::string(text)));
        return wrong(message, R"(write "tcp:PORT", "udp:PORT" or "unix:/path")");
    }
    const std::string_view name = text.substr(0, colon);
    if (name == "unixdgram" || name == "unix-dgram")
        return wrong(message, write("unixgram" + std::string(text.substr(colon))));
    const std::string unknown = quoted(name) + " is not a kind of address";
    if (const auto near = nearest(name, scheme_names); !near.empty())
        return wrong(unknown, write(std::string(near) + std::string(text.substr(colon))));
    return wrong(unknown,
            "the kinds are tcp tcp4 tcp6 udp udp4 udp6 unix unixgram seqpacket fifo vsock "
            "mqueue "
            "netlink");
}

// ---- tcp and udp

struct HostPort {
    std::string_view host, port;
    bool bracketed = false;
};

const char* protocol_of(ListenerKind kind) {
    return kind == ListenerKind::udp ? "udp" : "tcp";
}

tl::expected<std::uint32_t, WrongAddress> parse_port(
        std::string_view text, ListenerKind kind, const PortLookup& lookup) {
    if (text.empty())
        return wrong(
                "the port is missing", "write the port's number or service name at the end");
    if (text.find_first_not_of("0123456789") == std::string_view::npos) {
        const auto number = parse_decimal(text);
        if (!number || *number > 65535)
            return wrong("port " + std::string(text) + " is out of range",
                    "ports are 1 to 65535, or 0 to have the kernel choose");
        return static_cast<std::uint32_t>(*number);
    }
    if (!is_service_name(text))
        return wrong(
                quoted(text) + " is not a port", "write a number or a name of /etc/services");
    if (lookup)
        if (const auto port = lookup(std::string(text), protocol_of(kind))) return *port;
    return wrong("the service name " + quoted(text) + " is not known for " + protocol_of(kind),
            "write the port's number");
}

// "22", "ADDRESS:22" or "[ADDRESS]:22" behind the scheme.
tl::expected<HostPort, WrongAddress> split_host(
        std::string_view scheme, std::string_view rest) {
    const std::string prefix = std::string(scheme) + ":";
    if (rest.starts_with('[')) {
        const auto close = rest.find(']');
        if (close == std::string_view::npos)
            return wrong("the ']' of the IPv6 address is missing");
        if (close + 1 >= rest.size() || rest[close + 1] != ':')
            return wrong("the port is missing",
                    write(prefix + std::string(rest.substr(0, close + 1)) + ":PORT"));
        return HostPort{rest.substr(1, close - 1), rest.substr(close + 2), true};
    }
    const auto last = rest.rfind(':');
    if (last == std::string_view::npos) return HostPort{{}, rest, false};
    const std::string_view host = rest.substr(0, last), port = rest.substr(last + 1);
    if (host.empty() || host == "*")
        return wrong("there is no address before the port", write(prefix + std::string(port)));
    if (host.find(':') != std::string_view::npos) {
        const std::string right = prefix + "[" + std::string(host) + "]:" + std::string(port);
        return wrong("an IPv6 address stands in brackets", write(right));
    }
    return HostPort{host, port, false};
}

bool is_link_local(const IpAddress& ip) {
    return ip.bytes[0] == 0xfe && (ip.bytes[1] & 0xc0) == 0x80;
}

// Puts host (never empty) into spec.
std::optional<WrongAddress> take_host(
        AddressSpec& spec, const HostPort& parts, std::string_view scheme) {
    const auto percent = parts.host.find('%');
    const std::string_view plain = parts.host.substr(0, percent);
    const auto ip = IpAddress::parse(plain);
    if (!ip) {
        const bool name = !parts.bracketed &&
                          plain.find_first_not_of("0123456789.") != std::string_view::npos;
        return WrongAddress{quoted(plain) + " is not an IP address",
                name ? "a listener needs the address itself, not a host's name" : ""};
    }
    const bool v4 = ip->is_v4() && plain.find(':') == std::string_view::npos;
    if (v4 && parts.bracketed)
        return WrongAddress{"only an IPv6 address stands in brackets",
                write(std::string(scheme) + ":" + std::string(plain) + ":" +
                        std::string(parts.port))};
    if (percent != std::string_view::npos) {
        spec.zone = parts.host.substr(percent + 1);
        if (spec.zone.empty() || spec.zone.size() > 15)
            return WrongAddress{"the zone behind '%' is not an interface's name", {}};
        if (v4) return WrongAddress{"an IPv4 address has no zone", {}};
        if (ip->is_unspecified())
            return WrongAddress{"an address that stands for all has no zone",
                    write(std::string(protocol_of(spec.kind)) +
                            "6:" + std::string(parts.port)) +
                            " and the interface in the listener's \"interface\""};
    }
    const std::uint8_t family = v4 ? 4 : 6;
    if (spec.ip_family != 0 && spec.ip_family != family) {
        const std::string other = std::string(protocol_of(spec.kind)) + (v4 ? "4" : "6");
        return WrongAddress{
                quoted(plain) + " is not an IPv" + std::to_string(spec.ip_family) + " address",
                "write " + other + ": before it"};
    }
    if (!v4 && ip->is_v4())
        return WrongAddress{"an IPv4 address is written plainly",
                write(std::string(protocol_of(spec.kind)) + ":" + ip->text() + ":" +
                        std::string(parts.port))};
    if (is_link_local(*ip) && spec.zone.empty())
        return WrongAddress{"a link-local address needs its interface",
                write(std::string(scheme) + ":[" + std::string(plain) +
                        "%eth0]:" + std::string(parts.port))};
    spec.ip_family = family;
    if (!ip->is_unspecified()) spec.ip = *ip;
    return std::nullopt;
}

Spec parse_ip(const Scheme& scheme, std::string_view rest, const PortLookup& lookup) {
    AddressSpec spec;
    spec.kind = scheme.kind;
    spec.ip_family = scheme.ip_family;
    const auto parts = split_host(scheme.name, rest);
    if (!parts) return tl::make_unexpected(parts.error());
    if (parts->bracketed && parts->host.empty())
        return wrong("the address between the brackets is missing");
    if (!parts->host.empty())
        if (auto bad = take_host(spec, *parts, scheme.name))
            return tl::make_unexpected(std::move(*bad));
    const auto port = parse_port(parts->port, scheme.kind, lookup);
    if (!port) return tl::make_unexpected(port.error());
    spec.port = *port;
    return spec;
}

// ---- unix, fifo, vsock, mqueue, netlink

std::optional<WrongAddress> check_path(const Scheme& scheme, std::string_view path) {
    const std::string prefix = std::string(scheme.name) + ":";
    const bool fifo = scheme.kind == ListenerKind::fifo;
    if (path.starts_with("//"))
        return WrongAddress{"the path begins with two slashes",
                write(prefix + std::string(path.substr(1)))};
    const bool abstract = path.starts_with('@');
    if (abstract && fifo)
        return WrongAddress{"a FIFO has no abstract name",
                write("fifo:/run/" + std::string(path.substr(1)))};
    if (!abstract && !path.starts_with('/')) {
        const std::string right =
                prefix + "/run/" + (path.empty() ? "NAME" : std::string(path));
        return WrongAddress{"the path must be absolute", write(right)};
    }
    if (path.size() < 2)
        return WrongAddress{"the path is missing", write(prefix + "/run/NAME")};
    if (path.ends_with('/')) return WrongAddress{"the path names a directory", {}};
    if (path.find('\0') != std::string_view::npos)
        return WrongAddress{"the path holds a NUL", {}};
    if (path.size() > max_path)
        return WrongAddress{"the path has " + std::to_string(path.size()) + " bytes; at most " +
                                    std::to_string(max_path) + " fit",
                {}};
    return std::nullopt;
}

Spec parse_path(const Scheme& scheme, std::string_view rest) {
    if (auto bad = check_path(scheme, rest)) return tl::make_unexpected(std::move(*bad));
    AddressSpec spec;
    spec.kind = scheme.kind;
    spec.path = rest;
    return spec;
}

Spec parse_vsock(std::string_view rest) {
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos)
        return wrong("the CID is missing",
                write("vsock:*:" + (rest.empty() ? "PORT" : std::string(rest))));
    const std::string_view cid = rest.substr(0, colon), port = rest.substr(colon + 1);
    AddressSpec spec;
    spec.kind = ListenerKind::vsock;
    spec.cid = vsock_any_cid;
    if (cid != "*" && cid != "-1") {
        const auto number = parse_decimal(cid);
        if (!number || *number >= vsock_any_cid)
            return wrong(quoted(cid) + " is not a CID", R"(write a number, or "*" for any)");
        spec.cid = static_cast<std::uint32_t>(*number);
    }
    const auto number = parse_decimal(port);
    if (!number || *number >= 0xffffffffu)
        return wrong(
                quoted(port) + " is not a vsock port", "write a number from 0 to 4294967294");
    spec.port = static_cast<std::uint32_t>(*number);
    return spec;
}

// mq_overview(7): a slash and a name without one.
Spec parse_queue(std::string_view rest) {
    const std::string_view name = rest.substr(rest.starts_with('/') ? 1 : 0);
    if (name.empty() || name == "." || name == "..")
        return wrong("the name of the queue is missing", write("mqueue:/NAME"));
    if (name.find('/') != std::string_view::npos)
        return wrong("the name of a queue has no '/' but the first",
                write("mqueue:/" + std::string(name.substr(name.rfind('/') + 1))));
    if (!rest.starts_with('/'))
        return wrong(
                "the name of a queue begins with '/'", write("mqueue:/" + std::string(name)));
    if (rest.find('\0') != std::string_view::npos || rest.size() > max_path)
        return wrong(
                "a queue's name has at most " + std::to_string(max_path) + " bytes and no NUL");
    AddressSpec spec;
    spec.kind = ListenerKind::mqueue;
    spec.path = rest;
    return spec;
}

Spec parse_netlink(std::string_view rest) {
    const auto colon = rest.find(':');
    const std::string_view name = rest.substr(0, colon);
    const auto family = netlink_family(name);
    if (!family)
        return wrong(quoted(name) + " is not a family of netlink",
                R"(write "route", "kobject-uevent" or another of netlink(7))");
    if (colon == std::string_view::npos)
        return wrong("the groups are missing", write("netlink:" + std::string(name) + ":1"));
    const auto groups = parse_decimal(rest.substr(colon + 1));
    if (!groups || *groups > 0xffffffffu)
        return wrong(quoted(rest.substr(colon + 1)) + " are not netlink's groups",
                "write their bits as a number, 0 for none");
    AddressSpec spec;
    spec.kind = ListenerKind::netlink;
    spec.netlink_family = *family;
    spec.netlink_groups = static_cast<std::uint32_t>(*groups);
    return spec;
}

std::string_view scheme_text(const AddressSpec& spec) {
    // tcp:192.0.2.1:22 needs no 4: the address says it.
    const std::uint8_t family = spec.ip.is_unspecified() ? spec.ip_family : std::uint8_t{0};
    for (const Scheme& scheme : schemes)
        if (scheme.kind == spec.kind && scheme.ip_family == family) return scheme.name;
    return {};
}

std::string ip_text(const AddressSpec& spec) {
    std::string text(scheme_text(spec));
    text += ':';
    if (!spec.ip.is_unspecified()) {
        const std::string zone = spec.zone.empty() ? "" : "%" + spec.zone;
        text += spec.ip_family == 4 ? spec.ip.text() : "[" + spec.ip.text() + zone + "]";
        text += ':';
    }
    return text + std::to_string(spec.port);
}

}  // namespace

std::string AddressSpec::text() const {
    switch (kind) {
        case ListenerKind::tcp:
        case ListenerKind::udp: return ip_text(*this);
        case ListenerKind::vsock:
            return "vsock:" + (cid == vsock_any_cid ? "*" : std::to_string(cid)) + ":" +
                   std::to_string(port);
        case ListenerKind::netlink:
            return "netlink:" + netlink_family_text(netlink_family) + ":" +
                   std::to_string(netlink_groups);
        default: return std::string(scheme_text(*this)) + ":" + path;
    }
}

tl::expected<AddressSpec, WrongAddress> parse_address(
        std::string_view text, const PortLookup& lookup) {
    const auto colon = text.find(':');
    const Scheme* scheme =
            colon == std::string_view::npos ? nullptr : find_scheme(text.substr(0, colon));
    if (scheme == nullptr) return wrong_scheme(text);
    const std::string_view rest = text.substr(colon + 1);
    switch (scheme->kind) {
        case ListenerKind::tcp:
        case ListenerKind::udp: return parse_ip(*scheme, rest, lookup);
        case ListenerKind::vsock: return parse_vsock(rest);
        case ListenerKind::mqueue: return parse_queue(rest);
        case ListenerKind::netlink: return parse_netlink(rest);
        default: return parse_path(*scheme, rest);
    }
}

}  // namespace superd
