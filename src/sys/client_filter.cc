// SPDX-License-Identifier: MIT
// The filter on a worker's listener: maps, program, attachment.
#include "sys/client_filter.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

#include "sys/bpf.h"

namespace superd {

namespace {

// A longest-prefix table takes memory only for what is in it.
constexpr std::uint32_t largest_table = 1U << 20;

// Key of the table: how many bits count, and the address.
struct TableKey {
    std::uint32_t bits;
    std::array<std::uint8_t, 16> address;
};

static_assert(sizeof(TableKey) == 20);

// Elements of the counting map: two that the program adds to, by verdict - 1, and of each how
// much of it superd has taken already, so that a new superd goes on where the old one was.
enum CountIndex : std::uint32_t { refused_first = 0, taken_first = 2, count_elements = 4 };

// ---- the program

constexpr auto r0 = BPF_REG_0, r1 = BPF_REG_1, r2 = BPF_REG_2, r3 = BPF_REG_3, r4 = BPF_REG_4,
               r5 = BPF_REG_5, r6 = BPF_REG_6, frame = BPF_REG_10;

// Places on the program's stack. Words only: the key's address is not aligned for more.
constexpr short at_byte = -8, at_key = -32, at_address = -28, at_v4 = -16, at_index = -40;

// Instructions with names for the places to jump to.
class Assembler {
public:
    enum Label : std::uint8_t { pass, drop, not_v4, lookup, label_count };

    void move(int to, int from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }

    void move_number(int to, std::int32_t number) {
        add(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, number);
    }

    void frame_address(int to, short offset) {
        move(to, frame);
        add(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, offset);
    }

    void load_byte(int to, short offset) {
        add(BPF_LDX | BPF_MEM | BPF_B, to, frame, offset, 0);
    }

    void store_word(short offset, std::int32_t number) {
        add(BPF_ST | BPF_MEM | BPF_W, frame, 0, offset, number);
    }

    void alu(std::uint8_t operation, int to, std::int32_t number) {
        add(static_cast<std::uint8_t>(BPF_ALU64 | operation | BPF_K), to, 0, 0, number);
    }

    void load_map(int to, int map) {
        add(BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_FD, 0, map);
        add(0, 0, 0, 0, 0);  // the upper half
    }

