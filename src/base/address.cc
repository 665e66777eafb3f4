// SPDX-License-Identifier: MIT
// Addresses, networks and socket addresses as values.
#include "base/address.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <net/if.h>

#include "base/text.h"

namespace superd {

namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned mapped_bits = 96;

// A small buffer to write into; the text of an address is made for each connection.
class Writer {
public:
    void put(char c) { buffer_[size_++] = c; }

    void put(std::string_view text) {
        std::memcpy(buffer_.data() + size_, text.data(), text.size());
        size_ += text.size();
    }

    void decimal(std::uint32_t value) {
        std::array<char, 10> digits{};
        std::size_t n = digits.size();
        do {
            digits[--n] = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        put({digits.data() + n, digits.size() - n});
    }

    void hex(unsigned value) {
        constexpr std::string_view digits = "0123456789abcdef";
        bool started = false;
        for (unsigned shift = 12; shift < 16; shift -= 4) {
            const unsigned digit = (value >> shift) & 15;
            started = started || digit != 0 || shift == 0;
            if (started) put(digits[digit]);
        }
    }

    [[nodiscard]] std::string text() const { return {buffer_.data(), size_}; }

private:
    // Longest: "[", 39 of an IPv6 address, "%4294967295", "]:4294967295".
    std::array<char, 80> buffer_;
    std::size_t size_ = 0;
};

void write_v4(Writer& out, const std::uint8_t* bytes) {
    for (unsigned i = 0; i < 4; ++i) {
        if (i > 0) out.put('.');
        out.decimal(bytes[i]);
    }
}

struct Run {
    unsigned first = 8, length = 0;
};

// The groups that "::" stands for (RFC 5952): the first of the longest runs of two or more.
Run longest_zero_run(const std::array<unsigned, 8>& groups) {
    Run best, current;
    for (unsigned i = 0; i < 8; ++i) {
        if (groups[i] != 0) {
            current = {};
            continue;
        }
        if (current.length++ == 0) current.first = i;
        if (current.length > best.length) best = current;
    }
    return best.length >= 2 ? best : Run{};
}

void write_v6(Writer& out, const std::array<std::uint8_t, 16>& bytes) {
    std::array<unsigned, 8> groups{};
    for (unsigned i = 0; i < 8; ++i)
        groups[i] = static_cast<unsigned>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    const Run run = longest_zero_run(groups);
    for (unsigned i = 0; i < 8; ++i) {
        if (i == run.first) {
            out.put("::");
            i += run.length - 1;
            continue;
        }
        if (i > 0 && i != run.first + run.length) out.put(':');
        out.hex(groups[i]);
    }
}

void write_ip(Writer& out, const IpAddress& address) {
    if (address.is_v4()) return write_v4(out, address.bytes.data() + 12);
    write_v6(out, address.bytes);
}

void write_labelled(Writer& out, std::string_view label, std::uint32_t number) {
    out.put(label);
    out.decimal(number);
}

std::uint32_t first_word(const std::array<std::uint8_t, 16>& bytes) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    return word;
}

std::nullopt_t explain(std::string* why, std::string text) {
    if (why) *why = std::move(text);
    return std::nullopt;
}

std::string quoted(std::string_view text) {
    return '"' + escape(text) + '"';
}

// The prefix length that a netmask such as 255.255.240.0 stands for.
std::optional<unsigned> netmask_bits(std::string_view text) {
    const auto mask_address = IpAddress::parse(text);
    if (!mask_address || !mask_address->is_v4()) return std::nullopt;
    std::uint32_t word = 0;
    for (std::size_t i = 12; i < 16; ++i)
        word = word << 8 | mask_address->bytes[i];
    if (std::countl_one(word) != std::popcount(word)) return std::nullopt;
    return static_cast<unsigned>(std::popcount(word));
}

// "10.1." and "10.1.*", which other programs take for a block: "10.1.0.0/16".
std::optional<std::string> partial_address(std::string_view text) {
    if (text.ends_with('*')) text.remove_suffix(1);
    if (!text.ends_with('.')) return std::nullopt;
    const auto dots = static_cast<unsigned>(std::count(text.begin(), text.end(), '.'));
    if (dots > 3) return std::nullopt;
    std::string full(text);
    for (unsigned i = dots; i < 4; ++i)
        full += i == 3 ? "0" : "0.";
    if (!IpAddress::parse(full)) return std::nullopt;
    return full + '/' + std::to_string(8 * dots);
}

std::string not_an_address(std::string_view text) {
    if (const auto block = partial_address(text)) {
        return quoted(text) + " is not a network; write " + quoted(*block);
    }
    return quoted(text) +
           " is not an address or network; write one such as \"192.0.2.7\", "
           "\"10.0.0.0/8\" or \"2001:db8::/32\"";
}

// The number after the slash, in the terms of its own family.
std::optional<unsigned> parse_prefix_length(std::string_view text, unsigned most) {
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    const auto bits = parse_decimal(text);
    if (!bits || *bits > most) return std::nullopt;
    return static_cast<unsigned>(*bits);
}

std::string wrong_prefix(std::string_view text, std::string_view address,
        std::string_view length, unsigned most) {
    if (const auto bits = netmask_bits(length); bits && most == 32) {
        return quoted(text) + ": a netmask is written as its length; write " +
               quoted(std::string(address) + '/' + std::to_string(*bits));
    }
    return quoted(text) + ": after the slash stands a number from 0 to " + std::to_string(most);
}

}  // namespace

