// SPDX-License-Identifier: MIT
#include "config/inherit.h"

#include <algorithm>

#include "base/text.h"

namespace superd {

namespace {

// Two items are the same for `remove` where their values are; a listener's table is its
// address.
bool same_item(const Node& a, const Node& b) {
    const Node* left = &a;
    const Node* right = &b;
    for (const Node** side : {&left, &right})
        if (const auto* table = std::get_if<TableValue>(&(*side)->value))
            if (const Member* address = table->find("address")) *side = address->value.get();
    if (const auto* text = std::get_if<std::string>(&left->value)) {
        const auto* other = std::get_if<std::string>(&right->value);
        return other != nullptr && *text == *other;
    }
    if (const auto* number = std::get_if<IntegerValue>(&left->value)) {
        const auto* other = std::get_if<IntegerValue>(&right->value);
        return other != nullptr && number->value == other->value;
    }
    return false;
}

std::string item_text(const Node& node) {
    if (const auto* text = std::get_if<std::string>(&node.value))
        return "\"" + escape(*text) + "\"";
    if (const auto* number = std::get_if<IntegerValue>(&node.value))
        return std::to_string(number->value);
    return std::string(type_name(node));
}

void apply(FoldedList& list, const ListEdit& edit, Layer layer, Report& report) {
    for (const Node* gone : edit.remove) {
        const auto end = std::remove_if(list.items.begin(), list.items.end(),
                [&](const Item& item) { return same_item(*item.node, *gone); });
        if (end == list.items.end())
            report.warning(gone->at,
                    item_text(*gone) + " is not in the inherited list, so it is not removed");
        list.items.erase(end, list.items.end());
    }
    for (const Node* item : edit.add)
        list.items.push_back({item, layer});
}

}  // namespace

void Layers::replace_nodes(const std::function<const Node*(const Node&)>& other) {
    for (Written& written : written_)
        written.node = other(*written.node);
}

void Layers::add(const Section& section, Layer layer) {
    add(section.settings, layer);
}

void Layers::add(const std::vector<Setting>& settings, Layer layer) {
    for (const Setting& setting : settings)
        written_.push_back({setting.option, setting.node, setting.at, layer});
}

void Layers::add_for_listener(const Layers& service) {
    for (const Written& written : service.written_)
        if (written.option->where & in_listener) written_.push_back(written);
}

const Written* Layers::last(std::string_view key) const {
    for (auto it = written_.rbegin(); it != written_.rend(); ++it)
        if (it->option->key == key) return &*it;
    return nullptr;
}

void Layers::drop(const Option* option) {
    std::erase_if(written_, [&](const Written& written) { return written.option == option; });
}

std::optional<ListEdit> as_list_edit(const Node& node) {
    const auto* table = std::get_if<TableValue>(&node.value);
    if (table == nullptr || table->members.empty()) return std::nullopt;
    ListEdit edit;
    for (const Member& member : table->members) {
        if (member.key == "add")
            edit.add = as_items(*member.value);
        else if (member.key == "remove")
            edit.remove = as_items(*member.value);
        else
            return std::nullopt;
    }
    return edit;
}

std::vector<const Node*> as_items(const Node& node) {
    const auto* array = std::get_if<ArrayValue>(&node.value);
    if (array == nullptr) return {&node};
    std::vector<const Node*> items;
    items.reserve(array->items.size());
    for (const auto& item : array->items)
        items.push_back(item.get());
    return items;
}

std::optional<FoldedList> fold_list(
        const Layers& layers, std::string_view key, Report& report) {
    std::optional<FoldedList> list;
    for (const Written& written : layers.everything()) {
        if (written.option->key != key) continue;
        if (!list) list.emplace();
        list->at = written.at;
        if (const auto edit = as_list_edit(*written.node)) {
            apply(*list, *edit, written.layer, report);
            list->edited = true;
            continue;
        }
        list->items.clear();
        list->edited = false;
        for (const Node* item : as_items(*written.node))
            list->items.push_back({item, written.layer});
    }
    return list;
}

std::vector<Entry> fold_table(const Layers& layers, std::string_view key, Report& report) {
    std::vector<Entry> entries;
    for (const Written& written : layers.everything()) {
        if (written.option->key != key) continue;
        const auto* table = std::get_if<TableValue>(&written.node->value);
        if (table == nullptr) {
            report.error(written.node->at,
                    std::string(key) + " is a table, not " +
                            std::string(type_name(*written.node)),
                    "write " + std::string(key) + " = { NAME = ... }");
            continue;
        }
        for (const Member& member : table->members) {
            const Entry entry{&member.key, member.at, member.value.get(), written.layer};
            const auto same = std::find_if(entries.begin(), entries.end(),
                    [&](const Entry& e) { return *e.key == member.key; });
            if (same == entries.end())
                entries.push_back(entry);
            else
                *same = entry;
        }
    }
    return entries;
}

}  // namespace superd
