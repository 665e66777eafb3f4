// SPDX-License-Identifier: MIT
// The classic filter: the list as a chain of comparisons, the most specific block first.
#include <algorithm>
#include <climits>
#include <cstdint>

#include <arpa/inet.h>

#include "sys/client_filter.h"

namespace superd {

namespace {

constexpr unsigned net = static_cast<unsigned>(SKF_NET_OFF);
constexpr unsigned tcp_flags_at = 13, syn_and_ack = 0x12, syn = 0x02;
constexpr unsigned v4_source_at = 12, v6_source_at = 8;
constexpr unsigned all = 0xffffffff, none = 0;

sock_filter statement(unsigned code, unsigned value) {
    return {static_cast<std::uint16_t>(code), 0, 0, value};
}

sock_filter jump(unsigned code, unsigned value, unsigned yes, unsigned no) {
    return {static_cast<std::uint16_t>(code), static_cast<std::uint8_t>(yes),
            static_cast<std::uint8_t>(no), value};
}

// The part of a block that stands in word `index` of the four of its address.
struct WordTest {
    unsigned index, mask, value;
};

std::vector<WordTest> tests_of(const FilterEntry& entry, unsigned first_word) {
    std::vector<WordTest> tests;
    for (unsigned word = first_word; word < 4 && word * 32 < entry.block.bits; ++word) {
        const unsigned bits = std::min(32U, entry.block.bits - word * 32);
        const unsigned mask = bits == 32 ? all : ~(all >> bits);
        unsigned value = 0;
        for (unsigned byte = 0; byte < 4; ++byte)
            value = value << 8 | entry.block.base.bytes[word * 4 + byte];
        tests.push_back({word, mask, value & mask});
    }
    return tests;
}

unsigned verdict_of(const FilterEntry& entry) {
    return entry.verdict == FilterVerdict::allow ? all : none;
}

// Whether it decides; else the next statement follows.
void add_block(std::vector<sock_filter>& code, const FilterEntry& entry, unsigned source,
        unsigned first_word) {
    const auto tests = tests_of(entry, first_word);
    std::vector<sock_filter> part;
    std::vector<std::size_t> misses;
    for (const WordTest& test : tests) {
        part.push_back(statement(
                BPF_LD | BPF_W | BPF_ABS, net + source + (test.index - first_word) * 4));
        if (test.mask != all) part.push_back(statement(BPF_ALU | BPF_AND | BPF_K, test.mask));
        misses.push_back(part.size());
        part.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, test.value, 0, 0));
    }
    part.push_back(statement(BPF_RET | BPF_K, verdict_of(entry)));
    for (const std::size_t miss : misses)
        part[miss].jf = static_cast<std::uint8_t>(part.size() - miss - 1);
    code.insert(code.end(), part.begin(), part.end());
}

bool is_mapped(const FilterEntry& entry) {
    return entry.block.bits >= 96 && entry.block.base.is_v4();
}

std::vector<sock_filter> chain(
        std::span<const FilterEntry> entries, unsigned source, unsigned first_word) {
    std::vector<FilterEntry> sorted;
    // IPv6 packets may carry a mapped address too; for IPv4 only the mapped blocks count.
    for (const FilterEntry& entry : entries)
        if (first_word == 0 || is_mapped(entry)) sorted.push_back(entry);
    std::stable_sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.block.bits > b.block.bits; });
    std::vector<sock_filter> code;
    for (const FilterEntry& entry : sorted)
        add_block(code, entry, source, first_word);
    code.push_back(statement(BPF_RET | BPF_K, none));
    return code;
}

}  // namespace

std::vector<sock_filter> make_classic_filter(
        ListenerKind kind, std::span<const FilterEntry> entries) {
    std::vector<sock_filter> code;
    if (kind == ListenerKind::tcp) {
        code.push_back(statement(BPF_LD | BPF_B | BPF_ABS, tcp_flags_at));
        code.push_back(statement(BPF_ALU | BPF_AND | BPF_K, syn_and_ack));
        code.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, syn, 1, 0));
        code.push_back(statement(BPF_RET | BPF_K, all));
    }
    const auto v4 = chain(entries, v4_source_at, 3), v6 = chain(entries, v6_source_at, 0);
    code.push_back(statement(BPF_LD | BPF_B | BPF_ABS, net));
    code.push_back(statement(BPF_ALU | BPF_RSH | BPF_K, 4));
    // A conditional jump reaches 255 statements; this one may have to go further.
    code.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 1));
    code.push_back(statement(BPF_JMP | BPF_JA, static_cast<unsigned>(v4.size()) + 2));
    code.push_back(jump(BPF_JMP | BPF_JEQ | BPF_K, 4, 1, 0));
    code.push_back(statement(BPF_RET | BPF_K, none));
    code.insert(code.end(), v4.begin(), v4.end());
    code.insert(code.end(), v6.begin(), v6.end());
    if (code.size() > BPF_MAXINSNS) code.clear();
    return code;
}

}  // namespace superd
