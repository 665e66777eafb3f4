// SPDX-License-Identifier: MIT
// Checks values by their type alone, so that a mistake in [defaults], in a profile nobody takes
// or under an override is found all the same.
#include "config/resolve.h"

namespace superd {

namespace {

using T = ValueType;

void check_item(ResolveContext& context, const Option& option, const Node& node) {
    Values& values = context.values;
    std::vector<std::uint32_t> cpus;
    switch (option.type) {
        case T::access:
            static_cast<void>(read_access_rule(context, node, option.key == "allow"));
            break;
        case T::hours: static_cast<void>(values.hours(node)); break;
        case T::path_list: static_cast<void>(values.path(node, option.key)); break;
        case T::tls_words: static_cast<void>(values.text(node, option.key)); break;
        case T::directories: static_cast<void>(values.directory_name(node, option.key)); break;
        case T::variables: static_cast<void>(values.variable_name(node)); break;
        case T::groups: static_cast<void>(read_group(context, node, option.key)); break;
        case T::sinks: static_cast<void>(values.sink(node)); break;
        case T::log_facts: static_cast<void>(values.log_fact(node, option)); break;
        case T::cpus: static_cast<void>(values.cpus(node, cpus)); break;
        case T::multicast: static_cast<void>(values.multicast(node)); break;
        case T::capabilities: static_cast<void>(values.capability(node, option.key)); break;
        case T::system_calls: static_cast<void>(values.system_call(node, option.key)); break;
        case T::address_families: static_cast<void>(values.address_family(node)); break;
        case T::calendar: static_cast<void>(values.calendar(node)); break;
        case T::starters:
        case T::services: static_cast<void>(values.text(node, option.key)); break;
        case T::clean_exits: static_cast<void>(values.clean_exit(node)); break;
        default: break;
    }
}

void check_list(ResolveContext& context, const Option& option, const Node& node) {
    if (option.type == T::addresses || option.type == T::targets)
        return;  // these stand only in services, and are always read
    std::vector<const Node*> items = as_items(node);
    if (const auto edit = as_list_edit(node)) {
        items = edit->add;
        items.insert(items.end(), edit->remove.begin(), edit->remove.end());
    }
    for (const Node* item : items)
        check_item(context, option, *item);
}

void check_entries(ResolveContext& context, const Option& option, const Node& node) {
    const auto* table = std::get_if<TableValue>(&node.value);
    if (table == nullptr) {
        context.report.error(node.at,
                std::string(option.key) + " is a table, not " + std::string(type_name(node)),
                "write " + std::string(option.key) + " = { NAME = ... }");
        return;
    }
    for (const Member& member : table->members) {
        const std::string what = std::string(option.key) + "." + member.key;
        if (option.type == T::rlimits)
            static_cast<void>(context.values.rlimit(member.key, member.at, *member.value));
        else if (option.type == T::path_table)
            static_cast<void>(context.values.path(*member.value, what));
        else
            static_cast<void>(context.values.text(*member.value, what));
    }
}

void check_rate(ResolveContext& context, const Option& option, const Node& node) {
    const auto* text = std::get_if<std::string>(&node.value);
    if (text != nullptr && *text == "unlimited") return;
    const auto* table = std::get_if<TableValue>(&node.value);
    if (table == nullptr) return static_cast<void>(context.values.frequency(node, option.key));
    if (const Member* limit = table->find("limit"))
        static_cast<void>(context.values.frequency(*limit->value, option.key));
    if (const Member* pause = table->find("pause"))
        static_cast<void>(context.values.duration(*pause->value, "pause"));
}

}  // namespace

void check_value(ResolveContext& context, const Setting& setting) {
    const Option& option = *setting.option;
    const Node& node = *setting.node;
    Values& values = context.values;
    if (is_list(option.type)) return check_list(context, option, node);
    if (is_table(option.type)) return check_entries(context, option, node);
    switch (option.type) {
        case T::text: static_cast<void>(values.line(node, option)); break;
        case T::boolean: static_cast<void>(values.boolean(node, option.key)); break;
        case T::integer: static_cast<void>(values.integer(node, option)); break;
        case T::number: static_cast<void>(values.number(node, option)); break;
        case T::bound: static_cast<void>(values.bound(node, option)); break;
        case T::duration: static_cast<void>(values.duration(node, option)); break;
        case T::denial: static_cast<void>(values.denial(node, option)); break;
        case T::time_bound: static_cast<void>(values.time_bound(node, option)); break;
        case T::size: static_cast<void>(values.size(node, option)); break;
        case T::mode: static_cast<void>(values.mode(node, option)); break;
        case T::choice: static_cast<void>(values.choice(node, option)); break;
        case T::path: static_cast<void>(values.path(node, option.key)); break;
        case T::group: static_cast<void>(read_group(context, node, option.key)); break;
        case T::command: static_cast<void>(values.command(node)); break;
        case T::frequency: static_cast<void>(values.frequency_bound(node, option.key)); break;
        case T::rate: check_rate(context, option, node); break;
        case T::output: static_cast<void>(values.output(node, option)); break;
        case T::commands: static_cast<void>(values.commands(node)); break;
        case T::reload: static_cast<void>(values.reload(node)); break;
        case T::health: static_cast<void>(values.health(node)); break;
        case T::prestart: static_cast<void>(values.prestart(node, option)); break;
        case T::ready: static_cast<void>(values.ready(node)); break;
        case T::wrappers: static_cast<void>(values.wrappers(node)); break;
        case T::percent: static_cast<void>(values.percent(node, option)); break;
        case T::ionice: static_cast<void>(values.ionice(node)); break;
        default: break;  // names whose meaning depends on the service: read where they count
    }
}

}  // namespace superd
