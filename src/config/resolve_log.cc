// SPDX-License-Identifier: MIT
// Where the lines of superd and of each service go, and what those of a service carry.
#include <map>

#include "config/resolve.h"

namespace superd {

namespace {

constexpr std::size_t sink_bound = 8;  // superd-log's, of one service

std::optional<std::uint8_t> read_facts(
        ResolveContext& context, const Layers& layers, std::string_view key) {
    const auto list = fold_list(layers, key, context.report);
    if (!list) return std::nullopt;
    std::uint8_t bits = 0;
    for (const Item& item : list->items)
        bits |= context.values.log_fact(*item.node, *layers.last(key)->option).value_or(0);
    return bits;
}

}  // namespace

std::vector<SinkPlan> read_sinks(ResolveContext& context, const Layers& layers) {
    std::vector<SinkPlan> sinks;
    const auto list = fold_list(layers, "log", context.report);
    if (!list) return sinks;
    if (list->items.size() > sink_bound)
        context.report.error(
                list->at, "log has more than " + std::to_string(sink_bound) + " places");
    for (const Item& item : list->items)
        if (auto sink = context.values.sink(*item.node)) sinks.push_back(std::move(*sink));
    return sinks;
}

void resolve_log(ResolveContext& context, ServiceInput& input, ServicePlan& plan) {
    plan.log.sinks = read_sinks(context, input.layers);
    if (const auto facts = read_facts(context, input.layers, "log_admitted"))
        plan.log.admitted = *facts;
    if (const auto facts = read_facts(context, input.layers, "log_refused"))
        plan.log.refused = *facts;
}

// A file has one size, whoever writes to it: of those that name it the first has its way.
void check_log_files(const Plan& plan, Report& report) {
    std::map<std::string_view, std::pair<const SinkPlan*, std::string>> files;
    const auto check = [&](const SinkPlan& sink, const Place& at, const std::string& owner) {
        if (sink.kind != SinkKind::file) return;
        const auto [known, fresh] = files.try_emplace(sink.path, &sink, owner);
        if (fresh || *known->second.first == sink) return;
        report.warning(at, "the log file " + sink.path + " of " + owner +
                                   " has other sizes in " + known->second.second +
                                   ": those hold");
    };
    for (const SinkPlan& sink : plan.daemon.log)
        check(sink, Place{}, "[superd]");
    for (const auto& service : plan.services)
        for (const SinkPlan& sink : service->log.sinks)
            check(sink, {service->origin.file, service->origin.line, service->origin.column},
                    "[service." + service->name + "]");
}

}  // namespace superd
