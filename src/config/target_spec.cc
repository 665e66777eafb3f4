// SPDX-License-Identifier: MIT
#include "config/target_spec.h"

#include "base/text.h"

namespace superd {

namespace {

constexpr std::size_t longest_name = 253;  // RFC 1035

bool is_host_name(std::string_view name) {
    if (name.empty() || name.size() > longest_name || name.front() == '-') return false;
    bool letter = false;
    for (const char c : name) {
        const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        letter = letter || alpha;
        if (!alpha && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_') return false;
    }
    // "1.2.3" is an address gone wrong.
    return letter && name.find("..") == std::string_view::npos;
}

tl::unexpected<WrongAddress> wrong(std::string message, std::string suggestion) {
    return tl::make_unexpected(WrongAddress{std::move(message), std::move(suggestion)});
}

TargetPlan from_spec(const AddressSpec& spec) {
    TargetPlan target;
    target.text = spec.text();
    target.kind = spec.kind;
    target.ip = spec.ip;
    target.zone = spec.zone;
    target.ip_family = spec.ip_family;
    target.port = spec.port;
    target.path = spec.path;
    return target;
}

bool is_ip(ListenerKind kind) {
    return kind == ListenerKind::tcp || kind == ListenerKind::udp;
}

tl::expected<TargetPlan, WrongAddress> check(TargetPlan target) {
    const bool known = is_ip(target.kind) || target.kind == ListenerKind::unix_stream;
    if (!known)
        return wrong("\"" + escape(target.text) + "\" cannot be connected to from here",
                "targets are tcp, udp and unix addresses");
    if (is_ip(target.kind) && target.port == 0)
        return wrong("a target needs a port", "ports are 1 to 65535");
    if (is_ip(target.kind) && target.host.empty() && target.ip.is_unspecified())
        return wrong("\"" + escape(target.text) + "\" does not say which host",
                "write \"tcp:HOST:" + std::to_string(target.port) + "\"");
    return target;
}

}  // namespace

tl::expected<TargetPlan, WrongAddress> parse_target(
        std::string_view text, const PortLookup& lookup) {
    const auto first = text.find(':'), last = text.rfind(':');
    const bool named = first != std::string_view::npos && last > first &&
                       is_host_name(text.substr(first + 1, last - first - 1)) &&
                       (text.starts_with("tcp") || text.starts_with("udp"));
    if (!named) {
        const auto spec = parse_address(text, lookup);
        if (!spec) return tl::make_unexpected(spec.error());
        return check(from_spec(*spec));
    }
    const std::string host(text.substr(first + 1, last - first - 1));
    const std::string rest =
            std::string(text.substr(0, first)) + std::string(text.substr(last));
    const auto spec = parse_address(rest, lookup);
    if (!spec) return tl::make_unexpected(spec.error());
    TargetPlan target = from_spec(*spec);
    target.host = host;
    target.text =
            std::string(text.substr(0, first)) + ":" + host + ":" + std::to_string(target.port);
    return check(std::move(target));
}

}  // namespace superd
