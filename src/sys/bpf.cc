// SPDX-License-Identifier: MIT
// bpf(2). The attributes of each command are cleared whole first: the kernel refuses a call
// whose unused part is not zero.
#include "sys/bpf.h"

#include <array>
#include <cstring>

#include <sys/syscall.h>
#include <unistd.h>

namespace superd {

namespace {

bpf_attr cleared() {
    bpf_attr attributes;
    std::memset(&attributes, 0, sizeof attributes);
    return attributes;
}

long call(bpf_cmd command, bpf_attr& attributes) {
    return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

std::uint64_t address(const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

Result<Fd> as_descriptor(long result, const char* operation) {
    if (result < 0) return fail(operation);
    return Fd(static_cast<int>(result));
}

template <class Info>
bool get_info(int fd, Info& info) {
    bpf_attr attributes = cleared();
    attributes.info.bpf_fd = static_cast<std::uint32_t>(fd);
    attributes.info.info_len = sizeof info;
    attributes.info.info = address(&info);
    return call(BPF_OBJ_GET_INFO_BY_FD, attributes) == 0;
}

}  // namespace

Result<Fd> make_bpf_map(const BpfMapShape& shape) {
    bpf_attr attributes = cleared();
    attributes.map_type = shape.type;
    attributes.key_size = shape.key_size;
    attributes.value_size = shape.value_size;
    attributes.max_entries = shape.entries;
    attributes.map_flags = shape.flags;
    if (shape.inner >= 0) attributes.inner_map_fd = static_cast<std::uint32_t>(shape.inner);
    return as_descriptor(call(BPF_MAP_CREATE, attributes), "BPF_MAP_CREATE");
}

Result<void> set_bpf_value(int map, const void* key, const void* value) {
    bpf_attr attributes = cleared();
    attributes.map_fd = static_cast<std::uint32_t>(map);
    attributes.key = address(key);
    attributes.value = address(value);
    attributes.flags = BPF_ANY;
    if (call(BPF_MAP_UPDATE_ELEM, attributes) != 0) return fail("BPF_MAP_UPDATE_ELEM");
    return {};
}

Result<void> get_bpf_value(int map, const void* key, void* value) {
    bpf_attr attributes = cleared();
    attributes.map_fd = static_cast<std::uint32_t>(map);
    attributes.key = address(key);
    attributes.value = address(value);
    if (call(BPF_MAP_LOOKUP_ELEM, attributes) != 0) return fail("BPF_MAP_LOOKUP_ELEM");
    return {};
}

Result<Fd> load_socket_filter(std::span<const bpf_insn> code) {
    static constexpr char license[] = "MIT";
    bpf_attr attributes = cleared();
    attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attributes.insns = address(code.data());
    attributes.insn_cnt = static_cast<std::uint32_t>(code.size());
    attributes.license = address(license);
    return as_descriptor(call(BPF_PROG_LOAD, attributes), "BPF_PROG_LOAD");
}

std::uint32_t bpf_program_id(int program) {
    bpf_prog_info info{};
    return get_info(program, info) ? info.id : 0;
}

bpf_map_type bpf_map_kind(int map) {
    bpf_map_info info{};
    return get_info(map, info) ? static_cast<bpf_map_type>(info.type) : BPF_MAP_TYPE_UNSPEC;
}

Result<std::vector<Fd>> open_maps_of_program(std::uint32_t program_id) {
    bpf_attr attributes = cleared();
    attributes.prog_id = program_id;
    auto program =
            as_descriptor(call(BPF_PROG_GET_FD_BY_ID, attributes), "BPF_PROG_GET_FD_BY_ID");
    if (!program) return tl::unexpected(program.error());
    std::array<std::uint32_t, 8> ids{};
    bpf_prog_info info{};
    info.nr_map_ids = ids.size();
    info.map_ids = address(ids.data());
    if (!get_info(program->get(), info)) return fail("BPF_OBJ_GET_INFO_BY_FD");
    std::vector<Fd> maps;
    for (std::size_t i = 0; i < info.nr_map_ids && i < ids.size(); ++i) {
        attributes = cleared();
        attributes.map_id = ids[i];
        auto map =
                as_descriptor(call(BPF_MAP_GET_FD_BY_ID, attributes), "BPF_MAP_GET_FD_BY_ID");
        if (!map) return tl::unexpected(map.error());
        maps.push_back(std::move(*map));
    }
    return maps;
}

}  // namespace superd
