// SPDX-License-Identifier: MIT
// Inheritance: what a service's keys come to, layer over layer.
//
// [defaults], [profile.NAME], [service.NAME], [override.NAME], and for a listener its own table
// last. A value replaces; a list replaces, or edits with { add = [], remove = [] }; tables
// merge key by key.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/plan.h"
#include "config/written.h"

namespace superd {

enum class Layer : std::uint8_t { defaults, profile, service, override_table, listener };

// True for layers that speak of this one service: there a key without meaning is a mistake.
[[nodiscard]] constexpr bool is_own(Layer layer) {
    return layer >= Layer::service;
}

struct Written {
    const Option* option = nullptr;
    const Node* node = nullptr;
    Place at;  // of the key
    Layer layer = Layer::defaults;
};

// One item of a list, after inheritance.
struct Item {
    const Node* node = nullptr;
    Layer layer = Layer::defaults;
};

// One entry of a table, after inheritance.
struct Entry {
    const std::string* key = nullptr;
    Place at;
    const Node* node = nullptr;
    Layer layer = Layer::defaults;
};

// All that was written for one service (or listener), lowest layer first.
class Layers {
public:
    void add(const Section& section, Layer layer);
    void add(const std::vector<Setting>& settings, Layer layer);
    // Those keys of `service` that may stand in a listener's table too.
    void add_for_listener(const Layers& service);

    // What was written last; null where nothing was.
    [[nodiscard]] const Written* last(std::string_view key) const;

    // All that was written, lowest layer first.
    [[nodiscard]] std::span<const Written> everything() const { return written_; }

    // Each value goes through `other`, which gives back it or one that lives as long.
    void replace_nodes(const std::function<const Node*(const Node&)>& other);

    // Takes out what was written for an option, as though nobody had.
    void drop(const Option* option);

private:
    std::vector<Written> written_;
};

// A list after inheritance; nothing where no layer wrote it.
struct FoldedList {
    std::vector<Item> items;
    bool edited = false;  // { add, remove } has the last word
    Place at;             // of the key written last
};

[[nodiscard]] std::optional<FoldedList> fold_list(
        const Layers& layers, std::string_view key, Report& report);

// A table after inheritance, in the order first written.
[[nodiscard]] std::vector<Entry> fold_table(
        const Layers& layers, std::string_view key, Report& report);

// The { add, remove } of a list, where node is one.
struct ListEdit {
    std::vector<const Node*> add, remove;
};

[[nodiscard]] std::optional<ListEdit> as_list_edit(const Node& node);
// The items of a value that may be one or a list of them.
[[nodiscard]] std::vector<const Node*> as_items(const Node& node);

}  // namespace superd
