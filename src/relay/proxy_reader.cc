// SPDX-License-Identifier: MIT
// Reading headers of the PROXY protocol.
//
// What has come so far is read from its beginning each time: a header nearly always comes in
// one piece, and nothing has to be remembered where it does not. The work a sender can cause is
// bounded by the square of the header's bound.
#include <algorithm>
#include <array>

#include "base/text.h"

#include "relay/crc32c.h"
#include "relay/proxy_form.h"
#include "relay/proxy_header.h"

namespace superd {

namespace {

using namespace proxy_form;

constexpr std::string_view line_word = "PROXY ";

ProxySeen refuse(ProxyFault fault) {
    ProxySeen seen;
    seen.state = ProxySeen::State::refused;
    seen.fault = fault;
    return seen;
}

bool may_become(std::string_view seen, std::string_view word) {
    const std::size_t size = std::min(seen.size(), word.size());
    return seen.substr(0, size) == word.substr(0, size);
}

Endpoint endpoint(const IpAddress& ip, std::uint32_t port) {
    Endpoint out;
    out.family = Family::ip;
    out.ip = ip;
    out.port = port;
    return out;
}

// ---- version 1

// No sign, no leading zero.
std::optional<std::uint32_t> line_port(std::string_view text) {
    const auto number = parse_decimal(text);
    if (!number || *number > 65535 || std::to_string(*number) != text) return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

std::optional<IpAddress> line_address(std::string_view text, bool v4) {
    if ((text.find(':') == std::string_view::npos) != v4) return std::nullopt;
    return IpAddress::parse(text);
}

// "TCP4 198.51.100.7 192.0.2.1 51544 22"
bool take_line(std::string_view line, ProxyFacts& facts) {
    if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return true;
    const auto words = split(line, ' ');
    if (words.size() != 5 || (words[0] != "TCP4" && words[0] != "TCP6")) return false;
    const bool v4 = words[0] == "TCP4";
    const auto from = line_address(words[1], v4), to = line_address(words[2], v4);
    const auto from_port = line_port(words[3]), to_port = line_port(words[4]);
    if (!from || !to || !from_port || !to_port) return false;
    facts.client = endpoint(*from, *from_port);
    facts.destination = endpoint(*to, *to_port);
    return true;
}

ProxySeen read_version_1(std::string_view seen) {
    seen = seen.substr(0, proxy_line_limit);
    const std::size_t end = seen.find('\r');
    if (seen.substr(0, end).find('\n') != std::string_view::npos)
        return refuse(ProxyFault::malformed);
    if (end == std::string_view::npos || end + 1 == seen.size())
        return seen.size() < proxy_line_limit ? ProxySeen{} : refuse(ProxyFault::too_long);
    ProxySeen out;
    if (seen[end + 1] != '\n' ||
            !take_line(seen.substr(line_word.size(), end - line_word.size()), out.facts))
        return refuse(ProxyFault::malformed);
    out.facts.version = 1;
    out.state = ProxySeen::State::complete;
    out.size = end + 2;
    return out;
}

// ---- version 2

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint8_t>(bytes[at]);
}

std::size_t read_16(std::string_view bytes, std::size_t at) {
    return static_cast<std::size_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

std::uint32_t read_32(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint32_t>(read_16(bytes, at) << 16 | read_16(bytes, at + 2));
}

IpAddress read_v4(std::string_view bytes, std::size_t at) {
    return IpAddress::v4(read_32(bytes, at));
}

IpAddress read_v6(std::string_view bytes, std::size_t at) {
    IpAddress ip;
    for (std::size_t i = 0; i < ip.bytes.size(); ++i)
        ip.bytes.at(i) = byte_at(bytes, at + i);
    return ip;
}

std::optional<std::size_t> addresses_size(std::uint8_t over) {
    switch (over) {
        case over_unspecified: return 0;
        case over_tcp4:
        case over_udp4: return size_v4;
        case over_tcp6:
        case over_udp6: return size_v6;
        case over_unix:
        case over_unix_datagram: return size_unix;
        default: return std::nullopt;
    }
}

bool is_datagram(std::uint8_t over) {
    return (over & 0x0fU) == 2;
}

// A UNIX client of another host has no address that could mean anything here.
void take_addresses(std::string_view bytes, std::uint8_t over, ProxyFacts& facts) {
    if (over == over_tcp4) {
        facts.client =
                endpoint(read_v4(bytes, 0), static_cast<std::uint32_t>(read_16(bytes, 8)));
        facts.destination =
                endpoint(read_v4(bytes, 4), static_cast<std::uint32_t>(read_16(bytes, 10)));
    } else if (over == over_tcp6) {
        facts.client =
                endpoint(read_v6(bytes, 0), static_cast<std::uint32_t>(read_16(bytes, 32)));
        facts.destination =
                endpoint(read_v6(bytes, 16), static_cast<std::uint32_t>(read_16(bytes, 34)));
    }
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
            [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 0x7f; });
}

// The TLVs of a header, or of an SSL TLV, one after the other.
class TlvReader {
public:
    // header: the whole, for the checksum.
    TlvReader(std::string_view header, ProxyFacts& facts) : header_(header), facts_(facts) {}

