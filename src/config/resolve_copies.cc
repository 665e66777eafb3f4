// SPDX-License-Identifier: MIT
// Copies of a service: which there are, and what each of them reads where the file says %i.
//
// A copy is a service of its own. What is written for it, in whichever table, is read with %i,
// %n, %p and %% put in, before anything is made of it, so that they may stand in any text.
#include <algorithm>

#include "base/text.h"
#include "config/resolve.h"

namespace superd {

namespace {

constexpr std::size_t longest_name = 63;

bool is_copy_name(std::string_view text) {
    const auto fits = [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    };
    return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

// The last word on a key that may stand in a service and its overrides.
const Setting* last_of(
        const ResolveContext& context, const Section& section, std::string_view key) {
    const Setting* found = nullptr;
    const auto look = [&](const std::vector<Setting>& settings) {
        for (const Setting& setting : settings)
            if (setting.option->key == key) found = &setting;
    };
    look(section.settings);
    const auto overrides = context.config.overrides.find(section.name);
    if (overrides != context.config.overrides.end())
        for (const Section& one : overrides->second)
            look(one.settings);
    return found;
}

class CopiesReader {
public:
    CopiesReader(
            Report& report, const Section& section, const std::vector<ScaledCopies>& scaled)
            : report_(report), section_(section), scaled_(scaled) {
        copies_.name = section.name;
    }

    CopiesPlan read(const Setting& setting) {
        copies_.origin = Values::origin(setting.at);
        const Node& node = *setting.node;
        if (const auto* number = std::get_if<IntegerValue>(&node.value))
            count(node, number->value);
        else if (const auto* list = std::get_if<ArrayValue>(&node.value))
            for (const auto& item : list->items)
                take(*item);
        else
            report_.error(node.at, "replicas is a number or a list of names, not " +
                                           std::string(type_name(node)));
        if (std::holds_alternative<ArrayValue>(node.value)) copies_.is_list = true;
        if (copies_.is_list && copies_.names.empty())
            report_.error(node.at, "replicas names no copy", "write one name at least");
        copies_.written = static_cast<std::uint32_t>(copies_.names.size());
        if (!copies_.is_list) scale(node);
        return std::move(copies_);
    }

private:
    void count(const Node& node, std::int64_t number) {
        if (number < 1 || number > most_copies) {
            report_.error(node.at, std::to_string(number) + " is out of range for replicas",
                    "it goes from 1 to " + std::to_string(most_copies));
            return;
        }
        for (std::int64_t i = 0; i < number; ++i)
            add(node, std::to_string(i));
    }

    void scale(const Node& node) {
        const auto asked = std::find_if(scaled_.begin(), scaled_.end(),
                [this](const ScaledCopies& one) { return one.name == section_.name; });
        if (asked == scaled_.end() || asked->written != copies_.written ||
                asked->count == copies_.written)
            return;
        copies_.names.clear();
        copies_.scaled = asked->count;
        count(node, asked->count);
    }

    void take(const Node& node) {
        const auto* text = std::get_if<std::string>(&node.value);
        if (text == nullptr)
            report_.error(
                    node.at, "the name of a copy is text, not " + std::string(type_name(node)));
        else if (!is_copy_name(*text))
            report_.error(node.at, quoted(*text) + " is not a name for a copy",
                    "names have letters, digits, '_' and '-'");
        else if (std::find(copies_.names.begin(), copies_.names.end(), *text) !=
                 copies_.names.end())
            report_.error(node.at, quoted(*text) + " stands there twice", "leave one out");
        else
            add(node, *text);
    }

    void add(const Node& node, const std::string& name) {
        const std::string whole = section_.name + "@" + name;
        if (whole.size() > longest_name)
            report_.error(node.at, quoted(whole) + " is too long for a name",
                    "it may have " + std::to_string(longest_name) + " characters");
        copies_.names.push_back(name);
    }

    Report& report_;
    const Section& section_;
    const std::vector<ScaledCopies>& scaled_;
    CopiesPlan copies_;
};

std::string put_in(std::string_view text, const CopyPlan& copy) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        if (text[i] != '%' || (next != 'i' && next != 'n' && next != 'p' && next != '%')) {
            out += text[i];
            continue;
        }
        ++i;
        if (next == 'i') out += copy.name;
        if (next == 'n') out += copy.of + "@" + copy.name;
        if (next == 'p') out += copy.of;
        if (next == '%') out += '%';
    }
    return out;
}

bool has_percent(const Node& node) {
    if (const auto* text = std::get_if<std::string>(&node.value))
        return text->find('%') != std::string::npos;
    if (const auto* list = std::get_if<ArrayValue>(&node.value))
        return std::any_of(list->items.begin(), list->items.end(),
                [](const auto& item) { return has_percent(*item); });
    if (const auto* table = std::get_if<TableValue>(&node.value))
        return std::any_of(table->members.begin(), table->members.end(),
                [](const Member& member) { return has_percent(*member.value); });
    return false;
}

std::unique_ptr<Node> made_of(const Node& node, const CopyPlan& copy) {
    auto made = std::make_unique<Node>();
    made->at = node.at;
    if (const auto* text = std::get_if<std::string>(&node.value)) {
        made->value = put_in(*text, copy);
    } else if (const auto* list = std::get_if<ArrayValue>(&node.value)) {
        ArrayValue items;
        for (const auto& item : list->items)
            items.items.push_back(made_of(*item, copy));
        made->value = std::move(items);
    } else if (const auto* table = std::get_if<TableValue>(&node.value)) {
        TableValue members;
        members.is_inline = table->is_inline;
        for (const Member& member : table->members)
            members.members.push_back({member.key, member.at, made_of(*member.value, copy)});
        made->value = std::move(members);
    } else if (const auto* integer = std::get_if<IntegerValue>(&node.value)) {
        made->value = *integer;
    } else if (const auto* number = std::get_if<double>(&node.value)) {
        made->value = *number;
    } else if (const auto* moment = std::get_if<DateTimeValue>(&node.value)) {
        made->value = *moment;
    } else if (const auto* boolean = std::get_if<bool>(&node.value)) {
        made->value = *boolean;
    }
    return made;
}

}  // namespace

std::optional<CopiesPlan> read_copies(ResolveContext& context, const Section& section) {
    const Setting* setting = last_of(context, section, "replicas");
    if (setting == nullptr) return std::nullopt;
    return CopiesReader(context.report, section, context.options.scaled).read(*setting);
}

void put_in_copy(ResolveContext& context, Layers& layers, const CopyPlan& copy) {
    layers.replace_nodes([&](const Node& node) -> const Node* {
        if (!has_percent(node)) return &node;
        context.made.push_back(made_of(node, copy));
        return context.made.back().get();
    });
}

}  // namespace superd
