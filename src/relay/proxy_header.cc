// SPDX-License-Identifier: MIT
#include "relay/proxy_header.h"

#include <string_view>

namespace superd {

namespace {

constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr char version_2_local = 0x20, version_2_proxy = 0x21;
constexpr char over_tcp4 = 0x11, over_tcp6 = 0x21;

// ::ffff:192.0.2.1, for a pair of which only one end is IPv4.
std::string text_of(const IpAddress& ip, bool v4) {
    if (v4 || !ip.is_v4()) return ip.text();
    return "::ffff:" + ip.text();
}

std::string version_1(const Endpoint& client, const Endpoint& local) {
    if (client.family != Family::ip || local.family != Family::ip) return "PROXY UNKNOWN\r\n";
    const bool v4 = client.ip.is_v4() && local.ip.is_v4();
    return std::string("PROXY TCP") + (v4 ? '4' : '6') + ' ' + text_of(client.ip, v4) + ' ' +
           text_of(local.ip, v4) + ' ' + std::to_string(client.port) + ' ' +
           std::to_string(local.port) + "\r\n";
}

void append_16(std::string& out, std::uint32_t number) {
    out += static_cast<char>(number >> 8 & 0xff);
    out += static_cast<char>(number & 0xff);
}

void append_ip(std::string& out, const IpAddress& ip, bool v4) {
    const auto* bytes = reinterpret_cast<const char*>(ip.bytes.data());
    out.append(v4 ? bytes + 12 : bytes, v4 ? 4 : 16);
}

std::string version_2(const Endpoint& client, const Endpoint& local) {
    std::string out(signature);
    if (client.family != Family::ip || local.family != Family::ip)
        return out += {version_2_local, 0, 0, 0};
    const bool v4 = client.ip.is_v4() && local.ip.is_v4();
    out += {version_2_proxy, v4 ? over_tcp4 : over_tcp6};
    append_16(out, v4 ? 12 : 36);
    append_ip(out, client.ip, v4);
    append_ip(out, local.ip, v4);
    append_16(out, client.port);
    append_16(out, local.port);
    return out;
}

}  // namespace

std::string make_proxy_header(
        SendProxy version, const Endpoint& client, const Endpoint& local) {
    switch (version) {
        case SendProxy::no: break;
        case SendProxy::v1: return version_1(client, local);
        case SendProxy::v2: return version_2(client, local);
    }
    return {};
}

}  // namespace superd