    [[nodiscard]] ProxyFault read(std::string_view rest, bool of_tls) {
        while (!rest.empty()) {
            if (rest.size() < 3) return ProxyFault::broken_tlv;
            const std::size_t size = read_16(rest, 1);
            if (rest.size() - 3 < size) return ProxyFault::broken_tlv;
            const std::uint8_t type = byte_at(rest, 0);
            const std::string_view value = rest.substr(3, size);
            const ProxyFault fault = of_tls ? take_of_tls(type, value) : take(type, value);
            if (fault != ProxyFault::none) return fault;
            rest.remove_prefix(3 + size);
        }
        return ProxyFault::none;
    }

private:
    bool once(std::uint8_t type) {
        bool& seen = seen_.at(type);
        const bool first = !seen;
        seen = true;
        return first;
    }

    [[nodiscard]] static ProxyFault keep(
            std::string_view value, std::size_t limit, std::string& into) {
        if (value.size() > limit || !is_printable(value)) return ProxyFault::tlv_content;
        into = value;
        return ProxyFault::none;
    }

    ProxyFault take(std::uint8_t type, std::string_view value) {
        switch (type) {
            case tlv_alpn:
            case tlv_authority:
            case tlv_crc32c:
            case tlv_unique_id:
            case tlv_ssl:
            case tlv_netns:
                if (!once(type)) return ProxyFault::repeated_tlv;
                break;
            default: return ProxyFault::none;  // NOOP, and those that are not known
        }
        switch (type) {
            case tlv_alpn: return keep(value, proxy_word_limit, facts_.alpn);
            case tlv_authority: return keep(value, proxy_name_limit, facts_.authority);
            case tlv_crc32c: return check(value);
            case tlv_ssl: return take_tls(value);
            case tlv_netns: {
                std::string unused;
                return keep(value, proxy_name_limit, unused);
            }
            default:
                if (value.size() > proxy_id_limit) return ProxyFault::tlv_content;
                facts_.unique_id = value;
                return ProxyFault::none;
        }
    }

    // Over the whole header, as if the sum itself were zero.
    ProxyFault check(std::string_view value) {
        if (value.size() != 4) return ProxyFault::broken_tlv;
        std::string zeroed(header_);
        zeroed.replace(static_cast<std::size_t>(value.data() - header_.data()), 4, 4, '\0');
        if (crc32c(zeroed) != read_32(value, 0)) return ProxyFault::checksum;
        facts_.checked = true;
        return ProxyFault::none;
    }

