// SPDX-License-Identifier: MIT
// Writing headers of the PROXY protocol, and the words for what is wrong with them.
#include "relay/proxy_header.h"

#include "relay/crc32c.h"
#include "relay/proxy_form.h"

namespace superd {

namespace {

using namespace proxy_form;

// ::ffff:192.0.2.1, for a pair of which only one end is IPv4.
std::string text_of(const IpAddress& ip, bool v4) {
    if (v4 || !ip.is_v4()) return ip.text();
    return "::ffff:" + ip.text();
}

bool are_known(const Endpoint& client, const Endpoint& local) {
    return client.family == Family::ip && local.family == Family::ip;
}

std::string version_1(const Endpoint& client, const Endpoint& local) {
    if (!are_known(client, local)) return "PROXY UNKNOWN\r\n";
    const bool v4 = client.ip.is_v4() && local.ip.is_v4();
    return std::string("PROXY TCP") + (v4 ? '4' : '6') + ' ' + text_of(client.ip, v4) + ' ' +
           text_of(local.ip, v4) + ' ' + std::to_string(client.port) + ' ' +
           std::to_string(local.port) + "\r\n";
}

void append_8(std::string& out, std::uint8_t number) {
    out += static_cast<char>(number);
}

void append_16(std::string& out, std::size_t number) {
    append_8(out, static_cast<std::uint8_t>(number >> 8 & 0xff));
    append_8(out, static_cast<std::uint8_t>(number & 0xff));
}

void append_32(std::string& out, std::uint32_t number) {
    append_16(out, number >> 16);
    append_16(out, number & 0xffff);
}

void append_ip(std::string& out, const IpAddress& ip, bool v4) {
    const auto* bytes = reinterpret_cast<const char*>(ip.bytes.data());
    out.append(v4 ? bytes + 12 : bytes, v4 ? 4 : 16);
}

void append_tlv(std::string& out, Tlv type, std::string_view value) {
    append_8(out, type);
    append_16(out, value.size());
    out += value;
}

// One that would say nothing is left out.
void append_text(std::string& out, Tlv type, std::string_view value) {
    if (!value.empty()) append_tlv(out, type, value);
}

std::string tls_content(const ProxyTls& tls) {
    std::string out;
    append_8(out, tls.client);
    append_32(out, tls.verify);
    append_text(out, tlv_ssl_version, tls.version);
    append_text(out, tlv_ssl_name, tls.name);
    append_text(out, tlv_ssl_cipher, tls.cipher);
    append_text(out, tlv_ssl_signature, tls.signature);
    append_text(out, tlv_ssl_key, tls.key);
    return out;
}

void append_addresses(std::string& out, const Endpoint& client, const Endpoint& local) {
    const bool v4 = client.ip.is_v4() && local.ip.is_v4();
    append_ip(out, client.ip, v4);
    append_ip(out, local.ip, v4);
    append_16(out, client.port);
    append_16(out, local.port);
}

// The command, and over what the addresses are.
std::string_view kind_of(const ProxyFacts& facts) {
    const bool known = are_known(facts.client, facts.destination);
    if (facts.local) return std::string_view("\x20\x00", 2);
    if (!known) return std::string_view("\x21\x00", 2);
    const bool v4 = facts.client.ip.is_v4() && facts.destination.ip.is_v4();
    return v4 ? std::string_view("\x21\x11", 2) : std::string_view("\x21\x21", 2);
}

// Its place is kept free: the sum is over the whole, with four zeros there.
void put_checksum(std::string& header, std::size_t place) {
    std::string sum;
    append_32(sum, crc32c(header));
    header.replace(place, sum.size(), sum);
}

}  // namespace

std::string make_proxy_header(const ProxyFacts& facts) {
    std::string rest;
    if (!facts.local && are_known(facts.client, facts.destination))
        append_addresses(rest, facts.client, facts.destination);
    const std::size_t addresses = rest.size();
    if (facts.checked) append_tlv(rest, tlv_crc32c, std::string_view("\0\0\0\0", 4));
    append_text(rest, tlv_alpn, facts.alpn);
    append_text(rest, tlv_authority, facts.authority);
    append_text(rest, tlv_unique_id, facts.unique_id);
    if (facts.tls) append_tlv(rest, tlv_ssl, tls_content(*facts.tls));
    std::string out(signature);
    out += kind_of(facts);
    append_16(out, rest.size());
    out += rest;
    if (facts.checked) put_checksum(out, fixed_size + addresses + 3);
    return out;
}

std::string make_proxy_header(
        SendProxy version, const Endpoint& client, const Endpoint& local) {
    switch (version) {
        case SendProxy::no: break;
        case SendProxy::v1: return version_1(client, local);
        case SendProxy::v2:
            return make_proxy_header({.version = 2,
                    .local = !are_known(client, local),
                    .client = client,
                    .destination = local});
    }
    return {};
}

std::string_view proxy_fault_text(ProxyFault fault) {
    switch (fault) {
        case ProxyFault::none: return "nothing is wrong";
        case ProxyFault::no_header: return "it does not begin with a PROXY header";
        case ProxyFault::version: return "the PROXY header is of another version";
        case ProxyFault::malformed: return "the PROXY line is malformed";
        case ProxyFault::too_long: return "the PROXY line has no end";
        case ProxyFault::command: return "the PROXY header has an unknown command";
        case ProxyFault::family: return "the PROXY header has unknown addresses";
        case ProxyFault::datagram: return "the PROXY header is a datagram's";
        case ProxyFault::too_short: return "the PROXY header has no room for its addresses";
        case ProxyFault::oversized: return "the PROXY header is too long";
        case ProxyFault::broken_tlv: return "a TLV of the PROXY header is broken";
        case ProxyFault::repeated_tlv: return "a TLV of the PROXY header stands twice";
        case ProxyFault::tlv_content: return "a TLV of the PROXY header is not to be had";
        case ProxyFault::checksum: return "the checksum of the PROXY header is wrong";
        case ProxyFault::truncated: return "the PROXY header is truncated";
        case ProxyFault::silent: return "no whole PROXY header came in time";
    }
    return "unknown";
}

}  // namespace superd
