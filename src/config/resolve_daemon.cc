// SPDX-License-Identifier: MIT
// [superd]: the daemon's own settings.
#include "config/resolve.h"

namespace superd {

namespace {

void take_admin_group(ResolveContext& context, const Layers& layers, DaemonPlan& plan) {
    const Written* written = layers.last("admin_group");
    if (written == nullptr) return;
    plan.admin_gid = read_group(context, *written->node, "admin_group");
    if (const auto* name = std::get_if<std::string>(&written->node->value))
        plan.admin_group = *name;
}

}  // namespace

DaemonPlan resolve_daemon(ResolveContext& context) {
    DaemonPlan plan;
    Layers layers;
    if (context.config.superd) layers.add(*context.config.superd, Layer::service);
    plan.log = read_sinks(context, layers);
    if (plan.log.empty()) plan.log.push_back({SinkKind::stderr_text, {}});
    take_admin_group(context, layers, plan);
    if (const auto word = choice_of(context, layers, "log_format"))
        plan.log_format = static_cast<LogFormat>(*word);
    if (const auto word = choice_of(context, layers, "broken_file"))
        plan.broken_file = static_cast<BrokenFile>(*word);
    plan.max_processes.value = context.host.default_max_processes();
    if (const auto value = integer_of(context, layers, "max_processes"))
        plan.max_processes = {static_cast<std::uint32_t>(*value),
                Values::origin(layers.last("max_processes")->node->at)};
    plan.name_lookup_timeout = duration_of(context, layers, "name_lookup_timeout")
                                       .value_or(plan.name_lookup_timeout);
    plan.name_refresh =
            duration_of(context, layers, "name_refresh").value_or(plan.name_refresh);
    if (const Written* written = layers.last("dump_file"))
        plan.dump_file = context.values.path(*written->node, "dump_file").value_or("");
    return plan;
}

}  // namespace superd