    void call(std::int32_t helper) { add(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }

    void jump(std::uint8_t condition, int left, std::int32_t number, Label to) {
        jumps_.push_back({code_.size(), to});
        add(static_cast<std::uint8_t>(BPF_JMP | condition | BPF_K), left, 0, 0, number);
    }

    void jump(Label to) { jump(BPF_JA, 0, 0, to); }

    void raw(std::uint8_t code, int to, int from, short offset, std::int32_t number) {
        add(code, to, from, offset, number);
    }

    void here(Label label) { places_[label] = code_.size(); }

    void end(std::int32_t verdict) {
        move_number(r0, verdict);
        add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    }

    [[nodiscard]] const std::vector<bpf_insn>& finish() {
        for (const Jump& jump : jumps_)
            code_[jump.at].off = static_cast<short>(places_[jump.to] - jump.at - 1);
        return code_;
    }

private:
    struct Jump {
        std::size_t at;
        Label to;
    };

    void add(int code, int to, int from, short offset, std::int32_t number) {
        bpf_insn instruction;
        std::memset(&instruction, 0, sizeof instruction);
        instruction.code = static_cast<std::uint8_t>(code);
        instruction.dst_reg = static_cast<std::uint8_t>(to & 0xf);
        instruction.src_reg = static_cast<std::uint8_t>(from & 0xf);
        instruction.off = offset;
        instruction.imm = number;
        code_.push_back(instruction);
    }

    std::vector<bpf_insn> code_;
    std::vector<Jump> jumps_;
    std::array<std::size_t, label_count> places_{};
};

constexpr std::int32_t everything = -1, nothing = 0;
constexpr std::int32_t tcp_flags_at = 13, syn_and_ack = 0x12, syn = 0x02;
constexpr std::int32_t v4_source_at = 12, v6_source_at = 8;

// Bytes of the network header to the stack; what cannot be read is dropped.
void load_network(Assembler& code, std::int32_t from, short to, std::int32_t size) {
    code.move(r1, r6);
    code.move_number(r2, from);
    code.frame_address(r3, to);
    code.move_number(r4, size);
    code.move_number(r5, BPF_HDR_START_NET);
    code.call(BPF_FUNC_skb_load_bytes_relative);
    code.jump(BPF_JNE, r0, 0, Assembler::drop);
}

// A segment that does not begin a connection passes: skb->data is the TCP header here.
void pass_all_but_syn(Assembler& code) {
    code.move(r1, r6);
    code.move_number(r2, tcp_flags_at);
    code.frame_address(r3, at_byte);
    code.move_number(r4, 1);
    code.call(BPF_FUNC_skb_load_bytes);
    code.jump(BPF_JNE, r0, 0, Assembler::drop);
    code.load_byte(r1, at_byte);
    code.alu(BPF_AND, r1, syn_and_ack);
    code.jump(BPF_JNE, r1, syn, Assembler::pass);
}

// The source as an address of IPv6, IPv4 mapped.
void load_source(Assembler& code) {
    load_network(code, 0, at_byte, 1);
    code.load_byte(BPF_REG_7, at_byte);
    code.alu(BPF_RSH, BPF_REG_7, 4);
    code.store_word(at_key, 128);
    std::array<std::uint8_t, 4> mapped_bytes{0, 0, 0xff, 0xff};
    std::int32_t mapped_word = 0;
    std::memcpy(&mapped_word, mapped_bytes.data(), sizeof mapped_word);
    code.store_word(at_address, 0);
    code.store_word(at_address + 4, 0);
    code.store_word(at_address + 8, mapped_word);
    code.store_word(at_v4, 0);
    code.jump(BPF_JNE, BPF_REG_7, 4, Assembler::not_v4);
    load_network(code, v4_source_at, at_v4, 4);
    code.jump(Assembler::lookup);
    code.here(Assembler::not_v4);
    code.jump(BPF_JNE, BPF_REG_7, 6, Assembler::drop);
    load_network(code, v6_source_at, at_address, 16);
    code.here(Assembler::lookup);
}

void find_value(Assembler& code, short key) {
    code.frame_address(r2, key);
    code.call(BPF_FUNC_map_lookup_elem);
    code.jump(BPF_JEQ, r0, 0, Assembler::drop);
}

std::vector<bpf_insn> make_program(ListenerKind kind, int tables, int counts) {
    Assembler code;
    code.move(r6, r1);
    if (kind == ListenerKind::tcp) pass_all_but_syn(code);
    load_source(code);
    code.store_word(at_index, 0);
    code.load_map(r1, tables);
    find_value(code, at_index);
    code.move(r1, r0);
    find_value(code, at_key);
    code.raw(BPF_LDX | BPF_MEM | BPF_W, r1, r0, 0, 0);
    code.jump(BPF_JEQ, r1, static_cast<std::int32_t>(FilterVerdict::allow), Assembler::pass);
    code.alu(BPF_SUB, r1, 1);
    code.raw(BPF_STX | BPF_MEM | BPF_W, frame, r1, at_index, 0);
    code.load_map(r1, counts);
    find_value(code, at_index);
    code.move_number(r1, 1);
    code.raw(BPF_STX | BPF_ATOMIC | BPF_DW, r0, r1, 0, BPF_ADD);
    code.here(Assembler::drop);
    code.end(nothing);
    code.here(Assembler::pass);
    code.end(everything);
    return code.finish();
}

// ---- maps

constexpr BpfMapShape table_shape{.type = BPF_MAP_TYPE_LPM_TRIE,
        .key_size = sizeof(TableKey),
        .value_size = sizeof(FilterVerdict),
        .entries = largest_table,
        .flags = BPF_F_NO_PREALLOC};

Result<Fd> make_table(std::span<const FilterEntry> entries) {
    auto table = make_bpf_map(table_shape);
    if (!table) return table;
    for (const FilterEntry& entry : entries) {
        const TableKey key{entry.block.bits, entry.block.base.bytes};
        if (auto set = set_bpf_value(table->get(), &key, &entry.verdict); !set)
            return tl::unexpected(set.error());
    }
    return table;
}

Result<void> put_table(int tables, std::span<const FilterEntry> entries) {
    const auto table = make_table(entries);
    if (!table) return tl::unexpected(table.error());
    const std::uint32_t key = 0;
    const auto value = static_cast<std::uint32_t>(table->get());
    return set_bpf_value(tables, &key, &value);
}

Result<Fd> make_outer_map() {
    const auto sample = make_bpf_map(table_shape);
    if (!sample) return tl::unexpected(sample.error());
    return make_bpf_map({.type = BPF_MAP_TYPE_ARRAY_OF_MAPS,
            .value_size = sizeof(std::uint32_t),
            .inner = sample->get()});
}

// The operation of an error that says: nothing was attached, a classic filter may be.
constexpr const char* no_bpf = "bpf";

Result<void> lock_filter(int socket) {
    const int on = 1;
    if (::setsockopt(socket, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) != 0)
        return fail("SO_LOCK_FILTER");
    return {};
}

Result<void> attach_classic(
        int socket, ListenerKind kind, std::span<const FilterEntry> entries) {
    auto code = make_classic_filter(kind, entries);
    if (code.empty()) return fail(E2BIG, "SO_ATTACH_FILTER");
    const sock_fprog program{
            .len = static_cast<unsigned short>(code.size()), .filter = code.data()};
    if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
        return fail("SO_ATTACH_FILTER");
    return lock_filter(socket);
}

}  // namespace

Result<ClientFilter> ClientFilter::attach(
        int socket, ListenerKind kind, std::span<const FilterEntry> entries) {
    auto filter = attach_changeable(socket, kind, entries);
    if (filter || filter.error().operation != no_bpf) return filter;
    if (auto attached = attach_classic(socket, kind, entries); !attached)
        return tl::unexpected(attached.error());
    return ClientFilter();
}

Result<ClientFilter> ClientFilter::attach_changeable(
        int socket, ListenerKind kind, std::span<const FilterEntry> entries) {
    ClientFilter filter;
    auto tables = make_outer_map();
    auto counts =
            make_bpf_map({.value_size = sizeof(std::uint64_t), .entries = count_elements});
    auto program = tables && counts ? load_socket_filter(
                                              make_program(kind, tables->get(), counts->get()))
                                    : fail(EPERM, no_bpf);
    if (!program) return fail(program.error().code, no_bpf);
    if (auto put = put_table(tables->get(), entries); !put) return tl::unexpected(put.error());
    const int number = program->get();
    if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_BPF, &number, sizeof number) != 0)
        return fail("SO_ATTACH_BPF");
    if (auto locked = lock_filter(socket); !locked) return tl::unexpected(locked.error());
    filter.id_ = bpf_program_id(number);
    filter.mark_ = filter_mark(entries);
    filter.tables_ = std::move(*tables);
    filter.counts_ = std::move(*counts);
    return filter;
}

