// SPDX-License-Identifier: MIT
// bpf(2), as far as it is needed: maps, socket filters, and finding both again by number.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <linux/bpf.h>

#include "base/fd.h"
#include "base/result.h"

namespace superd {

struct BpfMapShape {
    bpf_map_type type = BPF_MAP_TYPE_ARRAY;
    std::uint32_t key_size = 4, value_size = 0, entries = 1, flags = 0;
    int inner = -1;  // BPF_MAP_TYPE_ARRAY_OF_MAPS: a map of the kind that goes in
};

[[nodiscard]] Result<Fd> make_bpf_map(const BpfMapShape& shape);
// Key and value are of the map's sizes.
[[nodiscard]] Result<void> set_bpf_value(int map, const void* key, const void* value);
[[nodiscard]] Result<void> get_bpf_value(int map, const void* key, void* value);
// A BPF_PROG_TYPE_SOCKET_FILTER.
[[nodiscard]] Result<Fd> load_socket_filter(std::span<const bpf_insn> code);

// The number by which the kernel knows a program; 0 where it does not say.
[[nodiscard]] std::uint32_t bpf_program_id(int program);
// The maps that a program uses, each opened anew.
[[nodiscard]] Result<std::vector<Fd>> open_maps_of_program(std::uint32_t program_id);
[[nodiscard]] bpf_map_type bpf_map_kind(int map);

}  // namespace superd
