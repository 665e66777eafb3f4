// SPDX-License-Identifier: MIT
// Reads the peer that `explain` asks about.
#include <algorithm>

#include <net/if.h>

#include "base/text.h"
#include "control/object.h"

namespace superd {

namespace {

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint64_t most) {
    const auto value = parse_decimal(text);
    if (!value || *value > most) return {};
    return static_cast<std::uint32_t>(*value);
}

// Whoever is asked about without a group is in none: nobody can have this one, chown(2).
constexpr std::uint32_t no_group = 0xffffffff;

std::optional<Endpoint> parse_unix(std::string_view text) {
    Endpoint endpoint;
    endpoint.family = Family::unix;
    const auto comma = text.find(",gid:");
    const auto uid = parse_number(text.substr(0, comma), 0xffffffff);
    if (!uid) return {};
    endpoint.uid = *uid;
    endpoint.gid = no_group;
    if (comma == text.npos) return endpoint;
    const auto gid = parse_number(text.substr(comma + 5), 0xffffffff);
    if (!gid) return {};
    endpoint.gid = *gid;
    return endpoint;
}

std::optional<Endpoint> parse_vsock(std::string_view text) {
    Endpoint endpoint;
    endpoint.family = Family::vsock;
    const auto colon = text.find(':');
    const auto cid = parse_number(text.substr(0, colon), 0xffffffff);
    const auto port = colon == text.npos ? 0 : parse_number(text.substr(colon + 1), 0xffffffff);
    if (!cid || !port) return {};
    endpoint.scope = *cid;
    endpoint.port = *port;
    return endpoint;
}

// The number of an interface, which may be given by its name.
std::optional<std::uint32_t> parse_zone(std::string_view text) {
    if (const auto number = parse_number(text, 0xffffffff)) return number;
    const unsigned index = ::if_nametoindex(std::string(text).c_str());
    return index == 0 ? std::nullopt : std::optional<std::uint32_t>(index);
}

std::optional<Endpoint> make_ip(std::string_view address, std::string_view port) {
    const auto percent = address.find('%');
    const auto ip = IpAddress::parse(address.substr(0, percent));
    const auto number = parse_number(port, 65535);
    if (!ip || !number) return {};
    Endpoint endpoint;
    if (percent != std::string_view::npos) {
        const auto zone = parse_zone(address.substr(percent + 1));
        if (!zone || ip->is_v4()) return {};
        endpoint.scope = *zone;
    }
    endpoint.family = Family::ip;
    endpoint.ip = *ip;
    endpoint.port = *number;
    return endpoint;
}

std::optional<Endpoint> parse_ip(std::string_view text) {
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == text.npos) return {};
        const auto rest = text.substr(end + 1);
        if (!rest.empty() && !rest.starts_with(':')) return {};
        return make_ip(text.substr(1, end - 1), rest.empty() ? "0" : rest.substr(1));
    }
    const auto colon = text.find(':');
    if (colon != text.npos && colon == text.rfind(':'))
        return make_ip(text.substr(0, colon), text.substr(colon + 1));
    return make_ip(text, "0");
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view text) {
    if (text.starts_with("uid:")) return parse_unix(text.substr(4));
    if (text.starts_with("vsock:")) return parse_vsock(text.substr(6));
    return parse_ip(text);
}

std::optional<Asker> parse_asker(std::string_view text) {
    constexpr std::string_view mark = ",groups:";
    const auto end = std::min(text.find(mark), text.size());
    const auto peer = parse_endpoint(text.substr(0, end));
    if (!peer || (end < text.size() && peer->family != Family::unix)) return {};
    Asker asker{.peer = *peer};
    if (end == text.size()) return asker;
    for (const std::string_view one : split(text.substr(end + mark.size()), '+')) {
        const auto group = parse_number(one, 0xffffffff);
        if (!group) return {};
        asker.groups.push_back(*group);
    }
    return asker;
}

}  // namespace superd
