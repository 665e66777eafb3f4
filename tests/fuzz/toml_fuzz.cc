// SPDX-License-Identifier: MIT
// Any bytes are a tree whose places lie in the text, or an error that can be shown.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/tree.h"

using namespace superd;

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

struct Bounds {
    std::uint32_t lines;
    unsigned depth;
};

// Headers and dotted keys add to the nesting of values; 16 parts at each of 32 levels and the
// header's own bound what can be reached.
constexpr unsigned deepest = 16 + 33 * 17;

void check(const Node& node, Bounds bounds) {
    must(node.at.line >= 1 && node.at.line <= bounds.lines && node.at.column >= 1);
    must(bounds.depth <= deepest && !type_name(node).empty());
    ++bounds.depth;
    if (const auto* list = std::get_if<ArrayValue>(&node.value)) {
        for (const auto& item : list->items)
            check(*item, bounds);
    } else if (const auto* table = std::get_if<TableValue>(&node.value)) {
        for (const Member& member : table->members) {
            must(member.at.line >= 1 && member.at.line <= bounds.lines);
            must(table->find(member.key) == &member);
            check(*member.value, bounds);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto lines =
            1 + static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n'));
    Diagnostics diagnostics;
    const auto root = parse_toml(text, 0, "x.toml", diagnostics);
    must((root != nullptr) != diagnostics.has_errors());
    if (root) check(*root, {lines, 0});
    for (const Diagnostic& each : diagnostics.all()) {
        must(!each.message.empty() && each.at.line <= lines);
        for (const char c : render(each))
            must(c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20);
    }
    return 0;
}