    ProxyFault take_tls(std::string_view value) {
        if (value.size() < 5) return ProxyFault::broken_tlv;
        facts_.tls.emplace();
        facts_.tls->client = byte_at(value, 0) & 7U;
        facts_.tls->verify = read_32(value, 1);
        return read(value.substr(5), true);
    }

    ProxyFault take_of_tls(std::uint8_t type, std::string_view value) {
        if (type < tlv_ssl_version || type > tlv_ssl_key) return ProxyFault::none;
        if (!once(type)) return ProxyFault::repeated_tlv;
        ProxyTls& tls = *facts_.tls;
        switch (type) {
            case tlv_ssl_version: return keep(value, proxy_word_limit, tls.version);
            case tlv_ssl_name: return keep(value, proxy_name_limit, tls.name);
            case tlv_ssl_cipher: return keep(value, proxy_word_limit, tls.cipher);
            case tlv_ssl_signature: return keep(value, proxy_word_limit, tls.signature);
            default: return keep(value, proxy_word_limit, tls.key);
        }
    }

    const std::string_view header_;
    ProxyFacts& facts_;
    std::array<bool, 256> seen_{};
};

// As much of the fixed part as is there.
ProxyFault check_fixed(std::string_view seen) {
    if (seen.size() <= 12) return ProxyFault::none;
    if ((byte_at(seen, 12) & 0xf0U) != 0x20) return ProxyFault::version;
    if (byte_at(seen, 12) > command_proxy) return ProxyFault::command;
    if (byte_at(seen, 12) == command_local) {
        // Whatever is said of addresses does not count.
        if (seen.size() >= fixed_size && fixed_size + read_16(seen, 14) > proxy_header_limit)
            return ProxyFault::oversized;
        return ProxyFault::none;
    }
    if (seen.size() <= 13) return ProxyFault::none;
    const auto addresses = addresses_size(byte_at(seen, 13));
    if (!addresses) return ProxyFault::family;
    if (is_datagram(byte_at(seen, 13))) return ProxyFault::datagram;
    if (seen.size() < fixed_size) return ProxyFault::none;
    const std::size_t length = read_16(seen, 14);
    if (length < *addresses) return ProxyFault::too_short;
    if (fixed_size + length > proxy_header_limit) return ProxyFault::oversized;
    return ProxyFault::none;
}

ProxySeen read_version_2(std::string_view seen) {
    if (const ProxyFault fault = check_fixed(seen); fault != ProxyFault::none)
        return refuse(fault);
    if (seen.size() < fixed_size) return {};
    const std::size_t size = fixed_size + read_16(seen, 14);
    if (seen.size() < size) return {};
    ProxySeen out;
    out.state = ProxySeen::State::complete;
    out.size = size;
    out.facts.version = 2;
    out.facts.local = byte_at(seen, 12) == command_local;
    if (out.facts.local) return out;
    const std::uint8_t over = byte_at(seen, 13);
    const std::string_view header = seen.substr(0, size);
    take_addresses(header.substr(fixed_size), over, out.facts);
    TlvReader tlvs(header, out.facts);
    // check_fixed() has seen to it that there is a size.
    const std::size_t before = fixed_size + addresses_size(over).value_or(0);
    if (const ProxyFault fault = tlvs.read(header.substr(before), false);
            fault != ProxyFault::none)
        return refuse(fault);
    return out;
}

}  // namespace

ProxySeen read_proxy_header(std::string_view seen, std::uint8_t versions) {
    if (seen.empty()) return {};
    if (may_become(seen, line_word)) {
        if ((versions & proxy_v1) == 0) return refuse(ProxyFault::version);
        return seen.size() < line_word.size() ? ProxySeen{} : read_version_1(seen);
    }
    if (!may_become(seen, signature)) return refuse(ProxyFault::no_header);
    if ((versions & proxy_v2) == 0) return refuse(ProxyFault::version);
    return read_version_2(seen);
}

}  // namespace superd