IpAddress IpAddress::v4(std::uint32_t host_order) {
    IpAddress out;
    std::copy(mapped_prefix.begin(), mapped_prefix.end(), out.bytes.begin());
    for (std::size_t i = 0; i < 4; ++i)
        out.bytes[12 + i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
    return out;
}

IpAddress IpAddress::v6(const in6_addr& address) {
    IpAddress out;
    std::memcpy(out.bytes.data(), &address, sizeof address);
    return out;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    std::copy(text.begin(), text.end(), terminated.begin());
    if (in_addr v4_address{}; ::inet_pton(AF_INET, terminated.data(), &v4_address) == 1) {
        return v4(ntohl(v4_address.s_addr));
    }
    if (in6_addr v6_address{}; ::inet_pton(AF_INET6, terminated.data(), &v6_address) == 1) {
        return v6(v6_address);
    }
    return std::nullopt;
}

bool IpAddress::is_v4() const {
    return std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin());
}

bool IpAddress::is_unspecified() const {
    const auto from = bytes.begin() + (is_v4() ? 12 : 0);
    return std::all_of(from, bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

std::string IpAddress::text() const {
    Writer out;
    write_ip(out, *this);
    return out.text();
}

std::optional<Network> Network::parse(std::string_view text, std::string* why) {
    const std::size_t slash = text.find('/');
    const std::string_view address_text = text.substr(0, slash);
    const auto address = IpAddress::parse(address_text);
    if (!address) return explain(why, not_an_address(text));
    if (slash == std::string_view::npos) return Network{*address, 128};

    // A mapped address in IPv6 notation counts its prefix as IPv6.
    const bool dotted = address_text.find(':') == std::string_view::npos;
    const unsigned most = dotted ? 32 : 128;
    const std::string_view length = text.substr(slash + 1);
    const auto written = parse_prefix_length(length, most);
    if (!written) return explain(why, wrong_prefix(text, address_text, length, most));

    const unsigned all_bits = *written + (dotted ? mapped_bits : 0);
    const Network network{mask(*address, all_bits), static_cast<std::uint8_t>(all_bits)};
    if (network.base == *address) return network;
    return explain(why, quoted(text) + " has bits set after its first " +
                                std::to_string(*written) + "; write " + quoted(network.text()) +
                                " for the block or " + quoted(address->text()) +
                                " for the one address");
}

bool Network::contains(const IpAddress& address) const {
    // ::/0 and its like speak of IPv6; a mapped address is an IPv4 one.
    if (bits < mapped_bits && address.is_v4()) return false;
    return mask(address, bits) == base;
}

std::string Network::text() const {
    Writer out;
    write_ip(out, base);
    if (bits >= 128) return out.text();
    out.put('/');
    out.decimal(base.is_v4() ? bits - mapped_bits : bits);
    return out.text();
}

IpAddress mask(const IpAddress& address, unsigned bits) {
    IpAddress out = address;
    for (unsigned i = 0; i < 16; ++i) {
        const unsigned kept = std::min(8U, bits - std::min(bits, 8 * i));
        out.bytes[i] = static_cast<std::uint8_t>(out.bytes[i] & ~(0xffU >> kept));
    }
    return out;
}

Endpoint Endpoint::from(const sockaddr* address, socklen_t length) {
    Endpoint out;
    if (!address || length < sizeof(sa_family_t)) return out;
    if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
        sockaddr_in in{};
        std::memcpy(&in, address, sizeof in);
        out.ip = IpAddress::v4(ntohl(in.sin_addr.s_addr));
        out.port = ntohs(in.sin_port);
        out.family = Family::ip;
    } else if (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
        sockaddr_in6 in6{};
        std::memcpy(&in6, address, sizeof in6);
        out.ip = IpAddress::v6(in6.sin6_addr);
        out.port = ntohs(in6.sin6_port);
        out.scope = out.ip.is_v4() ? 0 : in6.sin6_scope_id;
        out.family = Family::ip;
    } else if (address->sa_family == AF_UNIX) {
        out.family = Family::unix;
    } else if (address->sa_family == AF_VSOCK && length >= sizeof(sockaddr_vm)) {
        sockaddr_vm vm{};
        std::memcpy(&vm, address, sizeof vm);
        out.scope = vm.svm_cid;
        out.port = vm.svm_port;
        out.family = Family::vsock;
    }
    return out;
}

namespace {

// The interface by its name, or by its number where it is gone.
void write_zone(Writer& out, std::uint32_t scope) {
    std::array<char, IF_NAMESIZE> name{};
    const bool known = ::if_indextoname(scope, name.data()) != nullptr;
    if (!known || escape(name.data()) != name.data()) return write_labelled(out, "%", scope);
    out.put('%');
    out.put(name.data());
}

}  // namespace

std::string Endpoint::text() const {
    Writer out;
    switch (family) {
        case Family::none: return "-";
        case Family::unix: write_labelled(out, "uid:", uid); return out.text();
        case Family::vsock:
            write_labelled(out, "vsock:", scope);
            write_labelled(out, ":", port);
            return out.text();
        case Family::ip: break;
    }
    const bool brackets = !ip.is_v4();
    if (brackets) out.put('[');
    write_ip(out, ip);
    if (brackets && scope != 0) write_zone(out, scope);
    if (brackets) out.put(']');
    write_labelled(out, ":", port);
    return out.text();
}

Source Source::of(const Endpoint& peer) {
    Source out;
    out.family = peer.family;
    switch (peer.family) {
        case Family::none: break;
        case Family::ip:
            out.bytes = peer.ip.is_v4() ? peer.ip.bytes : mask(peer.ip, 64).bytes;
            break;
        case Family::unix: std::memcpy(out.bytes.data(), &peer.uid, sizeof peer.uid); break;
        case Family::vsock:
            std::memcpy(out.bytes.data(), &peer.scope, sizeof peer.scope);
            break;
    }
    return out;
}

std::string Source::text() const {
    Writer out;
    switch (family) {
        case Family::none: return "-";
        case Family::unix: write_labelled(out, "uid:", first_word(bytes)); break;
        case Family::vsock: write_labelled(out, "vsock:", first_word(bytes)); break;
        case Family::ip:
            write_ip(out, IpAddress{bytes});
            if (!IpAddress{bytes}.is_v4()) out.put("/64");
            break;
    }
    return out.text();
}

}  // namespace superd