Result<ClientFilter> ClientFilter::adopt(std::uint32_t id) {
    auto maps = open_maps_of_program(id);
    if (!maps) return tl::unexpected(maps.error());
    ClientFilter filter;
    filter.id_ = id;
    for (Fd& map : *maps) {
        const bpf_map_type kind = bpf_map_kind(map.get());
        if (kind == BPF_MAP_TYPE_ARRAY_OF_MAPS) filter.tables_ = std::move(map);
        if (kind == BPF_MAP_TYPE_ARRAY) filter.counts_ = std::move(map);
    }
    if (!filter.tables_ || !filter.counts_) return fail(ENOENT, "bpf");
    return filter;
}

bool ClientFilter::is_locked(int socket) {
    int locked = 0;
    socklen_t length = sizeof locked;
    return ::getsockopt(socket, SOL_SOCKET, SO_LOCK_FILTER, &locked, &length) == 0 &&
           locked != 0;
}

Result<void> ClientFilter::update(std::span<const FilterEntry> entries) {
    if (!changeable()) return fail(EOPNOTSUPP, "SO_ATTACH_FILTER");
    const std::uint32_t mark = filter_mark(entries);
    if (mark == mark_) return {};
    if (auto put = put_table(tables_.get(), entries); !put) return put;
    mark_ = mark;
    return {};
}

ClientFilter::Counts ClientFilter::take_counts() const {
    Counts fresh;
    if (!counts_) return fresh;
    std::array<std::uint64_t, count_elements> values{};
    for (std::uint32_t i = 0; i < count_elements; ++i)
        if (!get_bpf_value(counts_.get(), &i, &values[i])) return {};
    fresh.denied = values[refused_first] - values[taken_first];
    fresh.not_allowed = values[refused_first + 1] - values[taken_first + 1];
    for (std::uint32_t i = 0; i < 2; ++i) {
        const std::uint32_t taken = taken_first + i;
        if (values[i] != values[taken])
            (void)set_bpf_value(counts_.get(), &taken, &values[refused_first + i]);
    }
    return fresh;
}

}  // namespace superd
