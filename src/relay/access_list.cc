// SPDX-License-Identifier: MIT
// The file: a byte (1: others are let in), then 18 bytes a block: address, bits, allow.
#include "relay/access_list.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "policy/client_filter.h"

namespace superd {

namespace {

constexpr std::size_t block_size = 18;
constexpr std::size_t most_blocks = 2'000'000;

class Encoder {
public:
    explicit Encoder(std::span<const Network> denied) : denied_(denied) {}

    void add(const Network& block, bool allow) {
        if (!lies_in(block, denied_)) append(block, allow);
    }

    [[nodiscard]] std::string take(bool others) {
        for (const Network& block : denied_)
            append(block, false);
        return std::string(1, static_cast<char>(others)) + out_;
    }

private:
    void append(const Network& block, bool allow);

    std::span<const Network> denied_;
    std::string out_;
};

void Encoder::append(const Network& block, bool allow) {
    out_.append(
            reinterpret_cast<const char*>(block.base.bytes.data()), block.base.bytes.size());
    out_ += static_cast<char>(block.bits);
    out_ += static_cast<char>(allow);
}

const NetworkPlan* find(std::span<const NetworkPlan> networks, const std::string& name) {
    const auto found = std::find_if(networks.begin(), networks.end(),
            [&](const NetworkPlan& network) { return network.name == name; });
    return found == networks.end() ? nullptr : &*found;
}

constexpr Network everything{{}, 0};

void add_rule(Encoder& out, const AccessRule& rule, std::span<const NetworkPlan> networks) {
    switch (rule.kind) {
        case MatchKind::network: out.add(rule.network, rule.allow); break;
        case MatchKind::everybody: out.add(everything, rule.allow); break;
        case MatchKind::named_network: {
            const NetworkPlan* network = find(networks, rule.network_name);
            if (network == nullptr) {
                out.add(everything, false);
                break;
            }
            for (const Network& block : network->blocks)
                out.add(block, rule.allow);
            break;
        }
        default: break;
    }
}

bool has_missing(std::span<const AccessRule> rules, std::span<const NetworkPlan> networks) {
    return std::any_of(rules.begin(), rules.end(), [&](const AccessRule& rule) {
        return rule.kind == MatchKind::named_network &&
               find(networks, rule.network_name) == nullptr;
    });
}

// Of equal blocks the table takes the first: denials come first.
std::string encode(std::span<const AccessRule> rules, std::span<const NetworkPlan> networks,
        std::span<const Network> denied) {
    if (has_missing(rules, networks)) return std::string(1, '\0');
    const bool others = std::none_of(
            rules.begin(), rules.end(), [](const AccessRule& rule) { return rule.allow; });
    Encoder out(denied);
    for (const bool allow : {false, true})
        for (const AccessRule& rule : rules)
            if (rule.allow == allow) add_rule(out, rule, networks);
    return out.take(others);
}

// Reads exactly that much; false at the end of file.
bool read_whole(int file, char* into, std::size_t size) {
    while (size > 0) {
        const ssize_t n = ::read(file, into, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        into += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

Result<Fd> write_list(const std::string& bytes) {
    Fd file(::memfd_create("superd-access", MFD_CLOEXEC));
    if (!file) return fail("memfd_create");
    for (std::size_t at = 0; at < bytes.size();) {
        const ssize_t n = ::write(file.get(), bytes.data() + at, bytes.size() - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail("write", "access list");
        at += static_cast<std::size_t>(n);
    }
    if (::lseek(file.get(), 0, SEEK_SET) != 0) return fail("lseek", "access list");
    return file;
}

}  // namespace

Result<Fd> write_access_list(std::span<const AccessRule> rules,
        std::span<const NetworkPlan> networks, std::span<const Network> denied) {
    return write_list(encode(rules, networks, denied));
}

Result<Fd> write_closed_list() {
    return write_list(std::string(1, '\0'));
}

std::optional<AccessList> read_access_list(int file) {
    char others = 0;
    if (!read_whole(file, &others, 1) || (others != 0 && others != 1)) return std::nullopt;
    std::vector<PrefixTable::Entry> entries;
    std::array<char, block_size> block;
    for (;;) {
        ssize_t n = 0;
        do {
            n = ::read(file, block.data(), 1);
        } while (n < 0 && errno == EINTR);
        if (n == 0) return AccessList(std::move(entries), others == 1);
        if (n < 0 || !read_whole(file, block.data() + 1, block_size - 1)) return std::nullopt;
        PrefixTable::Entry entry;
        std::memcpy(entry.block.base.bytes.data(), block.data(), 16);
        entry.block.bits = static_cast<std::uint8_t>(block[16]);
        entry.value = static_cast<std::uint8_t>(block[17]);
        if (entry.block.bits > 128 || entry.value > 1 || entries.size() >= most_blocks ||
                mask(entry.block.base, entry.block.bits) != entry.block.base)
            return std::nullopt;
        entries.push_back(entry);
    }
}

}  // namespace superd
